package pipeline

import (
	"context"
	"time"

	"github.com/edgevlm/edgevlm/runtime/stream"
	"github.com/edgevlm/edgevlm/runtime/vlm"
	"github.com/edgevlm/edgevlm/runtime/watch"
)

// Stream says how a camera's window is kept in the model, so that every frame is paid for once. It needs a model that is a
// Streamer; with any other one, and without a Stream, each description runs over the window anew.
type Stream struct {
	Mode    stream.Mode
	Savings stream.Savings
	// Latency is what an answer may take from a pair's arrival on, 19 times of 20: the pictures' size, and if need be the
	// window, are chosen so that it does. 0: the model's own sizes.
	Latency time.Duration
	// Changed is the share of the picture that has to change since a description for the next one, where the camera's Changes count
	// and Savings compare; 0: 0.05.
	Changed float64
	// Least is how many pairs a window has before it is described or asked about, unless the camera has ended before; 0: two,
	// since motion shows in no fewer.
	Least int
	// Before is how many pairs that the model had no time for are kept for Trigger; 0: 4, negative: none.
	Before int
}

func (s *Stream) before() int {
	if s.Before == 0 {
		return 4
	}
	return max(0, s.Before)
}

func (s *Stream) least(pairs int) int {
	if s.Least == 0 {
		return min(2, pairs)
	}
	return min(s.Least, pairs)
}

// Streamer is a Describer that keeps windows. An Engine is one.
type Streamer interface {
	Describer
	Stream(ctx context.Context, c stream.Config) (Window, error)
	// Sizes are the least and the most pixels of a frame after resizing, and Unit what they are a multiple of: a merged cell.
	Sizes() (least, most, unit int)
	Info() vlm.Info
}

// Window is what a model has seen of the newest seconds; a *stream.Window is one. The pipeline's goroutine alone uses it.
type Window interface {
	Add(ctx context.Context, p stream.Pair) (stream.Step, error)
	Describe(ctx context.Context, prompt string, maxTokens int, how vlm.Sampling, emit func(piece string)) (vlm.Result, error)
	Ask(ctx context.Context, qs []vlm.Question) ([]vlm.Answer, error)
	Frames() []stream.FrameRef
	Embeddings() []float32
	Counters() stream.Counters
	Close() error
}

var (
	_ Streamer = Engine{}
	_ Window   = (*stream.Window)(nil)
)

// Stream implements Streamer.
func (e Engine) Stream(ctx context.Context, c stream.Config) (Window, error) {
	w, err := stream.New(ctx, e.Engine, c)
	if err != nil {
		return nil, err // not w: a nil *Window is no nil Window
	}
	return w, nil
}

// Sizes implements Streamer.
func (e Engine) Sizes() (least, most, unit int) {
	i := e.Images()
	side := i.PatchSize * i.MergeSize
	return i.VideoMinPixels, i.VideoMaxPixels, side * side
}

// Moment is what became of one pair in a camera's window.
type Moment struct {
	Camera  string
	Pair    stream.Pair
	Step    stream.Step
	Answers []vlm.Answer // those that stand, nil before the window is asked about
	Asked   time.Duration
	Events  []watch.Event
	// Why there is a Result, NotDue if there is none. Repeated says that it was not published, since it is the one before.
	Why       stream.Why
	Result    vlm.Result
	Repeated  bool
	Described time.Duration
}

// StreamStats are a camera's counters of its windows since the start.
type StreamStats struct {
	stream.Counters
	Missed     uint64 // pairs that the model had no time for
	Late       uint64 // pairs of those that it got after all, because something was triggered
	Suppressed uint64 // descriptions that said what the one before had said
	Reused     uint64 // times that answers were taken over, because nothing in the window had changed
	Pixels     int    // most pixels of a frame now, where a latency is asked for
}
