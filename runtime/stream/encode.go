package stream

import (
	"context"
	"errors"
	"slices"

	"github.com/edgevlm/edgevlm/npu"
	"github.com/edgevlm/edgevlm/runtime/imageproc"
)

// compare says which cells of a pair are new, nil meaning all, and which share that is.
func (w *Window) compare(p imageproc.Patches) (marks []bool, share float64) {
	if !w.c.Savings.Any() {
		return nil, 1
	}
	if w.scene == nil || [2]int{w.scene.rows, w.scene.cols} != w.grid { // a first pair that failed leaves one behind
		w.scene = newScene(w.c.Savings, w.images, w.grid[0], w.grid[1])
	}
	w.scene.see(p)
	marks, share = w.scene.compare()
	if !slices.Contains(marks, false) {
		return nil, share
	}
	return marks, share
}

// encode computes the embeddings of the cells that are new, and of others where that costs nothing, and returns the cells that
// later pairs give to the decoder, nil meaning all.
func (w *Window) encode(ctx context.Context, p imageproc.Patches, marks []bool, st *Step) (kept []bool, err error) {
	cells := w.grid[0] * w.grid[1]
	group := w.images.MergeSize * w.images.MergeSize
	forDecoder, forTower := w.c.Savings.growth()
	if w.c.Savings.Drop && marks != nil {
		kept = grown(marks, w.grid[1], forDecoder)
	}
	switch {
	case kept != nil && !slices.Contains(kept, true):
		st.Skipped = true
		w.scene.kept(kept)
		return kept, nil
	case w.c.Savings.Incremental && !w.whole:
		compute := marks
		if marks != nil {
			compute = grown(marks, w.grid[1], forTower)
		}
		if w.parts >= w.c.Savings.FullEvery || len(w.rows) != cells*w.e.Hidden() {
			compute = nil
		}
		if compute == nil || !w.memory.Valid(p.Grid) {
			compute = nil
			w.rows = resized(w.rows, cells*w.e.Hidden())
		}
		err := w.e.EncodeChanged(ctx, &w.memory, p, compute, w.rows)
		if errors.Is(err, npu.ErrUnsupported) {
			w.whole = true
			w.c.Log.Warn("the vision encoder in use computes whole pictures only: incremental encoding is off", "err", err)
			break
		}
		if err != nil {
			return nil, err
		}
		st.Patches = group * count(compute, cells)
		w.parts++
		if compute == nil {
			w.parts = 0
		}
		w.keep(kept, marks, compute == nil)
		return kept, nil
	}
	rows, err := w.e.EncodePatches(ctx, p)
	if err != nil {
		return nil, err
	}
	w.rows, st.Patches = rows, group*cells
	w.keep(kept, marks, true)
	return kept, nil
}

// keep notes what the model has of the newest pair: what is dropped before the decoder or, where nothing is, what the tower
// didn't compute, is still the older picture.
func (w *Window) keep(kept, marks []bool, whole bool) {
	if w.scene == nil {
		return
	}
	if !w.c.Savings.Drop {
		if kept = marks; whole {
			kept = nil
		}
	}
	w.scene.kept(kept)
}

func count(marks []bool, of int) (n int) {
	if marks == nil {
		return of
	}
	for _, m := range marks {
		if m {
			n++
		}
	}
	return n
}

func resized(x []float32, n int) []float32 {
	if len(x) != n {
		return make([]float32, n)
	}
	return x
}
