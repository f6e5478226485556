package mqtttest

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// Lossy is a link into a network namespace of its own that drops packets at random in both directions.
type Lossy struct {
	t         testing.TB
	namespace string
	// Addr is the address of the namespace's end, Local that of this end.
	Addr, Local string
}

// NewLossy makes a veth pair into a new network namespace and has nftables drop percent of the packets that arrive at
// either end. Where that can't be done (no root, no nftables), the test is skipped, and says why.
func NewLossy(t testing.TB, percent int) *Lossy {
	t.Helper()
	const local, remote = "10.213.77.1", "10.213.77.2"
	l := &Lossy{t: t, namespace: "edgevlm-lossy", Addr: remote, Local: local}
	run := func(args ...string) {
		t.Helper()
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Skipf("no lossy link here (needs root, ip and nft): %s: %v: %s", strings.Join(args, " "), err, out)
		}
	}
	inside := func(args ...string) {
		t.Helper()
		run(append([]string{"ip", "netns", "exec", l.namespace}, args...)...)
	}
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("nftables is not installed (apt-get install nftables): no lossy link")
	}
	t.Cleanup(func() {
		exec.Command("nft", "delete", "table", "inet", l.namespace).Run()
		exec.Command("ip", "netns", "del", l.namespace).Run() // takes the link with it
	})
	run("ip", "netns", "add", l.namespace)
	run("ip", "link", "add", "evlossy0", "type", "veth", "peer", "name", "evlossy1", "netns", l.namespace)
	run("ip", "addr", "add", local+"/30", "dev", "evlossy0")
	run("ip", "link", "set", "evlossy0", "up")
	inside("ip", "addr", "add", remote+"/30", "dev", "evlossy1")
	inside("ip", "link", "set", "evlossy1", "up")
	inside("ip", "link", "set", "lo", "up")
	rules := func(dev string) []string {
		return []string{"nft", fmt.Sprintf("add table inet %[1]s; add chain inet %[1]s in { type filter hook input priority 0; }; "+
			"add rule inet %[1]s in iifname %[2]s meta l4proto tcp numgen random mod 100 < %[3]d counter drop", l.namespace, dev, percent)}
	}
	run(rules("evlossy0")...)
	inside(rules("evlossy1")...)
	return l
}

// Command is one that runs in the namespace.
func (l *Lossy) Command(args ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", l.namespace}, args...)...)
}

// Dropped is how many packets were dropped, at both ends.
func (l *Lossy) Dropped() (n int) {
	l.t.Helper()
	for _, cmd := range []*exec.Cmd{exec.Command("nft", "list", "table", "inet", l.namespace), l.Command("nft", "list", "table", "inet", l.namespace)} {
		out, err := cmd.Output()
		if err != nil {
			l.t.Fatal(err)
		}
		_, after, _ := strings.Cut(string(out), "counter packets ")
		var k int
		if _, err := fmt.Sscan(after, &k); err != nil {
			l.t.Fatalf("no counter in %s", out)
		}
		n += k
	}
	return n
}
