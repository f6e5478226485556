package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"

	"github.com/edgevlm/edgevlm/demo/world"
)

func TestStreamIsAsDocumented(t *testing.T) {
	var all, second bytes.Buffer
	if err := run([]string{"-split", "test", "-seed", "5", "-n", "2"}, &all); err != nil {
		t.Fatal(err)
	}
	if err := run([]string{"-split", "test", "-seed", "5", "-first", "1", "-n", "1"}, &second); err != nil {
		t.Fatal(err)
	}
	head := all.Next(24)
	if string(head[:8]) != "EVFEED1\n" || binary.LittleEndian.Uint32(head[20:]) != world.Grid {
		t.Fatalf("header %q", head)
	}
	var last []byte
	for i := range uint64(2) {
		start := bytes.Clone(all.Bytes())
		n := int(binary.LittleEndian.Uint32(all.Next(4)))
		var l label
		if err := json.Unmarshal(all.Next(n), &l); err != nil {
			t.Fatal(err)
		}
		s := world.New(world.Test, 5).Scene(i, world.Normal)
		if l.Index != i || l.Caption != s.Caption() || l.Reversed != s.Reversed().Caption() {
			t.Errorf("clip %d is labelled %+v, want %s", i, l, s.Caption())
		}
		rest := world.ClipBytes + world.Cells*(world.NumLabels+8)
		if got := len(all.Next(rest)); got != rest {
			t.Fatalf("clip %d has %d bytes, want %d", i, got, rest)
		}
		last = start[:4+n+rest]
	}
	if all.Len() != 0 {
		t.Errorf("%d bytes too many", all.Len())
	}
	if !bytes.Equal(last, second.Bytes()[24:]) {
		t.Error("-first 1 does not give the second clip")
	}
}

type closedPipe struct{}

func (closedPipe) Write([]byte) (int, error) { return 0, syscall.EPIPE }

func TestAReaderThatLeavesIsNoError(t *testing.T) {
	if err := run([]string{"-n", "10"}, closedPipe{}); err != nil {
		t.Error(err)
	}
}

func TestBadFlagsAreRefused(t *testing.T) {
	for _, args := range [][]string{{"-split", "all"}, {"-kind", "odd"}} {
		err := run(args, io.Discard)
		if err == nil || !strings.Contains(err.Error(), "use ") {
			t.Errorf("%v: %v", args, err)
		}
		if errors.Is(err, syscall.EPIPE) {
			t.Error(err)
		}
	}
}
