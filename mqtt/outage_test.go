package mqtt_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/edgevlm/edgevlm/mqtt"
	"github.com/edgevlm/edgevlm/mqtt/mqtttest"
)

// TestABrokerAwayForAnHour has an hour's events, one a second, made while mosquitto is away: an hour sixty times as fast with
// EDGEVLM_FAULTS=full, the pauses between attempts to connect as well; two minutes of it otherwise.
func TestABrokerAwayForAnHour(t *testing.T) {
	if testing.Short() {
		t.Skip("takes its time")
	}
	m := mqtttest.NewMosquitto(t, "max_queued_messages 0", "persistence true").Start()
	sub := mqtttest.Subscribe(t, m, "edgevlm/gate/yard/event")
	s, err := mqtt.OpenSpool(mqtt.SpoolConfig{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	p, _ := running(t, mqtt.Config{URL: m.URL(), ReconnectMin: 500 * time.Millisecond / 60, ReconnectMax: 30 * time.Second / 60}, s, nil)
	mqtttest.Eventually(t, "it is connected", func() bool { return p.Status().Connected })
	m.Stop()
	appended := map[uint64]bool{}
	start, away := time.Now(), time.Now().Add(-time.Hour)
	n := rounds(120, 3600)
	var slowest time.Duration
	for i := range n {
		time.Sleep(time.Until(start.Add(time.Duration(i) * time.Second / 60)))
		e := event("yard", fmt.Sprint("second ", i))
		e.CapturedAt.First = away.Add(time.Duration(i) * time.Second)
		e.CapturedAt.Last = e.CapturedAt.First
		before := time.Now()
		if e, err = p.Event(e); err != nil {
			t.Fatal(err)
		}
		slowest = max(slowest, time.Since(before))
		appended[e.Seq] = true
	}
	if got := s.Len(); got != n {
		t.Errorf("%d events wait, want %d", got, n)
	}
	m.Start()
	mqtttest.Eventually(t, "the spool is delivered", func() bool { return s.Len() == 0 })
	mqtttest.Eventually(t, "the last event arrives", arrived(t, sub, maxSeq(appended)))
	repeats := checkArrived(t, sub.Events(t), appended)
	late := mqtttest.Collect(t, m.URL(), "edgevlm/gate/yard/description")
	mqtttest.Eventually(t, "the description is the newest", func() bool {
		return strings.Contains(late.Last("edgevlm/gate/yard/description"), fmt.Sprint("second ", n-1))
	})
	t.Logf("%d events in %v without a broker, all arrived in order, %d twice; an event was on disk after %v at most", n,
		time.Since(start).Round(time.Second), repeats, slowest.Round(time.Millisecond))
}

// TestALinkThatDropsPackets has a daemon of its own in a network namespace whose link loses 30 % of the packets each way.
func TestALinkThatDropsPackets(t *testing.T) {
	if testing.Short() {
		t.Skip("takes its time")
	}
	const percent = 30
	l := mqtttest.NewLossy(t, percent)
	m := mqtttest.NewMosquitto(t, "listener {port} "+l.Local, "max_queued_messages 0").Start()
	sub := mqtttest.Subscribe(t, m, "edgevlm/gate/yard/event")
	_, port, _ := net.SplitHostPort(m.ExtraAddr)
	each := rounds(4, 150)
	cmd := l.Command("env", "EDGEVLM_TEST_DAEMON="+t.TempDir(), "EDGEVLM_TEST_URL=mqtt://"+net.JoinHostPort(l.Local, port),
		fmt.Sprint("EDGEVLM_TEST_EVENTS=", each), "EDGEVLM_TEST_PACE=800ms", os.Args[0])
	appended, start := map[uint64]bool{}, time.Now()
	connects := live(t, cmd, -1, appended)
	if len(appended) != 2*each {
		t.Fatalf("%d events appended, want %d", len(appended), 2*each)
	}
	mqtttest.Eventually(t, "the last event arrives", arrived(t, sub, maxSeq(appended)))
	repeats := checkArrived(t, sub.Events(t), appended)
	dropped := l.Dropped()
	if dropped == 0 {
		t.Error("no packet was dropped: this proves nothing")
	}
	t.Logf("%d events over a link that lost %d packets (%d %% each way) in %v, %d connections: all arrived in order, %d twice", len(appended),
		dropped, percent, time.Since(start).Round(time.Second), connects, repeats)
}

// TestClockSteps kills a daemon whose clock is set years back and forth, while it runs and between its lives.
func TestClockSteps(t *testing.T) {
	if testing.Short() {
		t.Skip("kills processes")
	}
	m := mqtttest.NewMosquitto(t, "max_queued_messages 0").Start()
	sub := mqtttest.Subscribe(t, m, "edgevlm/gate/yard/event")
	dir, appended := t.TempDir(), map[uint64]bool{}
	n := rounds(3, 50)
	for range n {
		life(t, dir, m.URL(), 150*time.Millisecond, appended, "EDGEVLM_TEST_CLOCK=steps")
	}
	drain(t, dir, m.URL())
	mqtttest.Eventually(t, "the last event arrives", arrived(t, sub, maxSeq(appended)))
	events := sub.Events(t)
	repeats := checkArrived(t, events, appended)
	back := 0
	for i := 1; i < len(events); i++ {
		if events[i].CapturedAt.Last.Before(events[i-1].CapturedAt.Last.Add(-time.Hour)) {
			back++
		}
	}
	if back == 0 {
		t.Error("no clock went back: this proves nothing")
	}
	t.Logf("%d lives, %d events, the clock went back %d times: all arrived in order of seq and id, %d twice", n, len(appended), back, repeats)
}

// smallDisk mounts 3 MB for a spool, or skips.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=3m"); err != nil {
		t.Skipf("a file system can't be mounted here (%v): needs root", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

// TestAFullDiskLosesNothing has a broker that is away until the disk is full, and comes back.
func TestAFullDiskLosesNothing(t *testing.T) {
	m := mqtttest.NewMosquitto(t, "max_queued_messages 0", "persistence true").Start()
	sub := mqtttest.Subscribe(t, m, "edgevlm/gate/yard/event")
	disk := smallDisk(t)
	s, err := mqtt.OpenSpool(mqtt.SpoolConfig{Dir: disk + "/spool"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	p, _ := running(t, fast(m.URL()), s, nil)
	appended := map[uint64]bool{}
	add := func(n, size int) {
		t.Helper()
		for range n {
			e, err := p.Event(event("yard", strings.Repeat("x", size)))
			if err != nil {
				t.Fatal(err)
			}
			appended[e.Seq] = true
		}
	}
	add(50, 100)
	m.Stop()
	add(300, 20<<10) // twice what the disk has
	full := s.Stats()
	if full.Unsafe == 0 || !strings.Contains(full.Error, "no space") || full.Dropped != 0 {
		t.Errorf("with a full disk: %+v", full)
	}
	m.Start()
	mqtttest.Eventually(t, "all is delivered", func() bool { return s.Len() == 0 })
	add(50, 100) // the disk works again, after a while
	mqtttest.Eventually(t, "all is delivered again", func() bool { return s.Len() == 0 })
	mqtttest.Eventually(t, "the last event arrives", arrived(t, sub, maxSeq(appended)))
	repeats := checkArrived(t, sub.Events(t), appended)
	t.Logf("%d events, %d of them in memory while the disk was full: all arrived in order, %d twice", len(appended), full.Unsafe, repeats)
}

// TestAReadOnlyDiskLosesNothing has events of an earlier life on a disk that is read-only by now.
func TestAReadOnlyDiskLosesNothing(t *testing.T) {
	m := mqtttest.NewMosquitto(t, "max_queued_messages 0").Start()
	sub := mqtttest.Subscribe(t, m, "edgevlm/gate/yard/event")
	disk := smallDisk(t)
	appended := map[uint64]bool{}
	for _, readOnly := range []bool{false, true} {
		url := "mqtt://" + mqtttest.FreeAddr(t) // nobody there
		if readOnly {
			if err := unix.Mount("tmpfs", disk, "tmpfs", unix.MS_REMOUNT|unix.MS_RDONLY, "size=3m"); err != nil {
				t.Skip(err)
			}
			url = m.URL()
		}
		s, err := mqtt.OpenSpool(mqtt.SpoolConfig{Dir: disk})
		if err != nil {
			t.Fatal(err)
		}
		cfg := fast(url)
		cfg.DrainTimeout = time.Millisecond
		p, stop := running(t, cfg, s, nil)
		for range 100 {
			e, err := p.Event(event("yard", "x"))
			if err != nil {
				t.Fatal(err)
			}
			appended[e.Seq] = true
		}
		if readOnly {
			mqtttest.Eventually(t, "all is delivered", func() bool { return s.Len() == 0 })
		}
		stop()
		s.Close()
	}
	mqtttest.Eventually(t, "the last event arrives", arrived(t, sub, maxSeq(appended)))
	repeats := checkArrived(t, sub.Events(t), appended)
	t.Logf("100 events from a disk that became read-only and 100 in memory: all arrived in order, %d twice", repeats)
}

// TestBytesOnTheDisk measures what an event costs a disk: sectors that ext4 writes to a loop device, its journal included.
func TestBytesOnTheDisk(t *testing.T) {
	if !fullFaults() {
		t.Skip("a measurement, with EDGEVLM_FAULTS=full")
	}
	for _, block := range []string{"4096", "1024"} {
		image := t.TempDir() + "/disk"
		if err := os.WriteFile(image, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(image, 64<<20); err != nil {
			t.Fatal(err)
		}
		must := func(args ...string) string {
			out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
			if err != nil {
				t.Skipf("%s: %v: %s", strings.Join(args, " "), err, out)
			}
			return strings.TrimSpace(string(out))
		}
		must("mkfs.ext4", "-q", "-b", block, image)
		loop := must("losetup", "--show", "-f", image)
		dir := t.TempDir()
		must("mount", loop, dir)
		sectors := func() (n uint64) {
			must("sync", "-f", dir)
			b, err := os.ReadFile("/sys/block/" + strings.TrimPrefix(loop, "/dev/") + "/stat")
			if err != nil {
				t.Fatal(err)
			}
			fmt.Sscan(strings.Fields(string(b))[6], &n)
			return n
		}
		s, err := mqtt.OpenSpool(mqtt.SpoolConfig{Dir: dir + "/spool"})
		if err != nil {
			t.Fatal(err)
		}
		p, stop := running(t, mqtt.Config{URL: "mqtt://127.0.0.1:1", DrainTimeout: time.Millisecond}, s, nil)
		write := func(n int) {
			for range n {
				e, err := p.Event(event("yard", strings.Repeat("A person walks to the door. ", 4)))
				if err != nil {
					t.Fatal(err)
				}
				s.Ack(e.Seq)
			}
		}
		write(3000) // into a steady state, with a spare segment
		const n = 2000
		before := sectors()
		write(n)
		per := (sectors() - before) * 512 / n
		stop()
		s.Close()
		must("umount", dir)
		must("losetup", "-d", loop)
		t.Logf("ext4 with blocks of %s bytes: %d bytes on the disk for one event", block, per)
	}
}
