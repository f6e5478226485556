package mqtt

import (
	"fmt"
	"slices"
	"strings"
)

// maxCorrupt bounds the files that were set aside; the oldest goes first.
const maxCorrupt = 4

// recover reads what an earlier process left. Whatever it finds, the spool works afterwards.
func (s *DiskSpool) recover() {
	s.epoch = s.config.now()
	s.epochStamp = s.epoch.UnixMilli()
	names, err := s.fs.names()
	if err != nil {
		// Seqs must not repeat those on the disk that can't be read: milliseconds are far above any count of events.
		s.seq = uint64(max(s.epochStamp, 0))
		s.acked = s.seq
		s.fail(err)
		return
	}
	slices.Sort(names)
	if slices.Contains(names, "acked") {
		if f, err := s.fs.open("acked"); err == nil {
			s.acked, s.ackSlot = loadAck(f)
			s.ackFile = f
		}
	}
	var stamps int64
	var found []*scannedSegment
	for _, name := range names {
		if !strings.HasSuffix(name, ".seg") {
			continue
		}
		seg := s.openSegment(name)
		if seg == nil {
			continue
		}
		s.acked = max(s.acked, seg.acked)
		stamps = max(stamps, seg.seg.stamp)
		found = append(found, seg)
	}
	slices.SortStableFunc(found, func(a, b *scannedSegment) int {
		if a.seg.first < b.seg.first {
			return -1
		}
		return 1
	})
	s.ackSaved = s.acked
	s.epochStamp = max(s.epochStamp, stamps)
	last := uint64(0)
	for _, f := range found {
		for _, r := range f.records {
			// A seq that was here before is a second copy, from a disk that failed and came back.
			if r.seq > last {
				f.seg.count++
				if r.seq > s.acked {
					f.seg.live++
				}
				last = r.seq
			}
		}
		f.seg.last = last
		s.live += f.seg.live
		s.segs = append(s.segs, f.seg)
		s.seq = max(s.seq, last, f.seg.first-1)
	}
	s.seq = max(s.seq, s.acked)
	if len(s.segs) > 0 {
		s.cursor, s.offset = s.segs[0], segmentHeader
		// The newest goes on taking records if it is one of ours.
		if seg := s.segs[len(s.segs)-1]; seg.limit == s.config.segment && s.writable(seg) {
			s.active, s.write = seg, seg.end
		}
	}
	if slices.Contains(names, "spare") {
		s.adoptSpare()
	}
	s.fs.remove("new")
	s.release()
	s.readNewest()
}

type scannedSegment struct {
	seg     *segment
	records []scannedRecord
	acked   uint64
}

// openSegment opens and checks one segment; nil if nothing in it can be used.
func (s *DiskSpool) openSegment(name string) *scannedSegment {
	f, err := s.fs.open(name)
	if err != nil {
		s.log.Error("mqtt: spool: a segment can't be opened, left alone", "file", name, "error", err)
		return nil
	}
	size, err := f.size()
	if err == nil && size > 64<<20 {
		err = fmt.Errorf("it has %d bytes", size)
	}
	var b []byte
	if err == nil {
		b = make([]byte, size)
		_, err = f.ReadAt(b, 0)
	}
	var found scanned
	if err == nil {
		found, err = scanSegment(b)
	}
	if err == nil && name != segmentName(found.first) {
		err = fmt.Errorf("it is the segment %s", segmentName(found.first))
	}
	if err != nil {
		f.Close()
		s.setAside(name, err)
		return nil
	}
	if found.damaged > 0 {
		if g := s.rewrite(name, b, &found); g != nil {
			f.Close()
			f = g
		}
	}
	seg := &segment{file: f, name: name, gen: found.gen, first: found.first, last: found.first - 1, end: found.end, limit: size}
	if n := len(found.records); n > 0 {
		seg.stamp = found.records[n-1].stamp
	}
	return &scannedSegment{seg, found.records, found.acked}
}

// writable tries seg with its own header.
func (s *DiskSpool) writable(seg *segment) bool {
	_, err := seg.file.WriteAt(encodeSegmentHeader(seg.first, seg.gen), 0)
	return err == nil
}

// setAside renames a file that can't be used and says so.
func (s *DiskSpool) setAside(name string, cause error) {
	aside := name + ".corrupt"
	s.boundCorrupt()
	if err := s.fs.rename(name, aside); err != nil {
		s.log.Error("mqtt: spool: a file is damaged and can't be set aside", "file", name, "cause", cause, "error", err)
		return
	}
	s.log.Error("mqtt: spool: a file is damaged, set aside", "file", aside, "cause", cause)
}

func (s *DiskSpool) boundCorrupt() {
	names, err := s.fs.names()
	if err != nil {
		return
	}
	names = slices.DeleteFunc(names, func(n string) bool { return !strings.HasSuffix(n, ".corrupt") })
	slices.Sort(names)
	for len(names) >= maxCorrupt {
		s.fs.remove(names[0])
		names = names[1:]
	}
}

// rewrite replaces a segment with damage inside by one with its good records, and keeps a copy of the damaged one. Nil:
// it could not, and the segment stays in use as it is.
func (s *DiskSpool) rewrite(name string, b []byte, found *scanned) spoolFile {
	s.log.Error("mqtt: spool: a segment is damaged inside, its other events are kept and a copy is set aside",
		"file", name+".corrupt", "bytes", found.damaged, "events", len(found.records))
	s.boundCorrupt()
	if f, err := s.fs.create(name + ".corrupt"); err == nil {
		f.WriteAt(b, 0)
		f.Close()
	}
	good := append(make([]byte, 0, len(b)), b[:segmentHeader]...)
	records := make([]scannedRecord, 0, len(found.records))
	for _, r := range found.records {
		moved := r
		moved.off = int64(len(good))
		good = append(good, b[r.off:r.off+r.size]...)
		records = append(records, moved)
	}
	end := int64(len(good))
	good = good[:len(b)] // zeros to the end
	f, err := s.fs.create("new")
	if err != nil {
		return nil
	}
	if _, err = f.WriteAt(good, 0); err == nil {
		err = f.sync()
	}
	if err == nil {
		err = s.fs.rename("new", name)
	}
	if err == nil {
		err = s.fs.syncDir()
	}
	if err != nil {
		f.Close()
		s.fs.remove("new")
		return nil
	}
	found.records, found.end = records, end
	return f
}

// adoptSpare takes a spare that an earlier process left.
func (s *DiskSpool) adoptSpare() {
	f, err := s.fs.open("spare")
	if err != nil {
		return
	}
	if size, err := f.size(); err != nil || size != s.config.segment {
		f.Close()
		s.fs.remove("spare")
		return
	}
	s.spare = f
}

// readNewest finds the newest event of each camera in the newest two segments, where events are kept at all.
func (s *DiskSpool) readNewest() {
	buf := make([]byte, 4<<10)
	for _, seg := range s.segs[max(0, len(s.segs)-2):] {
		for off := int64(segmentHeader); off < seg.end; {
			r, err := seg.readRecord(off, buf)
			if err != nil {
				break
			}
			off += r.size()
			var e Event
			if r.seq > s.acked || off >= seg.end {
				if _, err := e.UnmarshalMsg(r.payload); err == nil {
					s.newestID = e.ID
					if r.seq > s.acked {
						s.newest[e.Camera] = e
					}
				}
			}
		}
	}
}

// failedFS stands in for a directory that can't be used at all.
type failedFS struct{ err error }

func (f failedFS) names() ([]string, error)         { return nil, f.err }
func (f failedFS) open(string) (spoolFile, error)   { return nil, f.err }
func (f failedFS) create(string) (spoolFile, error) { return nil, f.err }
func (f failedFS) rename(string, string) error      { return f.err }
func (f failedFS) remove(string) error              { return f.err }
func (f failedFS) syncDir() error                   { return f.err }
