package mqtt

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"time"
)

// What a DiskSpool gives up and when: bounds, age, a failing disk, what the broker has.

// dropOldest gives up the oldest segment and what the broker does not have of it.
func (s *DiskSpool) dropOldest() {
	seg := s.segs[0]
	if seg.live > 0 {
		s.log.Warn("mqtt: spool is full, the oldest events are dropped", "events", seg.live, "max_bytes", s.config.MaxBytes)
	}
	s.dropped += uint64(seg.live)
	s.live -= seg.live
	s.removeFirst()
}

// removeFirst takes segs[0] out, and everything that points to it.
func (s *DiskSpool) removeFirst() {
	seg := s.segs[0]
	kept := s.cache[:0]
	for _, c := range s.cache {
		if c.seg != seg {
			kept = append(kept, c)
		}
	}
	clear(s.cache[len(kept):])
	s.cache = kept
	if s.cursor == seg {
		s.cursor, s.offset = s.after(seg), segmentHeader
	}
	s.segs = s.segs[1:]
	if s.active == seg {
		s.active = nil
	}
	for _, b := range s.batches {
		if b.seg == seg { // the file must live until its sync is done
			return
		}
	}
	s.recycle(seg)
}

// recycle keeps seg's file as the spare, or removes it.
func (s *DiskSpool) recycle(seg *segment) {
	if s.spare == nil && seg.limit == s.config.segment && s.fs.rename(seg.name, "spare") == nil {
		s.spare, s.moved = seg.file, true
		return
	}
	seg.file.Close()
	if err := s.fs.remove(seg.name); err != nil {
		s.log.Debug("mqtt: spool: remove", "file", seg.name, "error", err)
	}
}

// release recycles the segments that the broker has wholly.
func (s *DiskSpool) release() {
	for len(s.segs) > 0 && s.segs[0] != s.active && s.segs[0].live <= 0 && !s.pending(s.segs[0]) {
		s.removeFirst()
	}
}

func (s *DiskSpool) pending(seg *segment) bool {
	for _, b := range s.batches {
		if b.seg == seg {
			return true
		}
	}
	return false
}

// trustedClock is a time before which no clock is right: stamps from before it say nothing about an event's age.
var trustedClock = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()

func (s *DiskSpool) expired(stamp int64) bool {
	return s.config.MaxAge > 0 && stamp >= trustedClock && s.clock()-stamp > s.config.MaxAge.Milliseconds()
}

// expire gives up cached events that have become too old. What is behind them is younger.
func (s *DiskSpool) expire() {
	for len(s.cache) > 0 && s.expired(s.cache[0].stamp) {
		s.acked = max(s.acked, s.cache[0].event.Seq)
		s.pop()
		s.dropped++
	}
	for len(s.cache) == 0 && s.drained() && len(s.batches) == 0 && len(s.tail) > 0 && s.expired(s.tail[0].stamp) {
		s.acked = max(s.acked, s.tail[0].event.Seq)
		s.dropTail()
	}
}

// expireSegments gives up whole segments that are too old, also while nobody peeks.
func (s *DiskSpool) expireSegments() {
	for len(s.segs) > 1 && s.segs[0] != s.active && s.expired(s.segs[0].stamp) {
		s.dropOldest()
	}
}

// fail turns to memory. What was written and not synced is kept there too: after a failed sync nobody knows what the disk
// has.
func (s *DiskSpool) fail(err error) {
	if s.failure == nil {
		s.log.Error("mqtt: spool: the disk does not take events: they are kept in memory until it does", "dir", s.config.Dir, "error", err)
	}
	s.failure = err
	s.nextTry = s.config.now().Add(s.config.retry)
	if seg := s.active; seg != nil {
		s.active = nil
		s.dirty = false
	}
	batches := s.batches
	s.batches = nil
	var unsynced []cached
	for _, b := range batches {
		for _, c := range b.events {
			if c.event.Seq <= s.acked { // acknowledged while it moved from memory to the disk
				s.live--
				continue
			}
			c.seg = nil
			unsynced = append(unsynced, c)
			s.tailBytes += c.bytes
		}
		close(b.done)
	}
	s.tail = append(unsynced, s.tail...)
	for _, b := range batches {
		if !s.holds(b.seg) { // dropped while it waited
			b.seg.file.Close()
			s.fs.remove(b.seg.name)
		}
	}
	for n := len(s.segs); n > 0 && s.segs[n-1].count == 0; n = len(s.segs) {
		// Nothing in it counts; its name must be free for the next.
		seg := s.segs[n-1]
		if s.cursor == seg {
			s.cursor = nil
			if n > 1 {
				s.cursor, s.offset = s.segs[n-2], s.segs[n-2].end
			}
		}
		s.segs = s.segs[:n-1]
		seg.file.Close()
		s.fs.remove(seg.name)
	}
	s.boundMemory()
}

// keepInMemory is where events go while the disk fails.
func (s *DiskSpool) keepInMemory(c cached) {
	c.seg = nil
	s.tail = append(s.tail, c)
	s.tailBytes += c.bytes
	s.boundMemory()
}

// boundMemory gives up the oldest event of all: on disk first, which also makes room there.
func (s *DiskSpool) boundMemory() {
	for s.tailBytes > s.config.memory && len(s.tail) > 1 {
		if len(s.segs) > 0 {
			s.dropOldest()
			s.nextTry = time.Time{}
			continue
		}
		s.dropTail()
	}
}

func (s *DiskSpool) dropTail() {
	s.tailBytes -= s.tail[0].bytes
	s.tail[0] = cached{}
	s.tail = s.tail[1:]
	s.live--
	s.dropped++
}

// retryDisk tries the disk again and moves to it what is in memory. next is the seq of the next event.
func (s *DiskSpool) retryDisk(next uint64) {
	s.nextTry = s.config.now().Add(s.config.retry)
	first := next
	if len(s.tail) > 0 {
		first = s.tail[0].event.Seq
	}
	if err := s.nextSegment(first); err != nil {
		s.failure = err
		return
	}
	s.log.Info("mqtt: spool: the disk takes events again", "dir", s.config.Dir, "moved", len(s.tail))
	tail := s.tail
	s.tail, s.tailBytes = nil, 0
	for _, c := range tail {
		s.put(c) // back into memory if the disk fails anew
	}
	s.poke()
}

// ackRecorded notes that the disk knows of acknowledgements up to seq, or will after the next sync.
func (s *DiskSpool) ackRecorded(seq uint64) {
	s.ackSaved = max(s.ackSaved, seq)
	if s.ackSaved >= s.acked {
		s.ackSince = time.Time{}
	}
}

// saveAck writes the newest acknowledgement to the file "acked", two slots in turn. It is not synced: after a power cut the
// broker may get some events once more, with the same ids.
func (s *DiskSpool) saveAck() {
	s.ackSince = time.Time{}
	if s.ackSaved >= s.acked {
		return
	}
	if s.ackFile == nil {
		f, err := s.fs.open("acked")
		if err != nil {
			f, err = s.fs.create("acked")
		}
		if err != nil {
			return
		}
		s.ackFile = f
	}
	b := binary.LittleEndian.AppendUint64(nil, s.acked)
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	if _, err := s.ackFile.WriteAt(b, s.ackSlot*512); err == nil {
		s.ackSaved = s.acked
		s.ackSlot = 1 - s.ackSlot
	}
}

// loadAck is what saveAck wrote last.
func loadAck(f io.ReaderAt) (seq uint64, slot int64) {
	for i := range int64(2) {
		b := make([]byte, 12)
		if _, err := f.ReadAt(b, i*512); err != nil {
			continue
		}
		if crc32.Checksum(b[:8], castagnoli) == binary.LittleEndian.Uint32(b[8:]) && binary.LittleEndian.Uint64(b) > seq {
			seq, slot = binary.LittleEndian.Uint64(b), 1-i
		}
	}
	return seq, slot
}
