package mqtt

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// What an administrator does with a spool's directory; the daemon may be running.

// ReadSpool calls f for every event in dir that the broker does not have, oldest first, until f returns an error. It changes
// nothing and takes no lock: beside a running daemon it sees what is on disk at that moment, and may still see events whose
// acknowledgement is not there yet.
func ReadSpool(dir string, f func(Event) error) error {
	names, acked, err := spoolFiles(dir)
	if err != nil {
		return err
	}
	type part struct {
		b []byte
		scanned
	}
	var parts []part
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, os.ErrNotExist) { // recycled meanwhile
			continue
		}
		if err != nil {
			return fmt.Errorf("mqtt: spool: %w", err)
		}
		s, err := scanSegment(b)
		if err != nil {
			continue // the daemon sets it aside when it starts
		}
		acked = max(acked, s.acked)
		if len(s.records) > 0 {
			parts = append(parts, part{b[:s.end], s})
		}
	}
	last := acked
	for _, p := range parts {
		for _, r := range p.records {
			if r.seq <= last {
				continue
			}
			var e Event
			if _, err := e.UnmarshalMsg(p.b[r.off+recordHeader : r.off+r.size]); err != nil {
				continue
			}
			last = r.seq
			if err := f(e); err != nil {
				return err
			}
		}
	}
	return nil
}

// PurgeSpool gives up every event in dir and returns how many there were. The daemon must not be running.
func PurgeSpool(dir string) (int, error) {
	if _, _, err := spoolFiles(dir); err != nil {
		return 0, err
	}
	s, err := OpenSpool(SpoolConfig{Dir: dir})
	if err != nil {
		return 0, err
	}
	n := s.Len()
	err = s.Ack(^uint64(0))
	if st := s.Stats(); err == nil && st.Error != "" {
		err = fmt.Errorf("mqtt: spool %s: %s", dir, st.Error)
	}
	return n, errors.Join(err, s.Close())
}

// spoolFiles are the segments of a spool in order, and what its file of acknowledgements says.
func spoolFiles(dir string) (segments []string, acked uint64, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, 0, fmt.Errorf("mqtt: spool: %w: check spool.dir", err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".seg") {
			segments = append(segments, e.Name())
		}
	}
	slices.Sort(segments)
	if f, err := os.Open(filepath.Join(dir, "acked")); err == nil {
		defer f.Close()
		acked, _ = loadAck(f)
	}
	return segments, acked, nil
}
