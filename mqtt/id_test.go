package mqtt

import (
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
)

func TestIDsGrowWhateverTheClockDoes(t *testing.T) {
	g := NewIDs()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	last := ""
	for i := range 5000 {
		at := now
		switch i % 4 {
		case 1:
			at = now.Add(time.Duration(i) * time.Millisecond)
		case 2:
			at = now.Add(-time.Hour) // the clock stepped back
		case 3:
			at = time.Time{}
		}
		id, err := g.New(at)
		if err != nil {
			t.Fatal(err)
		}
		if id <= last {
			t.Fatalf("id %d is %s, not after %s", i, id, last)
		}
		last = id
	}
}

func TestIDHoldsItsTime(t *testing.T) {
	at := time.UnixMilli(1790000000123)
	id, err := NewIDs().New(at)
	if err != nil {
		t.Fatal(err)
	}
	if got := ulid.MustParse(id).Timestamp(); !got.Equal(at) {
		t.Errorf("the id's time is %v, want %v", got, at)
	}
}

type ones struct{}

func (ones) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 0xff
	}
	return len(p), nil
}

func TestIDsPassAnExhaustedMillisecond(t *testing.T) {
	g := newIDs(ones{})
	at := time.UnixMilli(1790000000123)
	a, err := g.New(at)
	if err != nil {
		t.Fatal(err)
	}
	b, err := g.New(at)
	if err != nil || b <= a {
		t.Errorf("after %s comes %q (%v)", a, b, err)
	}
}
