package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/edgevlm/edgevlm/runtime/imageproc"
)

func TestHalfBlocksShowTheUpperPixelOnTheLower(t *testing.T) {
	// Two by two: red and green over blue and white.
	p := imageproc.RGB{W: 2, H: 2, Pix: []byte{255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255}}
	got := halfBlocks(p, 2, 1)
	want := "\x1b[38;2;255;0;0;48;2;0;0;255m▀\x1b[38;2;0;255;0;48;2;255;255;255m▀\x1b[0m"
	if len(got) != 1 || got[0] != want {
		t.Errorf("got %q", got)
	}
}

func TestShrinkAveragesAndStretchesWithoutHoles(t *testing.T) {
	p := imageproc.RGB{W: 2, H: 1, Pix: []byte{0, 0, 0, 200, 100, 50}}
	if got := shrink(p, 1, 1); got[0] != [3]uint8{100, 50, 25} {
		t.Errorf("average %v", got)
	}
	for _, n := range []int{1, 3, 7, 28, 112} {
		if px := shrink(p, n, n)[n-1]; n > 1 && px != [3]uint8{200, 100, 50} {
			t.Errorf("%d wide: corner %v", n, px)
		}
	}
}

func TestWrapKeepsWordsTogetherWhereItCan(t *testing.T) {
	got := wrap("A red car drives  to the left\nabcdefghijkl", 10)
	want := []string{"A red car", "drives to", "the left", "abcdefghij", "kl"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if got := wrap("", 10); got != nil {
		t.Errorf("got %q", got)
	}
}

func TestTextStandsBesideThePicture(t *testing.T) {
	got := beside([]string{"#1", "#2", "#3", "#4"}, []string{"a", "b", "c"})
	lines := strings.Split(strings.ReplaceAll(got, "\x1b[K", ""), "\n")
	want := []string{"#1", "#2", "#3  a", "#4  b", strings.Repeat(" ", pictureCols) + "  c", ""}
	if !slices.Equal(lines, want) {
		t.Errorf("got %q", lines)
	}
}

func TestPipesGetNoPictures(t *testing.T) {
	if showsPictures(&bytes.Buffer{}) {
		t.Error("a buffer is no terminal")
	}
}
