package mqtt

import (
	"bytes"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestNoAppendedEventIsLostToAPowerCut runs a spool through many lives, each ended by a power cut in mid-work, perhaps with
// more cuts while it starts.
func TestNoAppendedEventIsLostToAPowerCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		disk := newCutDisk()
		appended, acked := map[uint64]string{}, uint64(0)
		ids := NewIDs()
		var log bytes.Buffer
		for range rapid.IntRange(1, 6).Draw(t, "lives") {
			s, err := OpenSpool(SpoolConfig{Dir: "x", fs: disk, segment: 8 << 10, MaxBytes: 1 << 20, Log: slog.New(slog.NewTextHandler(&log, nil))})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if strings.Contains(log.String(), "damaged, set aside") {
				t.Fatalf("a power cut makes a whole segment unreadable:\n%s", &log)
			}
			// Whatever was appended and not acknowledged is there, in order; some acknowledged ones may be there again.
			var got []Event
			for {
				events, _ := s.Peek(len(got) + 7)
				if len(events) == len(got) {
					break
				}
				got = events
			}
			last, seen := uint64(0), map[uint64]bool{}
			for _, e := range got {
				if e.Seq <= last {
					t.Fatalf("seq %d after %d", e.Seq, last)
				}
				last = e.Seq
				seen[e.Seq] = true
				if id, ok := appended[e.Seq]; ok && id != e.ID {
					t.Fatalf("seq %d is another event", e.Seq)
				}
			}
			for seq := range appended {
				if seq > acked && !seen[seq] {
					t.Fatalf("event %d was appended and is lost; there are %v", seq, seqs(got))
				}
			}
			disk.mu.Lock()
			disk.fuse = rapid.IntRange(0, 100).Draw(t, "fuse")
			disk.mu.Unlock()
			for range rapid.IntRange(0, 60).Draw(t, "steps") {
				if r.IntN(3) > 0 {
					e := sampleEvent()
					e.ID, _ = ids.New(time.Now())
					e.Text = strings.Repeat("x", r.IntN(1500))
					seq, err := s.Append(e)
					if err != nil {
						t.Fatal(err)
					}
					if disk.isDead() {
						break // it may be on the disk or not
					}
					if _, ok := appended[seq]; ok {
						t.Fatalf("seq %d is given twice", seq)
					}
					appended[seq] = e.ID
				} else if events, _ := s.Peek(1 + r.IntN(5)); len(events) > 0 {
					acked = events[len(events)-1].Seq
					s.Ack(acked)
				}
			}
			disk = disk.cut(r)
			s.Close()
		}
	})
}

func TestFullDiskTurnsToMemoryAndBack(t *testing.T) {
	disk := newCutDisk()
	disk.space = 20 << 10 // two segments of 8 KiB and a little
	now := time.Now()
	var passed time.Duration
	s := openDisk(t, SpoolConfig{Dir: "x", fs: disk, segment: 8 << 10, MaxBytes: 1 << 20, now: func() time.Time { return now.Add(passed) }})
	appendN(t, s, 100)
	st := s.Stats()
	if st.Events != 100 || st.Dropped != 0 || st.Unsafe == 0 || !strings.Contains(st.Error, "no space") {
		t.Fatalf("stats %+v", st)
	}
	got, _ := s.Peek(30)
	wantRange(t, seqs(got), 1, 30)
	s.Ack(30) // frees segments, which take what is in memory
	passed = time.Minute
	appendN(t, s, 1)
	if st := s.Stats(); st.Error != "" && st.Unsafe == 0 {
		t.Errorf("stats %+v", st)
	}
	disk.mu.Lock()
	disk.space = -1
	disk.mu.Unlock()
	passed = 2 * time.Minute
	appendN(t, s, 1)
	eventually(t, "all is on disk", func() bool { st := s.Stats(); return st.Unsafe == 0 && st.Error == "" && st.Events == 72 })
	s.Close()
	s = openDisk(t, SpoolConfig{Dir: "x", fs: disk, segment: 8 << 10, MaxBytes: 1 << 20})
	wantRange(t, takeAll(t, s), 31, 102)
}

func TestFailingDiskLosesNothingWhileTheProcessLives(t *testing.T) {
	disk := newCutDisk()
	now := time.Now()
	var mu sync.Mutex
	var passed time.Duration
	s := openDisk(t, SpoolConfig{Dir: "x", fs: disk, segment: 8 << 10, MaxBytes: 1 << 20, memory: 1 << 20,
		now: func() time.Time { mu.Lock(); defer mu.Unlock(); return now.Add(passed) }})
	broken := func(err error) {
		disk.mu.Lock()
		disk.err = err
		disk.mu.Unlock()
		mu.Lock()
		passed += time.Minute
		mu.Unlock()
	}
	for range 5 {
		appendN(t, s, 20)
		broken(errors.New("input/output error"))
		appendN(t, s, 20)
		broken(nil)
	}
	appendN(t, s, 1)
	if st := s.Stats(); st.Error != "" || st.Dropped != 0 || st.Events != 201 {
		t.Errorf("stats %+v", st)
	}
	wantRange(t, takeAll(t, s), 1, 201)
}

func TestDiskThatFailsNowAndThenKeepsTheOrderUnderLoad(t *testing.T) {
	disk := newCutDisk()
	disk.slow = 100 * time.Microsecond
	s := openDisk(t, SpoolConfig{Dir: "x", fs: disk, segment: 4 << 10, MaxBytes: 64 << 20, retry: time.Microsecond})
	stop := make(chan struct{})
	var wg, faults sync.WaitGroup
	faults.Go(func() {
		for bad := false; ; bad = !bad {
			disk.mu.Lock()
			disk.err = nil
			if bad {
				disk.err = errors.New("input/output error")
			}
			disk.mu.Unlock()
			select {
			case <-stop:
				disk.mu.Lock()
				disk.err = nil
				disk.mu.Unlock()
				return
			case <-time.After(time.Duration(1+rand.IntN(4)) * time.Millisecond):
			}
		}
	})
	for range 4 {
		wg.Go(func() { appendN(t, s, 250) })
	}
	var got []uint64
	for end := time.Now().Add(time.Minute); len(got) < 500 && time.Now().Before(end); {
		got = append(got, takeAll(t, s)...)
	}
	wg.Wait()
	close(stop)
	faults.Wait()
	for end := time.Now().Add(time.Minute); len(got) < 1000 && time.Now().Before(end); {
		got = append(got, takeAll(t, s)...)
	}
	wantRange(t, got, 1, 1000)
	if st := s.Stats(); st.Events != 0 || st.Dropped != 0 {
		t.Errorf("stats %+v", st)
	}
}

func TestMemoryOfAFailingDiskIsBounded(t *testing.T) {
	disk := newCutDisk()
	disk.err = errors.New("read-only file system")
	s := openDisk(t, SpoolConfig{Dir: "x", fs: disk, segment: 8 << 10, memory: 10 << 10})
	appendN(t, s, 200)
	st := s.Stats()
	if st.Bytes > 10<<10 || st.Dropped == 0 || int(st.Dropped)+st.Events != 200 {
		t.Errorf("stats %+v", st)
	}
	wantRange(t, takeAll(t, s), st.Dropped+1, 200)
}

func TestSpoolNeverStopsTheDaemonFromStarting(t *testing.T) {
	file := t.TempDir() + "/file"
	os.WriteFile(file, nil, 0o600)
	for _, dir := range []string{file, file + "/below", "/proc/nowhere"} {
		s := openDisk(t, SpoolConfig{Dir: dir})
		if _, err := s.Append(sampleEvent()); err != nil {
			t.Errorf("%s: %v", dir, err)
		}
		if st := s.Stats(); st.Unsafe != 1 || st.Error == "" {
			t.Errorf("%s: stats %+v", dir, st)
		}
		if got := takeAll(t, s); len(got) != 1 {
			t.Errorf("%s: %v", dir, got)
		}
	}
}
