package mqtt

// How a DiskSpool gives out events and takes acknowledgements.

// Peek implements Spool.
func (s *DiskSpool) Peek(max int) ([]Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrSpoolClosed
	}
	s.expire()
	s.fill(max)
	out := make([]Event, 0, min(max, len(s.cache)+len(s.tail)))
	for _, c := range s.cache {
		if len(out) == max {
			return out, nil
		}
		out = append(out, c.event)
	}
	if len(s.batches) > 0 || !s.drained() {
		return out, nil // what is in memory comes after those
	}
	for _, c := range s.tail {
		if len(out) == max {
			break
		}
		out = append(out, c.event)
	}
	return out, nil
}

// drained says that the cache holds everything that is on disk.
func (s *DiskSpool) drained() bool {
	return s.cursor == nil || s.offset >= s.cursor.end && s.after(s.cursor) == nil
}

// fill reads events until the cache holds n, or all.
func (s *DiskSpool) fill(n int) {
	buf := make([]byte, 4<<10)
	for len(s.cache) < n && s.cursor != nil {
		seg := s.cursor
		if s.offset >= seg.end {
			next := s.after(seg)
			if next == nil || s.pending(seg) { // its last events are still being synced
				return
			}
			s.cursor, s.offset = next, segmentHeader
			continue
		}
		r, err := seg.readRecord(s.offset, buf)
		if err != nil || r.size() > seg.end-s.offset {
			s.skipDamage(seg, err)
			continue
		}
		s.offset += r.size()
		if r.seq <= s.acked || len(s.cache) > 0 && r.seq <= s.cache[len(s.cache)-1].event.Seq {
			continue
		}
		c := cached{bytes: r.size(), stamp: r.stamp, seg: seg}
		if _, err := c.event.UnmarshalMsg(r.payload); err != nil || c.event.Seq != r.seq {
			s.log.Error("mqtt: spool: an event can't be read, left out", "seq", r.seq, "error", err)
			s.forget(seg)
			continue
		}
		if len(s.cache) == 0 && s.expired(r.stamp) {
			s.forget(seg)
			s.acked = r.seq
			continue
		}
		s.cache = append(s.cache, c)
	}
	s.release()
}

// forget gives up one event of seg.
func (s *DiskSpool) forget(seg *segment) {
	seg.live--
	s.live--
	s.dropped++
}

// skipDamage moves the cursor behind bytes that were a record when the segment was opened and are none now.
func (s *DiskSpool) skipDamage(seg *segment, cause error) {
	from, left := s.offset, 0
	s.offset = seg.end
	b := make([]byte, seg.end)
	if _, err := seg.file.ReadAt(b, 0); err == nil {
		next := s.acked + 1
		if n := len(s.cache); n > 0 {
			next = s.cache[n-1].event.Seq + 1
		}
		if found := findRecord(b, from+1, seg.gen, next); found >= 0 {
			s.offset = found
			left = len(walk(b, found, seg.gen, next).records)
		}
	}
	for _, c := range s.cache {
		if c.seg == seg {
			left++
		}
	}
	lost := max(seg.live-left, 0)
	seg.live -= lost
	s.live -= lost
	s.dropped += uint64(lost)
	s.log.Error("mqtt: spool: a segment has gone bad, events are lost", "file", seg.name, "events", lost, "error", cause)
}

// Ack implements Spool.
func (s *DiskSpool) Ack(seq uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrSpoolClosed
	}
	seq = min(seq, s.seq)
	if seq <= s.acked {
		return nil
	}
	for {
		for len(s.cache) > 0 && s.cache[0].event.Seq <= seq {
			s.pop()
		}
		if len(s.cache) > 0 || s.drained() {
			break
		}
		s.fill(1)
		if len(s.cache) == 0 {
			break
		}
	}
	for len(s.tail) > 0 && s.tail[0].event.Seq <= seq {
		s.tailBytes -= s.tail[0].bytes
		s.tail[0] = cached{}
		s.tail = s.tail[1:]
		s.live--
	}
	s.acked = seq
	if s.ackSince.IsZero() {
		s.ackSince = s.config.now()
	}
	s.release()
	return nil
}

func (s *DiskSpool) pop() {
	if seg := s.cache[0].seg; seg != nil {
		seg.live--
	}
	s.live--
	s.cache[0] = cached{}
	s.cache = s.cache[1:]
}
