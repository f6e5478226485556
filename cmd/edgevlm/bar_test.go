package main

import (
	"bytes"
	"testing"
	"time"
)

func TestTheBarSaysHowFarHowFastAndHowLong(t *testing.T) {
	b := newBar(&bytes.Buffer{}, "m.gguf")
	for range 2 { // the first call begins the step
		b.update("downloading", 100<<20, 400<<20)
	}
	if got, want := b.line(200<<20, 400<<20, 10*time.Second),
		"downloading m.gguf  [##########..........] 200.0 MiB of 400.0 MiB  10.0 MiB/s  20s left"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := b.line(5, 0, 0); got != "downloading m.gguf  5 B" {
		t.Errorf("without a length: %q", got)
	}
}

func TestInAPipeNoBarIsDrawn(t *testing.T) {
	var out bytes.Buffer
	b := newBar(&out, "m.gguf")
	b.update("downloading", 1, 2)
	b.clear()
	if out.Len() > 0 {
		t.Errorf("%q", out.String())
	}
}
