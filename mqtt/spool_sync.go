package mqtt

import "time"

func (s *DiskSpool) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run syncs batches as they come, and does what is due from time to time, until Close.
func (s *DiskSpool) run() {
	defer close(s.done)
	pace := time.Second
	if s.config.Sync > 0 {
		pace = min(pace, s.config.Sync)
	}
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for {
		select {
		case <-s.wake:
		case <-tick.C:
			s.mu.Lock()
			s.routine()
			s.mu.Unlock()
		}
		for s.syncBatch() {
		}
		s.mu.Lock()
		closed := s.closed && len(s.batches) == 0
		s.mu.Unlock()
		if closed {
			return
		}
	}
}

// routine is what is due from time to time.
func (s *DiskSpool) routine() {
	now := s.config.now()
	if s.active == nil && !now.Before(s.nextTry) && !s.closed {
		s.retryDisk(s.seq + 1)
	}
	if !s.ackSince.IsZero() && now.Sub(s.ackSince) >= ackDelay {
		s.saveAck()
	}
	if s.dirty && s.active != nil {
		// Under the lock: with an interval, an Append may wait for it.
		if err := s.active.file.sync(); err != nil {
			s.fail(err)
		}
		s.dirty = false
	}
}

// syncBatch makes the oldest batch durable; false if there is none. While it syncs, later events gather in the next
// batch: that is the group commit, and an event waits for no more than the sync before its own.
func (s *DiskSpool) syncBatch() bool {
	s.mu.Lock()
	if len(s.batches) == 0 {
		s.mu.Unlock()
		return false
	}
	b := s.batches[0]
	if len(s.batches) == 1 {
		// What comes from now on is another batch: this one's sync may be past it.
		s.batches = append(s.batches, &batch{seg: b.seg, done: make(chan struct{})})
	}
	s.mu.Unlock()

	err := b.seg.file.sync()

	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.batches) == 0 || s.batches[0] != b {
		return true // the disk failed meanwhile: fail has taken it over
	}
	if err != nil {
		s.fail(err)
		return true
	}
	s.batches = s.batches[1:]
	if len(s.batches) == 1 && len(s.batches[0].events) == 0 {
		s.batches = nil
	}
	if !s.holds(b.seg) { // dropped while it was synced
		s.live -= len(b.events)
		s.dropped += uint64(len(b.events))
		if !s.pending(b.seg) {
			s.recycle(b.seg)
		}
	} else {
		for i, c := range b.events {
			s.admit(c, b.offs[i])
		}
	}
	close(b.done)
	s.release()
	return true
}

func (s *DiskSpool) holds(seg *segment) bool {
	for _, x := range s.segs {
		if x == seg {
			return true
		}
	}
	return false
}

// Close syncs what is left, notes what the broker has, and lets go of the directory.
func (s *DiskSpool) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.poke()
	<-s.done
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.tail); n > 0 {
		s.log.Error("mqtt: spool: closed while the disk fails: events in memory are lost", "events", n)
	}
	if s.dirty && s.active != nil {
		if err := s.active.file.sync(); err != nil {
			s.log.Error("mqtt: spool: sync", "error", err)
		}
	}
	s.saveAck()
	for _, seg := range s.segs {
		seg.file.Close()
	}
	for _, f := range []spoolFile{s.spare, s.ackFile} {
		if f != nil {
			f.Close()
		}
	}
	if c, ok := s.fs.(interface{ Close() error }); ok {
		c.Close()
	}
	return nil
}
