package mqtt

import (
	"errors"
	"testing"
)

func TestAdministratorReadsAndPurges(t *testing.T) {
	dir := t.TempDir()
	s := openDisk(t, SpoolConfig{Dir: dir, segment: minSegment})
	appendN(t, s, 50)
	s.Ack(20)
	appendN(t, s, 1) // carries the acknowledgement
	var got []uint64
	read := func() {
		got = nil
		if err := ReadSpool(dir, func(e Event) error { got = append(got, e.Seq); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	read() // beside the running daemon
	wantRange(t, got, 21, 51)
	if _, err := PurgeSpool(dir); err == nil {
		t.Error("purged under a running daemon")
	}
	s.Close()
	stop := errors.New("enough")
	if err := ReadSpool(dir, func(Event) error { return stop }); err != stop {
		t.Errorf("the reader's error: %v", err)
	}
	if n, err := PurgeSpool(dir); n != 31 || err != nil {
		t.Errorf("purged %d, %v", n, err)
	}
	read()
	if len(got) != 0 {
		t.Errorf("after the purge there are %v", got)
	}
	s = openDisk(t, SpoolConfig{Dir: dir, segment: minSegment})
	if seq, _ := s.Append(sampleEvent()); seq != 52 {
		t.Errorf("seq goes on with %d", seq)
	}
	for _, f := range []func(string) error{func(d string) error { return ReadSpool(d, nil) }, func(d string) error { _, err := PurgeSpool(d); return err }} {
		if err := f(dir + "/nowhere"); err == nil {
			t.Error("no directory, no error")
		}
	}
}
