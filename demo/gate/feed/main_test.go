package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/edgevlm/edgevlm/demo/gate"
)

func TestStreamIsAsDocumented(t *testing.T) {
	var all, second bytes.Buffer
	if err := run([]string{"-split", "test", "-seed", "5", "-n", "3"}, &all); err != nil {
		t.Fatal(err)
	}
	if err := run([]string{"-split", "test", "-seed", "5", "-first", "2", "-n", "1"}, &second); err != nil {
		t.Fatal(err)
	}
	head := all.Next(20)
	if string(head[:8]) != "EVFEED3\n" || binary.LittleEndian.Uint32(head[8:]) != gate.Size ||
		binary.LittleEndian.Uint32(head[12:]) != gate.Grid || binary.LittleEndian.Uint32(head[16:]) != gate.NumLabels {
		t.Fatalf("header %q", head)
	}
	var last []byte
	for i := range uint64(3) {
		start := bytes.Clone(all.Bytes())
		n := int(binary.LittleEndian.Uint32(all.Next(4)))
		var l label
		if err := json.Unmarshal(all.Next(n), &l); err != nil {
			t.Fatal(err)
		}
		r := gate.New(gate.Test, 5)
		s := r.Scene(i, gate.Normal)
		if l.Index != i || l.Caption != s.Caption() || l.Reversed != s.Reversed().Caption() || l.Frames != s.Frames || len(l.Tasks) != len(s.Tasks) {
			t.Errorf("clip %d is labelled %+v, want %s", i, l, s.Caption())
		}
		pix := make([]byte, s.Bytes())
		r.Render(s, pix)
		if !bytes.Equal(all.Next(len(pix)), pix) {
			t.Errorf("clip %d has other pixels", i)
		}
		if rest := s.Cells() * (gate.NumLabels + 4*gate.NumPlaces); len(all.Next(rest)) != rest {
			t.Fatalf("clip %d ends early", i)
		}
		last = start[:4+n+len(pix)+s.Cells()*(gate.NumLabels+4*gate.NumPlaces)]
	}
	if all.Len() != 0 {
		t.Errorf("%d bytes too many", all.Len())
	}
	if !bytes.Equal(last, second.Bytes()[20:]) {
		t.Error("-first 2 does not give the third clip")
	}
}

func TestKindsHaveTheirLabels(t *testing.T) {
	for kind, want := range map[string]int{"dense": 8, "frozen": 2} {
		var out bytes.Buffer
		if err := run([]string{"-kind", kind, "-n", "1"}, &out); err != nil {
			t.Fatal(err)
		}
		out.Next(20)
		var l label
		if err := json.Unmarshal(out.Next(int(binary.LittleEndian.Uint32(out.Next(4)))), &l); err != nil {
			t.Fatal(err)
		}
		if l.Frames != want || (l.Caption == "") != (kind == "dense") || (len(l.Tasks) == 0) != (kind == "dense") {
			t.Errorf("%s: %+v", kind, l)
		}
	}
}

func TestMoreQuestionsComeAfterTheClipsOwn(t *testing.T) {
	tasks := func(more string) (l label) {
		var out bytes.Buffer
		if err := run([]string{"-first", "3", "-n", "1", "-more", more}, &out); err != nil {
			t.Fatal(err)
		}
		out.Next(20)
		if err := json.Unmarshal(out.Next(int(binary.LittleEndian.Uint32(out.Next(4)))), &l); err != nil {
			t.Fatal(err)
		}
		return l
	}
	own, all := tasks("0").Tasks, tasks("4").Tasks
	if len(all) <= len(own) || len(all) > len(own)+4 || !slices.Equal(all[:len(own)], own) {
		t.Fatalf("%d questions, %d with 4 more", len(own), len(all))
	}
	seen := map[string]bool{}
	for i, q := range all {
		if seen[q.Q] || i >= len(own) && q.Kind != "yesno" {
			t.Errorf("%+v", q)
		}
		seen[q.Q] = true
	}
}

func TestWordsAreSentences(t *testing.T) {
	var out bytes.Buffer
	if err := run([]string{"-words"}, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"What is happening?\n", "Nothing is there.\n", "An orange dog ", "<|box_start|>"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q", want)
		}
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
	for _, args := range [][]string{{"-split", "all"}, {"-kind", "odd"}, {"-frames", "7"}, {"-frames", "64"}, {"-more", "21"}} {
		err := run(args, io.Discard)
		if err == nil || !strings.Contains(err.Error(), "use ") {
			t.Errorf("%v: %v", args, err)
		}
		if errors.Is(err, syscall.EPIPE) {
			t.Error(err)
		}
	}
}
