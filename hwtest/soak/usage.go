//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
)

// usage is what must not grow.
type usage struct {
	rss, heap  int64 // bytes; heap is what is reachable
	fds        int
	goroutines int
	children   int
}

func (u usage) String() string {
	return fmt.Sprintf("%.1f MiB resident, %.1f MiB heap, %d file descriptors, %d goroutines, %d children",
		float64(u.rss)/(1<<20), float64(u.heap)/(1<<20), u.fds, u.goroutines, u.children)
}

func measure() usage {
	debug.FreeOSMemory() // collects, too
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u := usage{heap: int64(m.HeapAlloc), goroutines: runtime.NumGoroutine()}
	fds, _ := os.ReadDir("/proc/self/fd")
	u.fds = len(fds) - 1 // the folder itself
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if v, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, _ := strconv.ParseInt(strings.Fields(v)[0], 10, 64)
			u.rss = kib << 10
		}
	}
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	for _, l := range lists {
		b, _ := os.ReadFile(l)
		u.children += len(strings.Fields(string(b)))
	}
	return u
}

// What may be more at the end than after the first two hours: memory breathes, the others don't.
const (
	rssSlack  = 8 << 20
	heapSlack = 2 << 20
	fdSlack   = 2 // a connection that is just being closed
)

// judge compares the last quarter of the hours with those that came after the second.
func judge(all []usage) error {
	if len(all) < 8 {
		fmt.Println("fewer than 8 hours say nothing about growth")
		return nil
	}
	early, late := most(all[1:len(all)/2]), most(all[len(all)*3/4:])
	fmt.Printf("first half:   %v at most\nlast quarter: %v at most\n", early, late)
	var errs []error
	for _, c := range []struct {
		what        string
		early, late int64
		slack       int64
	}{
		{"resident memory", early.rss, late.rss, rssSlack}, {"heap", early.heap, late.heap, heapSlack},
		{"file descriptors", int64(early.fds), int64(late.fds), fdSlack}, {"goroutines", int64(early.goroutines), int64(late.goroutines), 4},
		{"children", int64(early.children), int64(late.children), 0},
	} {
		if c.late > c.early+c.slack {
			errs = append(errs, fmt.Errorf("%s grew from %d to %d", c.what, c.early, c.late))
		}
	}
	return errors.Join(errs...)
}

func most(all []usage) usage {
	m := all[0]
	for _, u := range all[1:] {
		m.rss, m.heap = max(m.rss, u.rss), max(m.heap, u.heap)
		m.fds, m.goroutines, m.children = max(m.fds, u.fds), max(m.goroutines, u.goroutines), max(m.children, u.children)
	}
	return m
}
