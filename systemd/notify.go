// Package systemd tells the service manager how the daemon is: ready, what it does, and, as the watchdog, that it still
// gets work done. Outside systemd all of it does nothing. The unit and its companions are embedded.
package systemd

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Notifier speaks to $NOTIFY_SOCKET. Safe for concurrent use.
type Notifier struct {
	log      *slog.Logger
	interval time.Duration // of the watchdog; 0: none
	now      func() time.Time
	send     func(state string) error

	mu     sync.Mutex
	pulses map[*Pulse]struct{}
	status string
}

// New reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID from the environment.
func New(log *slog.Logger) *Notifier {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("systemd: no watchdog", "error", err)
	}
	return &Notifier{log: log, interval: interval, now: time.Now, pulses: make(map[*Pulse]struct{}),
		send: func(state string) error { _, err := daemon.SdNotify(false, state); return err }}
}

// Ready says that start-up is finished. Type=notify waits for it.
func (n *Notifier) Ready() { n.notify(daemon.SdNotifyReady) }

// Status is the line that `systemctl status` shows; repeated ones are not sent again.
func (n *Notifier) Status(format string, args ...any) {
	s := strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", " ")
	n.mu.Lock()
	same := s == n.status
	n.status = s
	n.mu.Unlock()
	if !same {
		n.notify("STATUS=" + s)
	}
}

// Stopping says that shutdown has begun.
func (n *Notifier) Stopping() { n.notify(daemon.SdNotifyStopping) }

// ExtendStart asks for d more before TimeoutStartSec counts, from now: for a model that loads slowly but does.
func (n *Notifier) ExtendStart(d time.Duration) {
	n.notify(fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", d.Microseconds()))
}

func (n *Notifier) notify(state string) {
	if err := n.send(state); err != nil {
		n.log.Warn("systemd: notify", "error", err)
	}
}

// Pulse is one part of the daemon that the watchdog looks at.
type Pulse struct {
	n     *Notifier
	name  string
	limit time.Duration
	last  time.Time
}

// Pulse adds a part that must call Beat at least every limit, from now on, until Stop. Beat where work gets done (a frame
// arrived, a token was decoded), not on a timer: a timer beats on while the work is stuck.
func (n *Notifier) Pulse(name string, limit time.Duration) *Pulse {
	p := &Pulse{n: n, name: name, limit: limit, last: n.now()}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pulses[p] = struct{}{}
	return p
}

// Beat says that the part has got something done. It costs a lock and no system call.
func (p *Pulse) Beat() {
	p.n.mu.Lock()
	defer p.n.mu.Unlock()
	p.last = p.n.now()
}

// Stop takes the part out: it is switched off or done.
func (p *Pulse) Stop() {
	p.n.mu.Lock()
	defer p.n.mu.Unlock()
	delete(p.n.pulses, p)
}

// stale names the parts that are over their limit.
func (n *Notifier) stale() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []string
	for p := range n.pulses {
		if n.now().Sub(p.last) > p.limit {
			out = append(out, p.name)
		}
	}
	return out
}

// Run pings the watchdog while no part is stale, until ctx is done. Without a watchdog it returns at once.
func (n *Notifier) Run(ctx context.Context) {
	if n.interval <= 0 {
		return
	}
	t := time.NewTicker(n.interval / 3)
	defer t.Stop()
	n.ping()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			n.ping()
		}
	}
}

func (n *Notifier) ping() {
	if stale := n.stale(); len(stale) > 0 {
		n.log.Error("systemd: no progress, the watchdog will restart the daemon unless it comes back", "parts", stale)
		n.Status("no progress: %s", strings.Join(stale, ", "))
		return
	}
	n.notify(daemon.SdNotifyWatchdog)
}
