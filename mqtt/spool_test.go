package mqtt

import (
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestMemorySpoolKeepsOrderUntilAck(t *testing.T) {
	s := NewMemorySpool(1 << 20)
	for i := range 5 {
		e := sampleEvent()
		if seq, err := s.Append(e); err != nil || seq != uint64(i+1) {
			t.Fatalf("append %d: seq %d, %v", i, seq, err)
		}
	}
	if err := s.Ack(2); err != nil {
		t.Fatal(err)
	}
	got, err := s.Peek(2)
	if err != nil || len(got) != 2 || got[0].Seq != 3 || got[1].Seq != 4 {
		t.Errorf("after ack 2, peek is %v (%v), want 3 and 4", seqs(got), err)
	}
	if s.Len() != 3 {
		t.Errorf("%d left, want 3", s.Len())
	}
	if s.Ack(1) != nil || s.Len() != 3 {
		t.Error("an old ack changed the spool")
	}
}

func TestMemorySpoolDropsTheOldestAndCounts(t *testing.T) {
	s := NewMemorySpool(0) // MaxEventBytes
	e := sampleEvent()
	e.Text = strings.Repeat("x", 50<<10)
	for range 20 {
		if _, err := s.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	st := s.Stats()
	if st.Bytes > MaxEventBytes || st.Events+int(st.Dropped) != 20 || st.Dropped == 0 {
		t.Errorf("stats %+v", st)
	}
	got, _ := s.Peek(100)
	if len(got) != st.Events || got[len(got)-1].Seq != 20 {
		t.Errorf("kept %v, want the newest ending in 20", seqs(got))
	}
}

func TestMemorySpoolRefusesWhatCannotBePublished(t *testing.T) {
	e := sampleEvent()
	e.Text = strings.Repeat("x", MaxEventBytes)
	if _, err := NewMemorySpool(1 << 20).Append(e); err == nil {
		t.Error("an event over the bound is accepted")
	}
}

func TestMemorySpoolIsAQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := NewMemorySpool(1 << 30)
		var model []uint64
		for range rapid.IntRange(0, 3000).Draw(t, "steps") {
			if rapid.IntRange(0, 2).Draw(t, "op") > 0 {
				seq, _ := s.Append(Event{})
				model = append(model, seq)
			} else if len(model) > 0 {
				n := rapid.IntRange(0, len(model)-1).Draw(t, "ack")
				s.Ack(model[n])
				model = model[n+1:]
			}
		}
		got, _ := s.Peek(1 << 20)
		if len(got) != len(model) || s.Len() != len(model) {
			t.Fatalf("%d events, want %d", len(got), len(model))
		}
		for i := range got {
			if got[i].Seq != model[i] {
				t.Fatalf("event %d has seq %d, want %d", i, got[i].Seq, model[i])
			}
		}
	})
}

func TestMemorySpoolConcurrently(t *testing.T) {
	s := NewMemorySpool(1 << 20)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 500 {
				s.Append(Event{})
			}
		})
	}
	last := uint64(0)
	for last < 2000 {
		got, _ := s.Peek(16)
		for _, e := range got {
			if e.Seq != last+1 {
				t.Fatalf("seq %d after %d", e.Seq, last)
			}
			last = e.Seq
		}
		s.Ack(last)
	}
	wg.Wait()
}

func TestShortStateFitsHomeAssistant(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringN(0, 600, -1).Draw(t, "text")
		got := ShortState(text)
		if len(got) > MaxStateBytes || !utf8.ValidString(got) || strings.ContainsAny(got, "\n\r") {
			t.Fatalf("state %q", got)
		}
	})
	long := strings.Repeat("word ", 100)
	if got := ShortState(long); !strings.HasSuffix(got, "word...") {
		t.Errorf("cut inside a word: %q", got)
	}
}

func seqs(events []Event) []uint64 {
	var out []uint64
	for _, e := range events {
		out = append(out, e.Seq)
	}
	return out
}
