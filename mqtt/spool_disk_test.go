package mqtt

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func openDisk(t testing.TB, cfg SpoolConfig) *DiskSpool {
	t.Helper()
	s, err := OpenSpool(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func appendN(t testing.TB, s Spool, n int) {
	t.Helper()
	for range n {
		if _, err := s.Append(sampleEvent()); err != nil {
			t.Fatal(err)
		}
	}
}

// takeAll acknowledges everything and returns the seqs in order.
func takeAll(t testing.TB, s Spool) []uint64 {
	t.Helper()
	var out []uint64
	for {
		events, err := s.Peek(16)
		if err != nil {
			t.Fatal(err)
		}
		if len(events) == 0 {
			return out
		}
		out = append(out, seqs(events)...)
		if err := s.Ack(events[len(events)-1].Seq); err != nil {
			t.Fatal(err)
		}
	}
}

// wantRange wants exactly from, from+1 ... to.
func wantRange(t testing.TB, got []uint64, from, to uint64) {
	t.Helper()
	for i, seq := range got {
		if seq != from+uint64(i) {
			t.Fatalf("event %d has seq %d, want %d to %d in order", i, seq, from, to)
		}
	}
	if uint64(len(got)) != to+1-from {
		t.Fatalf("%d events, want %d to %d", len(got), from, to)
	}
}

func TestDiskSpoolKeepsEventsAcrossRestarts(t *testing.T) {
	dir := t.TempDir()
	s := openDisk(t, SpoolConfig{Dir: dir})
	appendN(t, s, 100)
	e := sampleEvent()
	e.Camera, e.Text = "door", "newest at the door"
	s.Append(e)
	got, _ := s.Peek(30)
	wantRange(t, seqs(got), 1, 30)
	s.Ack(30)
	s.Close()
	if _, err := s.Append(e); err != ErrSpoolClosed {
		t.Errorf("append after close: %v", err)
	}

	s = openDisk(t, SpoolConfig{Dir: dir})
	if s.Len() != 71 {
		t.Errorf("%d events after a restart, want 71", s.Len())
	}
	newest := map[string]uint64{}
	for _, e := range s.Newest() {
		newest[e.Camera] = e.Seq
	}
	if newest["yard"] != 100 || newest["door"] != 101 || len(newest) != 2 {
		t.Errorf("newest %v", newest)
	}
	wantRange(t, takeAll(t, s), 31, 101)
	s.Close()

	s = openDisk(t, SpoolConfig{Dir: dir})
	if seq, err := s.Append(e); err != nil || seq != 102 || s.Len() != 1 {
		t.Errorf("an empty spool goes on with seq %d (%v), %d kept", seq, err, s.Len())
	}
}

func TestDiskSpoolGoesThroughManySegmentsAndReusesThem(t *testing.T) {
	dir := t.TempDir()
	s := openDisk(t, SpoolConfig{Dir: dir, MaxBytes: 8 << 20, Sync: time.Hour})
	e := sampleEvent()
	e.Text = strings.Repeat("x", 20<<10)
	next := uint64(1)
	for range 20 {
		for range 40 {
			if _, err := s.Append(e); err != nil {
				t.Fatal(err)
			}
		}
		wantRange(t, takeAll(t, s), next, next+39)
		next += 40
	}
	files, _ := filepath.Glob(dir + "/*")
	if len(files) > 5 {
		t.Errorf("16 MB went through and left %v", files)
	}
	if st := s.Stats(); st.Events != 0 || st.Dropped != 0 {
		t.Errorf("stats %+v", st)
	}
}

func TestDiskSpoolDropsTheOldestBeyondItsBound(t *testing.T) {
	dir := t.TempDir()
	s := openDisk(t, SpoolConfig{Dir: dir, MaxBytes: 2 << 20, Sync: time.Hour})
	e := sampleEvent()
	e.Text = strings.Repeat("x", 20<<10)
	for range 300 { // 6 MB
		if _, err := s.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	st := s.Stats()
	if st.Dropped == 0 || int(st.Dropped)+st.Events != 300 || st.Bytes > 2<<20 {
		t.Errorf("stats %+v", st)
	}
	size := int64(0)
	files, _ := filepath.Glob(dir + "/*")
	for _, f := range files {
		if i, err := os.Stat(f); err == nil {
			size += i.Size()
		}
	}
	if size > 2<<20+4096 {
		t.Errorf("%d bytes on disk", size)
	}
	got := takeAll(t, s)
	wantRange(t, got, st.Dropped+1, 300)
	if s.Len() != 0 {
		t.Errorf("%d left", s.Len())
	}
}

func TestDiskSpoolDropsWhatIsTooOldWhateverTheClockDoes(t *testing.T) {
	// now is a clock with a monotonic part, as time.Now's: Sub heeds only that.
	start := time.Now()
	passed := time.Duration(0)
	s := openDisk(t, SpoolConfig{Dir: t.TempDir(), MaxAge: time.Hour, now: func() time.Time { return start.Add(passed) }})
	appendN(t, s, 3)
	passed = 59 * time.Minute
	appendN(t, s, 2)
	if got, _ := s.Peek(10); len(got) != 5 {
		t.Errorf("before their time %v are left", seqs(got))
	}
	passed = 61 * time.Minute
	got, _ := s.Peek(10)
	wantRange(t, seqs(got), 4, 5)
	if st := s.Stats(); st.Dropped != 3 || st.Events != 2 {
		t.Errorf("stats %+v", st)
	}
}

func TestBoardsWithoutAClockLoseNothingToTheirFirstTimeSync(t *testing.T) {
	dir := t.TempDir()
	s := openDisk(t, SpoolConfig{Dir: dir, MaxAge: time.Hour, now: func() time.Time { return time.Date(1970, 1, 1, 0, 1, 0, 0, time.UTC) }})
	appendN(t, s, 3)
	s.Close()
	s = openDisk(t, SpoolConfig{Dir: dir, MaxAge: time.Hour})
	wantRange(t, takeAll(t, s), 1, 3)
}

func TestDiskSpoolConcurrently(t *testing.T) {
	slow := newCutDisk()
	slow.slow = 200 * time.Microsecond
	// Small segments: many of them end while events are on their way to the disk.
	for _, cfg := range []SpoolConfig{{Dir: t.TempDir()}, {Dir: "x", fs: slow, segment: 4 << 10}, {Dir: "y", fs: newCutDisk(), segment: 4 << 10, Sync: time.Millisecond}} {
		s := openDisk(t, cfg)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() { appendN(t, s, 60) })
		}
		var got []uint64
		for end := time.Now().Add(time.Minute); len(got) < 480 && time.Now().Before(end); {
			got = append(got, takeAll(t, s)...)
		}
		wg.Wait()
		wantRange(t, got, 1, 480)
		if st := s.Stats(); st.Events != 0 || st.Dropped != 0 {
			t.Errorf("stats %+v", st)
		}
	}
}

func TestTwoProcessesCannotShareASpool(t *testing.T) {
	dir := t.TempDir()
	s := openDisk(t, SpoolConfig{Dir: dir})
	if _, err := OpenSpool(SpoolConfig{Dir: dir}); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second spool opens: %v", err)
	}
	s.Close()
	openDisk(t, SpoolConfig{Dir: dir})
}

func onlySegment(t testing.TB, dir string) string {
	t.Helper()
	files, _ := filepath.Glob(dir + "/*.seg")
	if len(files) != 1 {
		t.Fatalf("segments %v", files)
	}
	return files[0]
}

func TestTornTailIsCutOff(t *testing.T) {
	dir := t.TempDir()
	s := openDisk(t, SpoolConfig{Dir: dir})
	appendN(t, s, 10)
	end := s.active.end
	s.Close()
	f, _ := os.OpenFile(onlySegment(t, dir), os.O_RDWR, 0)
	f.WriteAt(bytes.Repeat([]byte{0xee}, 100), end-100) // the last record is half there
	f.Close()
	var log bytes.Buffer
	s = openDisk(t, SpoolConfig{Dir: dir, Log: slog.New(slog.NewTextHandler(&log, nil))})
	appendN(t, s, 2)
	wantRange(t, takeAll(t, s), 1, 11) // 10 was torn, its seq is given again
	if strings.Contains(log.String(), "corrupt") {
		t.Errorf("a torn tail is no damage:\n%s", &log)
	}
}

func TestDamageInsideCostsOnlyTheDamagedEvents(t *testing.T) {
	dir := t.TempDir()
	s := openDisk(t, SpoolConfig{Dir: dir})
	appendN(t, s, 10)
	s.Close()
	path := onlySegment(t, dir)
	f, _ := os.OpenFile(path, os.O_RDWR, 0)
	f.WriteAt([]byte{0xff}, segmentHeader+300) // inside the first record or the second
	f.Close()
	var log bytes.Buffer
	s = openDisk(t, SpoolConfig{Dir: dir, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if got := takeAll(t, s); len(got) != 9 {
		t.Errorf("of 10 events, one damaged, %v are left", got)
	}
	if _, err := os.Stat(path + ".corrupt"); err != nil || !strings.Contains(log.String(), filepath.Base(path)+".corrupt") {
		t.Errorf("the damaged file is not set aside and named: %v\n%s", err, &log)
	}
	s.Close()
	log.Reset()
	openDisk(t, SpoolConfig{Dir: dir, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if strings.Contains(log.String(), "damaged") {
		t.Errorf("the same damage is found again:\n%s", &log)
	}
}

func TestUnreadableFilesAreSetAsideAndBounded(t *testing.T) {
	dir := t.TempDir()
	for i := range 10 {
		os.WriteFile(filepath.Join(dir, segmentName(uint64(i))), []byte("not a segment"), 0o600)
	}
	os.WriteFile(filepath.Join(dir, "acked"), []byte("nonsense"), 0o600)
	os.WriteFile(filepath.Join(dir, "spare"), []byte("nonsense"), 0o600)
	os.WriteFile(filepath.Join(dir, "empty.seg"), nil, 0o600)
	var log bytes.Buffer
	s := openDisk(t, SpoolConfig{Dir: dir, Log: slog.New(slog.NewTextHandler(&log, nil))})
	appendN(t, s, 3)
	wantRange(t, takeAll(t, s), 1, 3)
	aside, _ := filepath.Glob(dir + "/*.corrupt")
	if len(aside) != maxCorrupt {
		t.Errorf("set aside: %v", aside)
	}
	for i := range 10 {
		if !strings.Contains(log.String(), fmt.Sprintf("%020d.seg.corrupt", i)) {
			t.Errorf("segment %d is not named in the log", i)
		}
	}
}

func TestDamageWhileRunningCostsOnlyTheDamagedEvents(t *testing.T) {
	dir := t.TempDir()
	s := openDisk(t, SpoolConfig{Dir: dir})
	appendN(t, s, cacheMax+20)
	// The last events are not in the cache yet: one of them goes bad on the disk.
	f, _ := os.OpenFile(onlySegment(t, dir), os.O_RDWR, 0)
	f.WriteAt([]byte{0xff, 0xff, 0xff}, s.active.end-1000)
	f.Close()
	got := takeAll(t, s)
	if len(got) < cacheMax+17 || len(got) >= cacheMax+20 {
		t.Errorf("%d events, want all but the damaged", len(got))
	}
	if st := s.Stats(); st.Events != 0 || int(st.Dropped)+len(got) != cacheMax+20 {
		t.Errorf("stats %+v", st)
	}
}

func FuzzScanSegment(f *testing.F) {
	b := encodeSegmentHeader(7, 99)
	b = appendRecord(b, 99, record{seq: 7, stamp: 1, payload: []byte("one")})
	b = appendRecord(b, 99, record{seq: 9, stamp: 2, acked: 7, payload: []byte("two")})
	f.Add(append(b, make([]byte, 100)...))
	f.Add(b[:60])
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := scanSegment(b)
		if err != nil {
			return
		}
		last := uint64(0)
		for i, r := range s.records {
			if r.off < segmentHeader || r.off+r.size > int64(len(b)) || i > 0 && r.seq <= last {
				t.Fatalf("record %+v of %d bytes", r, len(b))
			}
			last = r.seq
		}
	})
}
