package mqtt

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain runs the test binary as the process that is killed, if the environment says so.
func TestMain(m *testing.M) {
	if dir := os.Getenv("EDGEVLM_TEST_SPOOL_WRITER"); dir != "" {
		spoolWriter(dir)
		return
	}
	if dir := os.Getenv("EDGEVLM_TEST_DAEMON"); dir != "" {
		smallDaemon(dir, os.Getenv("EDGEVLM_TEST_URL"))
		return
	}
	verifyTestMain(m)
}

// spoolWriter appends until it is killed, from several goroutines, and takes events out; it says what is done on stdout.
func spoolWriter(dir string) {
	s, err := OpenSpool(SpoolConfig{Dir: dir, MaxBytes: 64 << 20, segment: minSegment})
	if err != nil {
		fmt.Println("error", err)
		return
	}
	// A line is in the pipe when say returns: it outlives the process.
	var mu sync.Mutex
	say := func(word string, seq uint64) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Println(word, seq)
	}
	for range 3 {
		go func() {
			for {
				e := sampleEvent()
				e.Text = strings.Repeat("x", rand.IntN(3000))
				seq, err := s.Append(e)
				if err != nil {
					fmt.Println("error", err)
				}
				say("appended", seq)
			}
		}()
	}
	for {
		events, _ := s.Peek(1 + rand.IntN(16))
		if len(events) > 0 && rand.IntN(2) == 0 {
			seq := events[len(events)-1].Seq
			say("acking", seq) // said before it is done: what is done is said
			s.Ack(seq)
		}
		time.Sleep(time.Millisecond)
	}
}

// smallDaemon appends and publishes events from two cameras until it is killed, and says what was appended. The
// environment may ask for EDGEVLM_TEST_EVENTS of each camera, one every EDGEVLM_TEST_PACE, after which it ends once the broker
// has them all, and for a clock that steps (EDGEVLM_TEST_CLOCK).
func smallDaemon(dir, url string) {
	cfg := SpoolConfig{Dir: dir}
	clock := time.Now
	if os.Getenv("EDGEVLM_TEST_CLOCK") != "" {
		clock = steppingClock()
		// Go's own clock does not step while a process runs, but a restart sees another time.
		offset := time.Until(clock())
		cfg.now = func() time.Time { return time.Now().Add(offset) }
	}
	s, err := OpenSpool(cfg)
	if err != nil {
		fmt.Println("error", err)
		return
	}
	topics, _ := NewTopics("gate")
	p, err := NewPublisher(Config{URL: url, ReconnectMin: 5 * time.Millisecond, ReconnectMax: 50 * time.Millisecond}, topics, s, nil)
	if err != nil {
		fmt.Println("error", err)
		return
	}
	most, err := strconv.Atoi(os.Getenv("EDGEVLM_TEST_EVENTS"))
	if err != nil {
		most = -1
	}
	pace, err := time.ParseDuration(os.Getenv("EDGEVLM_TEST_PACE"))
	if err != nil {
		pace = 4 * time.Millisecond
	}
	ctx, cancel := context.WithCancel(context.Background())
	var cameras sync.WaitGroup
	for range 2 {
		cameras.Go(func() {
			for n := 0; n != most; n++ {
				e := sampleEvent()
				e.ID = ""
				e.CapturedAt.Last = clock()
				if e, err := p.Event(e); err != nil {
					fmt.Println("error", err)
				} else {
					fmt.Println("appended", e.Seq)
				}
				time.Sleep(rand.N(pace))
			}
		})
	}
	go func() {
		cameras.Wait()
		for s.Len() > 0 {
			time.Sleep(10 * time.Millisecond)
		}
		fmt.Println("connects", p.Status().Connects)
		cancel()
	}()
	p.Run(ctx)
	s.Close()
}

// steppingClock is a clock that is set every now and then, years back or forth, as on a board without a battery.
func steppingClock() func() time.Time {
	var mu sync.Mutex
	var offset time.Duration
	next := 0
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		if next--; next < 0 {
			next = rand.IntN(100)
			offset = time.Duration(rand.Int64N(20*365*24)-10*365*24) * time.Hour
		}
		return time.Now().Add(offset)
	}
}

func TestNoAppendedEventIsLostToKill(t *testing.T) {
	if testing.Short() {
		t.Skip("kills processes")
	}
	dir := t.TempDir()
	appended, acked, total, again := map[uint64]bool{}, uint64(0), 0, 0
	rounds := faultRounds(8, 200)
	for range rounds {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "EDGEVLM_TEST_SPOOL_WRITER="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// Mostly in mid-work, at times while it starts.
		kill := time.AfterFunc(time.Hour, func() { cmd.Process.Kill() })
		if rand.IntN(4) == 0 {
			kill.Reset(time.Duration(rand.IntN(30)) * time.Millisecond)
		}
		working := false
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if !working {
				working = true
				kill.Reset(time.Duration(rand.IntN(300)) * time.Millisecond)
			}
			word, rest, _ := strings.Cut(lines.Text(), " ")
			seq, err := strconv.ParseUint(rest, 10, 64)
			if err != nil {
				t.Fatal(lines.Text())
			}
			if word == "acking" {
				acked = max(acked, seq)
			} else {
				appended[seq] = true
				total++
			}
		}
		cmd.Wait()
		kill.Stop()

		s := openDisk(t, SpoolConfig{Dir: dir, MaxBytes: 64 << 20, segment: minSegment})
		n := s.Len()
		events, _ := s.Peek(n + 1)
		if len(events) != n {
			t.Fatalf("Len %d, %d events", n, len(events))
		}
		there := map[uint64]bool{}
		last := uint64(0)
		for _, e := range events {
			if e.Seq <= last {
				t.Fatalf("seq %d after %d", e.Seq, last)
			}
			last = e.Seq
			there[e.Seq] = true
			if e.Seq <= acked {
				again++
			}
		}
		for seq := range appended {
			if seq <= acked {
				delete(appended, seq)
			} else if !there[seq] {
				t.Fatalf("event %d was appended and is lost", seq)
			}
		}
		s.Close()
	}
	t.Logf("%d kills, %d events appended, none lost, %d acknowledged ones offered again", rounds, total, again)
}

// TestRealFullDisk fills a small file system, where the test may mount one.
func TestRealFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=3m"); err != nil {
		t.Skipf("a file system of 3 MB can't be mounted here (%v): needs root", err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	s := openDisk(t, SpoolConfig{Dir: dir + "/spool", retry: time.Millisecond})
	e := sampleEvent()
	e.Text = strings.Repeat("x", 20<<10)
	for range 300 { // 6 MB
		if _, err := s.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	st := s.Stats()
	if st.Unsafe == 0 || !strings.Contains(st.Error, syscall.ENOSPC.Error()) || st.Dropped != 0 {
		t.Errorf("stats %+v", st)
	}
	wantRange(t, takeAll(t, s), 1, 300)
	time.Sleep(2 * time.Millisecond) // the time between attempts
	if _, err := s.Append(e); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Error != "" || st.Unsafe != 0 || st.Events != 1 {
		t.Errorf("with room again: %+v", st)
	}
}

func TestReadOnlyDiskStillGivesItsBacklog(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Skipf("a file system can't be mounted here (%v): needs root", err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	s := openDisk(t, SpoolConfig{Dir: dir})
	appendN(t, s, 10)
	s.Close()
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT|unix.MS_RDONLY, "size=8m"); err != nil {
		t.Skip(err)
	}
	s = openDisk(t, SpoolConfig{Dir: dir, retry: time.Millisecond})
	appendN(t, s, 5)
	if st := s.Stats(); st.Unsafe != 5 || st.Error == "" || st.Events != 15 {
		t.Errorf("stats %+v", st)
	}
	wantRange(t, takeAll(t, s), 1, 15)
}
