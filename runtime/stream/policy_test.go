package stream_test

import (
	"strings"
	"testing"
	"time"

	"github.com/edgevlm/edgevlm/runtime/stream"
)

func TestDescriptionsFollowChangesWithAHeartbeat(t *testing.T) {
	p := stream.NewPolicy(stream.Publish{Every: 3 * time.Second, Heartbeat: 20 * time.Second})
	still, same := stream.Step{Compared: true}, []float32{1, 0, 0, 1}
	at := func(s int) time.Time { return begin.Add(time.Duration(s) * time.Second) }
	for _, c := range []struct {
		s          int
		changed    float64
		answers    string
		embeddings []float32
		want       stream.Why
	}{
		{0, 0, "no", same, stream.WhyFirst},
		{1, 0, "no", same, stream.NotDue},
		{2, 0.5, "no", same, stream.NotDue}, // within Every: it is not forgotten
		{3, 0, "no", same, stream.WhyScene},
		{6, 0.01, "no", same, stream.NotDue},
		{7, 0, "yes", same, stream.WhyAnswers},
		{8, 0, "no", same, stream.NotDue},
		{10, 0, "no", same, stream.WhyAnswers},
		{14, 0, "no", []float32{1, 0, 1, 0}, stream.WhyEmbeddings},
		{18, 0, "no", []float32{1, 0, 1, 0.01}, stream.NotDue},
		{19, 0, "no", nil, stream.NotDue},
		{34, 0, "no", []float32{1, 0, 1, 0}, stream.WhyHeartbeat},
		{38, 0, "no", []float32{1, 0, 1, 0}, stream.NotDue},
		{40, 0.02, "no", []float32{1, 0, 1, 0}, stream.NotDue}, // something small that moves on
		{41, 0.02, "no", []float32{1, 0, 1, 0}, stream.NotDue},
		{42, 0.02, "no", []float32{1, 0, 1, 0}, stream.WhyScene},
	} {
		st := still
		st.Changed = c.changed
		p.Observe(st)
		if got := p.Due(at(c.s), c.answers, c.embeddings, 2); got != c.want {
			t.Errorf("%d s: %q, want %q", c.s, got, c.want)
		} else if got != stream.NotDue {
			p.Said("sentence " + string(got))
		}
	}
}

func TestRepeatedSentencesAreSuppressedAndCounted(t *testing.T) {
	p := stream.NewPolicy(stream.Publish{Heartbeat: time.Minute})
	said := func(s int, changed float64, text string) bool {
		p.Observe(stream.Step{Compared: true, Changed: changed})
		return p.Due(begin.Add(time.Duration(s)*time.Second), "", nil, 0) != stream.NotDue && p.Said(text)
	}
	for _, c := range []struct {
		s       int
		changed float64
		text    string
		want    bool
	}{
		{0, 0, "Nothing is there.", true},
		{1, 1, "Nothing is there.", false},
		{2, 1, " nothing  is there.", false},
		{3, 1, "A cat arrives.", true},
		{4, 1, "Nothing is there.", true},
		{30, 1, "Nothing is there.", false},
		{64, 0, "Nothing is there.", true}, // the heartbeat
		{65, 0, "Nothing is there.", false},
		{100, 1, "Nothing is there.", false},
		{125, 1, "Nothing is there.", true}, // the heartbeat of a scene that changes all the time
	} {
		if got := said(c.s, c.changed, c.text); got != c.want {
			t.Errorf("%d s: %v, want %v", c.s, got, c.want)
		}
	}
	if n := p.Suppressed(); n != 4 {
		t.Errorf("%d suppressed", n)
	}
}

func TestABudgetChoosesResolutionFirstAndThenTheWindow(t *testing.T) {
	// A board on which a patch takes 4 ms, a token 8 ms and a decoded token 90 ms.
	cost := stream.Cost{Patch: 0.004, PatchPair: 5e-7, Token: 0.008, TokenPair: 1e-7, Decode: 0.09}
	ask := stream.Budget{Length: 16 * time.Second, FPS: 2, Prompt: 20, Answer: 10}
	prev := stream.Choice{}
	for _, latency := range []time.Duration{100 * time.Millisecond, 2500 * time.Millisecond, 4 * time.Second, 8 * time.Second, 15 * time.Second, time.Minute} {
		ask.Latency = latency
		c, err := stream.Choose(ask, cost)
		if err != nil {
			t.Fatal(err)
		}
		if c.Meets != (c.Latency <= latency) || c.Pixels != c.Cells*28*28 {
			t.Errorf("%v: %+v", latency, c)
		}
		if c.Cells < prev.Cells || c.Cells == prev.Cells && c.Length < prev.Length {
			t.Errorf("%v: %+v is less than with a smaller budget: %+v", latency, c, prev)
		}
		if c.Cells > 16 && c.Length != 16*time.Second {
			t.Errorf("%v: the window was shortened before the picture: %+v", latency, c)
		}
		prev = c
		t.Logf("%v: %+v", latency, c)
	}
	if prev.Pixels != 448*448 || !prev.Meets {
		t.Errorf("with all the time there is: %+v", prev)
	}
	ask.Latency = time.Minute
	ask.Context = 1000
	if c, err := stream.Choose(ask, cost); err != nil || c.Cells*16+30 > 1000 || !c.Meets {
		t.Errorf("a short context: %+v, %v", c, err)
	}
	ask.Context = 60
	if _, err := stream.Choose(ask, cost); err == nil || !strings.Contains(err.Error(), "shorten it") {
		t.Errorf("a context for nothing: %v", err)
	}
	if _, err := stream.Choose(stream.Budget{}, cost); err == nil {
		t.Error("an empty budget was taken")
	}
	if _, err := stream.Choose(ask, stream.Cost{}); err == nil {
		t.Error("no costs were taken")
	}
}
