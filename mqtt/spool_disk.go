package mqtt

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// SpoolConfig says where and how a DiskSpool keeps events. Only Dir is needed.
type SpoolConfig struct {
	Dir      string
	MaxBytes int64         // of disk; the oldest events are dropped beyond it, a segment at a time. 256 MiB; at least 1 MiB
	MaxAge   time.Duration // older events are dropped; 0: never
	// Sync 0 returns from Append when the event is on the disk. Otherwise the disk is synced that often: a power cut loses
	// at most what was appended in the last Sync, a crash of the process nothing.
	Sync time.Duration
	Log  *slog.Logger

	fs      spoolFS
	now     func() time.Time
	segment int64         // bytes of one segment
	memory  int64         // bytes kept in memory while the disk fails
	retry   time.Duration // between attempts to use a failing disk again
}

const (
	minSegment = 512 << 10       // holds any event
	maxSegment = 1 << 20         // made in one go, on the path of an event
	cacheMax   = 64              // decoded events at the head
	ackDelay   = 5 * time.Second // until an acknowledgement that no record carries is written
)

func (c SpoolConfig) withDefaults() SpoolConfig {
	if c.MaxBytes <= 0 {
		c.MaxBytes = 256 << 20
	}
	if c.segment == 0 {
		c.segment = min(max(c.MaxBytes/16, minSegment), maxSegment)
	}
	c.MaxBytes = max(c.MaxBytes, 2*c.segment)
	if c.memory == 0 {
		c.memory = min(c.MaxBytes, 16<<20)
	}
	if c.retry == 0 {
		c.retry = 5 * time.Second
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// DiskSpool is a Spool that outlives power cuts and kills. While its disk is full, read-only or failing, it keeps events
// in memory, says so in Stats and in the log, and moves them to the disk once that works again.
type DiskSpool struct {
	config SpoolConfig
	fs     spoolFS
	log    *slog.Logger

	mu     sync.Mutex
	segs   []*segment // oldest first
	active *segment   // the last of segs, which takes records; nil while the disk fails
	write  int64      // where the next record goes in active
	spare  spoolFile  // to be the next segment; nil: none
	moved  bool       // it was renamed, and the directory not synced since
	seq    uint64     // of the newest event
	acked  uint64     // the broker has everything up to here
	live   int        // events kept: on disk, on their way there, in memory

	cache      []cached // the oldest events that can be published, decoded
	cursor     *segment // where the event after the cache is read from
	offset     int64
	tail       []cached // newer than all on disk, in memory only
	tailBytes  int64
	batches    []*batch // written, not yet synced
	epoch      time.Time
	epochStamp int64
	newest     map[string]Event // at the time of opening
	newestID   string           // likewise, of the last event, also if the broker has it

	dropped  uint64
	failure  error // why active is nil
	nextTry  time.Time
	ackSaved uint64    // what records and the ack file say
	ackSince time.Time // acknowledgements differ from ackSaved since then; zero: they don't
	ackSlot  int64
	ackFile  spoolFile
	dirty    bool // Sync > 0: records to be synced
	closed   bool

	wake chan struct{}
	done chan struct{}
}

// cached is an event ready to be published.
type cached struct {
	event Event
	bytes int64
	stamp int64
	seg   *segment // nil: in memory only
}

// batch is what one sync makes durable. It lies in one segment.
type batch struct {
	seg    *segment
	events []cached
	offs   []int64 // where each begins
	done   chan struct{}
}

var (
	_ Spool        = (*DiskSpool)(nil)
	_ spoolStater  = (*DiskSpool)(nil)
	_ newestSource = (*DiskSpool)(nil)
	_ beginner     = (*DiskSpool)(nil)
	_ lastIDer     = (*DiskSpool)(nil)
)

// OpenSpool opens or makes the spool in cfg.Dir. Damaged files are set aside and named in the log; a disk that can't be
// written is no error either, see DiskSpool. An error means that another process has the spool.
func OpenSpool(cfg SpoolConfig) (*DiskSpool, error) {
	cfg = cfg.withDefaults()
	if cfg.fs == nil {
		fs, err := openOSFS(cfg.Dir)
		if err == errSpoolInUse {
			return nil, fmt.Errorf("mqtt: spool %s: %w: stop that one, or set spool.dir", cfg.Dir, err)
		}
		if err != nil {
			cfg.fs = failedFS{err}
		} else {
			cfg.fs = fs
		}
	}
	s := &DiskSpool{config: cfg, fs: cfg.fs, log: cfg.Log, newest: make(map[string]Event),
		wake: make(chan struct{}, 1), done: make(chan struct{})}
	s.recover()
	if err := s.nextSegmentIfNone(); err != nil {
		s.fail(err)
	}
	s.log.Info("mqtt: spool", "dir", cfg.Dir, "kept", s.live, "next", s.seq+1)
	go s.run()
	return s, nil
}

// nextSegmentIfNone makes a first segment, so that the first event does not wait for it.
func (s *DiskSpool) nextSegmentIfNone() error {
	if s.active != nil {
		return nil
	}
	return s.nextSegment(s.seq + 1)
}

// clock is now, in milliseconds, on a clock that never steps while the process runs and never falls behind the stamps on
// disk: a board without a battery starts somewhere in the past and then jumps.
func (s *DiskSpool) clock() int64 {
	return s.epochStamp + s.config.now().Sub(s.epoch).Milliseconds()
}

// Append implements Spool. With Sync 0 it returns when the event is on disk, or is in memory because the disk fails.
func (s *DiskSpool) Append(e Event) (uint64, error) {
	seq, wait, err := s.begin(e)
	if err != nil {
		return 0, err
	}
	wait()
	return seq, nil
}

// begin is Append up to where the event has its place; wait returns when Append would.
func (s *DiskSpool) begin(e Event) (seq uint64, wait func(), err error) {
	if _, err := encodedSize(&e); err != nil {
		return 0, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, nil, ErrSpoolClosed
	}
	s.seq++
	e.Seq = s.seq
	s.live++
	c := cached{event: e, stamp: s.clock()}
	if s.active == nil && !s.config.now().Before(s.nextTry) {
		s.retryDisk(e.Seq)
	}
	b := s.put(c)
	if b == nil || s.config.Sync > 0 {
		return e.Seq, func() {}, nil
	}
	return e.Seq, func() { s.poke(); <-b.done }, nil
}

// put writes c to the active segment, or keeps it in memory where that fails. The batch is nil if nothing is to be
// waited for.
func (s *DiskSpool) put(c cached) *batch {
	payload, err := c.event.AppendMsgpack(nil)
	if err != nil { // encoded once already
		payload = nil
	}
	r := record{seq: c.event.Seq, stamp: c.stamp, acked: s.acked, payload: payload}
	c.bytes = r.size()
	if s.active != nil && s.write+r.size() > s.active.limit {
		if err := s.nextSegment(r.seq); err != nil {
			s.fail(err)
		}
	}
	if s.active == nil {
		s.keepInMemory(c)
		return nil
	}
	off := s.write
	if _, err := s.active.file.WriteAt(appendRecord(nil, s.active.gen, r), off); err != nil {
		s.fail(err)
		s.keepInMemory(c)
		return nil
	}
	s.write += r.size()
	s.ackRecorded(s.acked)
	c.seg = s.active
	if s.config.Sync > 0 {
		s.dirty = true
		s.admit(c, off)
		return nil
	}
	if n := len(s.batches); n == 0 || s.batches[n-1].seg != s.active {
		s.batches = append(s.batches, &batch{seg: s.active, done: make(chan struct{})})
	}
	b := s.batches[len(s.batches)-1]
	b.events = append(b.events, c)
	b.offs = append(b.offs, off)
	return b
}

// admit makes an event that is on disk visible.
func (s *DiskSpool) admit(c cached, off int64) {
	seg := c.seg
	seg.count++
	seg.last, seg.stamp = c.event.Seq, c.stamp
	seg.end = off + c.bytes
	if s.cursor == nil {
		s.cursor, s.offset = seg, off
	}
	if s.cursor != seg && s.offset >= s.cursor.end && s.after(s.cursor) == seg {
		s.cursor, s.offset = seg, segmentHeader
	}
	if c.event.Seq <= s.acked { // acknowledged while it was in memory
		s.live--
		if s.cursor == seg && s.offset == off {
			s.offset = seg.end
		}
		return
	}
	seg.live++
	if s.cursor == seg && s.offset == off && len(s.cache) < cacheMax {
		s.cache = append(s.cache, c)
		s.offset = seg.end
	}
}

// after is the segment after seg; nil: none.
func (s *DiskSpool) after(seg *segment) *segment {
	for i, x := range s.segs {
		if x == seg && i+1 < len(s.segs) {
			return s.segs[i+1]
		}
	}
	return nil
}

// nextSegment makes the segment that takes records from first on, at the cost of the oldest where the bound asks for it.
func (s *DiskSpool) nextSegment(first uint64) error {
	s.expireSegments()
	for len(s.segs) > 0 && int64(len(s.segs)+1)*s.config.segment > s.config.MaxBytes {
		s.dropOldest()
	}
	if s.dirty && s.active != nil {
		if err := s.active.file.sync(); err != nil {
			return err
		}
		s.dirty = false
	}
	if s.moved {
		// A crash must not leave the spare's new header under its old name.
		if err := s.fs.syncDir(); err != nil {
			return err
		}
		s.moved = false
	}
	gen := rand.Uint32()
	name, made := "spare", false
	if s.spare == nil {
		f, err := s.fs.create("new")
		if err != nil {
			return err
		}
		zeros := make([]byte, 64<<10)
		for off := int64(0); off < s.config.segment; off += int64(len(zeros)) {
			if _, err := f.WriteAt(zeros[:min(int64(len(zeros)), s.config.segment-off)], off); err != nil {
				f.Close()
				s.fs.remove("new") // gives the space back
				return err
			}
		}
		s.spare, name, made = f, "new", true
	}
	give := func(err error) error {
		if made {
			s.spare.Close()
			s.spare = nil
			s.fs.remove("new")
		}
		return err
	}
	if _, err := s.spare.WriteAt(encodeSegmentHeader(first, gen), 0); err != nil {
		return give(err)
	}
	if err := s.spare.sync(); err != nil {
		return give(err)
	}
	seg := &segment{file: s.spare, name: segmentName(first), gen: gen, first: first, last: first - 1,
		end: segmentHeader, limit: s.config.segment, stamp: s.clock()}
	if err := s.fs.rename(name, seg.name); err != nil {
		return give(err)
	}
	s.spare = nil
	if err := s.fs.syncDir(); err != nil {
		seg.file.Close()
		return err
	}
	s.segs = append(s.segs, seg)
	s.active, s.write = seg, segmentHeader
	s.failure = nil
	return nil
}

// Len implements Spool.
func (s *DiskSpool) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live
}

// Stats says what is kept, where, and what was dropped.
func (s *DiskSpool) Stats() SpoolStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := SpoolStats{Events: s.live, Dropped: s.dropped, Unsafe: len(s.tail), Bytes: s.tailBytes}
	for _, seg := range s.segs {
		st.Bytes += seg.end
	}
	if s.failure != nil {
		st.Error = s.failure.Error()
	}
	return st
}

// Newest is the newest event of each camera among those that were kept when the spool was opened.
func (s *DiskSpool) Newest() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Event, 0, len(s.newest))
	for _, e := range s.newest {
		out = append(out, e)
	}
	return out
}

func (s *DiskSpool) lastID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newestID
}
