package pipeline_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/edgevlm/edgevlm/runtime/pipeline"
)

// Four cameras of very different rates want more than the model can do. A fair share is a turn in four: no camera waits more than
// twice that long from one of its descriptions to the next.
func TestOfFourCamerasNoneWaitsMoreThanTwiceItsShare(t *testing.T) {
	const takes = 3 * time.Second
	for name, m := range map[string]pipeline.Describer{"anew": &model{takes: takes}, "in windows": &streamer{adds: takes / 2, says: takes / 2}} {
		t.Run(name, func(t *testing.T) { fourCameras(t, m, takes) })
	}
}

func fourCameras(t *testing.T, m pipeline.Describer, takes time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		s := &sink{}
		var cams []pipeline.Camera
		for name, fps := range map[string]float64{"a": 10, "b": 2, "c": 1, "d": 0.5} {
			period := time.Duration(float64(time.Second) / fps)
			cams = append(cams, pipeline.Camera{Name: name, FPS: fps, Frames: 2, Prompt: "?", Open: opener(newFeed(period, -1)), Stream: &pipeline.Stream{}})
		}
		p := mustNew(t, m, s, pipeline.Options{}, cams...)
		if err := p.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		share := takes * time.Duration(len(cams))
		last := map[string]time.Time{}
		count := map[string]int{}
		for _, d := range s.got {
			if was, ok := last[d.Camera]; ok && d.Ready.Sub(was) > 2*share {
				t.Errorf("camera %s waited %v; its share is a turn every %v", d.Camera, d.Ready.Sub(was), share)
			}
			last[d.Camera] = d.Ready
			count[d.Camera]++
		}
		for name, n := range count {
			if n < len(s.got)/8 {
				t.Errorf("camera %s had %d of %d turns", name, n, len(s.got))
			}
		}
		if len(count) != 4 {
			t.Errorf("turns %v", count)
		}
	})
}
