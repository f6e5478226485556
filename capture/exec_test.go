package capture_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/edgevlm/edgevlm/capture"
	"github.com/edgevlm/edgevlm/capture/capturetest"
)

// states collects what OnState says.
type states struct {
	mu  sync.Mutex
	all []string
	ch  chan string
}

func newStates() *states { return &states{ch: make(chan string, 100)} }

func (s *states) on(up bool, why error) {
	text := "up"
	if !up {
		text = why.Error()
	}
	s.mu.Lock()
	s.all = append(s.all, text)
	s.mu.Unlock()
	select {
	case s.ch <- text:
	default:
	}
}

// wait returns the first state that contains text.
func (s *states) wait(t *testing.T, text string) string {
	t.Helper()
	limit := time.After(time.Minute)
	var seen []string
	for {
		select {
		case got := <-s.ch:
			if strings.Contains(got, text) {
				return got
			}
			seen = append(seen, got)
		case <-limit:
			t.Fatalf("no state %q; seen %q", text, seen)
		}
	}
}

// safeBuffer is a log's target.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func debugLog(w *safeBuffer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func needShell(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("needs sh and /proc")
	}
}

func TestExecReadsPicturesAndStartsTheProgramAgain(t *testing.T) {
	needShell(t)
	dir := t.TempDir()
	clip := write(t, dir, "clip.mjpeg", slices.Concat(capturetest.JPEG(32, 24, 0), []byte("noise"), capturetest.JPEG(32, 24, 1)))
	st := newStates()
	src := open(t, capture.Spec{Source: "exec:sh -c 'cat " + clip + "; echo lost the sensor >&2; sleep 0.2; exit 3'", OnState: st.on})
	f, err := src.Next(t.Context())
	if err != nil || f.Width != 32 || f.Height != 24 || f.Format != capture.JPEG {
		t.Fatalf("%+v, %v", f, err)
	}
	why := st.wait(t, "trying again")
	if !strings.Contains(why, "exec:sh") || !strings.Contains(why, "status 3") || !strings.Contains(why, "lost the sensor") {
		t.Errorf("the reason is to have name, status and last line: %s", why)
	}
	if _, err := src.Next(t.Context()); err != nil {
		t.Error(err)
	}
	st.wait(t, "up")
	if s := capture.StatsOf(src); s.Restarts < 1 {
		t.Errorf("stats %+v", s)
	}
}

func TestCloseEndsTheWholeProcessGroup(t *testing.T) {
	needShell(t)
	dir := t.TempDir()
	clip := write(t, dir, "clip.mjpeg", capturetest.JPEG(32, 24, 0))
	pids := filepath.Join(dir, "pids")
	// The grandchild ignores SIGTERM and keeps the pipe open.
	script := fmt.Sprintf(`echo $$ >%s; (trap "" TERM; echo $BASHPID >>%s; cat %s; sleep 300) & cat %s; wait`, pids, pids, clip, clip)
	shell := "sh"
	if _, err := os.Stat("/bin/bash"); err == nil {
		shell = "bash"
	}
	src := open(t, capture.Spec{Source: "exec:" + shell + " -c '" + script + "'"})
	if _, err := src.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	var text []byte
	for len(strings.Fields(string(text))) < 2 {
		time.Sleep(5 * time.Millisecond)
		text, _ = os.ReadFile(pids)
	}
	if err := src.Close(); err != nil {
		t.Fatal(err)
	}
	for _, field := range strings.Fields(string(text)) {
		pid, _ := strconv.Atoi(field)
		for i := 0; ; i++ { // a killed orphan is init's to reap
			err := syscall.Kill(pid, 0)
			if err == syscall.ESRCH || isZombieOfOther(pid) {
				break
			}
			if i > 200 {
				t.Fatalf("process %d of the camera's group is still there: %v", pid, err)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// isZombieOfOther says that a process is dead and waits for another parent than this one.
func isZombieOfOther(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	f := strings.Fields(rest)
	return len(f) > 1 && f[0] == "Z" && f[1] != strconv.Itoa(os.Getpid())
}

func TestAChildThatFloodsStandardErrorIsLoggedSparingly(t *testing.T) {
	needShell(t)
	var log safeBuffer
	st := newStates()
	src := open(t, capture.Spec{
		Source: `exec:sh -c 'yes "rtsp://admin:secret@cam/x?pwd=secret is noisy" | head -n 20000 >&2; head -c 1000000 /dev/zero >&2; echo >&2; echo the end >&2; exit 1'`,
		Log:    debugLog(&log), OnState: st.on,
	})
	why := st.wait(t, "the end")
	src.Close()
	if text := log.String(); strings.Count(text, "noisy") > 5 || len(text) > 8000 {
		t.Errorf("%d bytes of log", len(text))
	}
	if strings.Contains(log.String()+why, "secret") {
		t.Error("a password was logged")
	}
}

func TestExecErrors(t *testing.T) {
	for source, want := range map[string]string{
		"exec:":                       "no command",
		"exec:no-such-program-xyz -v": "install it or write its full path",
		"exec:cat 'x":                 "close them",
	} {
		_, err := capture.Open(t.Context(), capture.Spec{Source: source})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", source, err)
		}
	}
}

func TestSplitCommand(t *testing.T) {
	for line, want := range map[string][]string{
		"a b  c":                {"a", "b", "c"},
		`a 'b c' "d 'e'"`:       {"a", "b c", "d 'e'"},
		`a\ b c\"d ''`:          {"a b", `c"d`, ""},
		`sh -c 'a | b; c\d'`:    {"sh", "-c", `a | b; c\d`},
		` x="1 2" --y='z' "q\"`: nil,
	} {
		got, err := capture.SplitCommand(line)
		if !slices.Equal(got, want) || (err == nil) != (want != nil) {
			t.Errorf("%s: %q, %v; want %q", line, got, err, want)
		}
	}
}

func TestScrub(t *testing.T) {
	for in, want := range map[string]string{
		"rtsp://u:p@h:554/a?x=1: refused":       "rtsp://h:554/a refused",
		"no address":                            "no address",
		"at http://u:p@ss@h/ and rtsp://h2/b?c": "at http://h/ and rtsp://h2/b",
		"mail a@b is fine":                      "mail a@b is fine",
	} {
		if got := capture.Scrub(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
