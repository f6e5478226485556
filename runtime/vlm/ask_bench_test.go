package vlm_test

import (
	"context"
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/edgevlm/edgevlm/demo"
	"github.com/edgevlm/edgevlm/demo/gate"
	"github.com/edgevlm/edgevlm/runtime/imageproc"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

var (
	benchText   = flag.String("text", "", "text model of BenchmarkQuestions, a GGUF; the demo's without it")
	benchMMProj = flag.String("mmproj", "", "its vision file")
	benchSize   = flag.Int("size", 112, "width and height of a frame, in pixels")
	benchPairs  = flag.Int("pairs", 4, "pairs of frames in the window")
)

// noise is a frame that compresses to nothing simpler.
func noise(size, seed int) imageproc.RGB {
	p := imageproc.RGB{W: size, H: size, Pix: make([]byte, 3*size*size)}
	x := uint32(seed + 1)
	for i := range p.Pix {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		p.Pix[i] = byte(x)
	}
	return p
}

func yesNoQuestions(n int) (qs []vlm.Question) {
	for i := range n {
		class := gate.Class(i % int(gate.NumClasses)).String()
		qs = append(qs, vlm.Question{Name: fmt.Sprint(i), Text: "Is there a " + class + "?", Kind: vlm.KindYesNo})
	}
	return qs
}

// BenchmarkQuestions is from the arrival of a pair of frames to the last answer: encode, append to the window, ask. With
// a model of full size:
//
//	go test ./runtime/vlm -run xxx -bench Questions -benchtime 2x -args -text M.gguf -mmproj P.gguf -size 448 -pairs 2
func BenchmarkQuestions(b *testing.B) {
	ctx := context.Background()
	text, mmproj := demo.Text(), demo.MMProj()
	open := func() (*vlm.Engine, error) { return vlm.OpenBytes(ctx, text, mmproj, vlm.Options{}) }
	if *benchText != "" {
		open = func() (*vlm.Engine, error) { return vlm.Open(ctx, *benchText, *benchMMProj, vlm.Options{}) }
	}
	e, err := open()
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	clip := func(pairs int) vlm.Media {
		m := vlm.Media{Video: true}
		for i := range 2 * pairs {
			m.Frames = append(m.Frames, noise(*benchSize, i))
		}
		return m
	}
	start, ok := e.Tokenizer().ID("<|vision_start|>")
	head, err := e.Opening(nil)
	if err != nil || !ok {
		b.Fatal(err, ok)
	}
	s, err := e.NewSequence(ctx)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	if err := s.Append(ctx, append(head, start)); err != nil {
		b.Fatal(err)
	}
	window, err := e.Embed(ctx, clip(*benchPairs))
	if err == nil {
		err = s.AppendMedia(ctx, window)
	}
	if err != nil {
		b.Fatal(err)
	}
	mark := s.Mark()
	for _, n := range []int{1, 10} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			qs := yesNoQuestions(n)
			var rows int
			var asking time.Duration
			for b.Loop() {
				pair, err := e.Embed(ctx, clip(1))
				if err == nil {
					err = s.AppendMedia(ctx, pair)
				}
				if err != nil {
					b.Fatal(err)
				}
				at := time.Now()
				answers, err := s.Ask(ctx, qs)
				asking += time.Since(at)
				if err != nil {
					b.Fatal(err)
				}
				rows = pair.Tokens()
				for _, a := range answers {
					rows += a.PromptTokens
				}
				if err := s.Rewind(ctx, mark); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(rows), "rows")
			b.ReportMetric(asking.Seconds()*1e3/float64(b.N), "ask-ms")
		})
	}
}

// Ten questions cost ten questions' rows, and the window not again.
func TestQuestionsCostTheirOwnRowsOnly(t *testing.T) {
	e := openDemo(t, vlm.Options{})
	s, _, err := e.Look(t.Context(), nil, []vlm.Media{media(demo.Clips()[0])})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	rows := func(n int) (sum int) {
		t.Helper()
		answers, err := s.Ask(t.Context(), yesNoQuestions(n))
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range answers {
			sum += a.PromptTokens
		}
		return sum
	}
	one, ten := rows(1), rows(10)
	if one > 20 || ten > 10*20 || one >= s.Len() {
		t.Errorf("%d rows for one question, %d for ten, after a window of %d", one, ten, s.Len())
	}
}
