package stream

import (
	"context"
	"math"
	"time"

	"github.com/edgevlm/edgevlm/runtime/vlm"
)

// stale is how many pairs before the last change a cell may have been given for the decoder to have its present. Giving these
// again makes nothing truer (RESULTS.md).
const stale = 2

// maxIndexGap bounds the temporal index from one pair to the next, as vlm does for a whole clip.
const maxIndexGap = 1 << 10

// run is one sequence of the model and the pairs in it.
type run struct {
	s     *vlm.Sequence
	start int32     // position of the vision block
	first time.Time // of its first pair
	index int32     // temporal index of its newest pair
	side  int32     // largest position of the grid's rows and columns, relative to start
	top   int32     // largest position, relative to start
	pairs []held
	queue []chunk
	// oldest is the row where the oldest pair's rows begin.
	oldest int
	// given is the number of the pair that each cell was given with last, counted from 1 on; change is that of the last pair in
	// which anything changed, newest the newest one's.
	given          []int
	change, newest int
}

// held is a pair in a run.
type held struct {
	frames [2]FrameRef
	at     time.Time
	index  int32
	rows   int // that it has in the sequence, or is going to have
}

// chunk is rows that a run has still to append. next is the position after the pair that they belong to.
type chunk struct {
	embeds []float32
	pos    [][3]int32
	next   int32
}

// age is how long the run is at a pair's time, a pair's period for each pair at least: a clock that stands still does not
// make a window endless.
func (r *run) age(at time.Time, period time.Duration) time.Duration {
	return max(at.Sub(r.first), time.Duration(len(r.pairs))*period)
}

// plan queues a pair: the cells of a merged grid (h, w) that are marked, all if marked is nil. changed says that something in it
// did.
func (r *run) plan(p Pair, period time.Duration, grid [2]int, marked []bool, changed bool, embeds []float32, hidden int) (rows int) {
	if r.first.IsZero() {
		r.first = p.At
	} else {
		at := math.Round(float64(p.At.Sub(r.first)) / float64(period))
		last := float64(r.index)
		r.index = int32(min(max(at, last), last+maxIndexGap))
	}
	r.side = int32(max(grid[0], grid[1]) - 1)
	r.top = max(r.index, r.side)
	r.pairs = append(r.pairs, held{at: p.At, index: r.index, frames: [2]FrameRef{
		{p.Frames[0].Seq, p.Frames[0].At}, {p.Frames[1].Seq, p.Frames[1].At}}})
	r.newest++
	if changed {
		r.change = r.newest
	}
	if r.given == nil {
		r.given = make([]int, grid[0]*grid[1])
	}
	return r.give(r.cells(grid, func(cell int) bool { return marked == nil || marked[cell] }, embeds, hidden))
}

// present queues, at the newest pair's time, the cells that were given last well before the last change.
func (r *run) present(grid [2]int, embeds []float32, hidden int) (rows int) {
	c := r.cells(grid, func(cell int) bool { return r.given[cell] < r.change-stale }, embeds, hidden)
	if len(c.pos) == 0 {
		return 0
	}
	return r.give(c)
}

// cells are some of the newest pair's.
func (r *run) cells(grid [2]int, which func(cell int) bool, embeds []float32, hidden int) chunk {
	c := chunk{next: r.start + r.top + 1}
	for cell := range r.given {
		if !which(cell) {
			continue
		}
		c.pos = append(c.pos, [3]int32{r.start + r.index, r.start + int32(cell/grid[1]), r.start + int32(cell%grid[1])})
		c.embeds = append(c.embeds, embeds[cell*hidden:(cell+1)*hidden]...)
		r.given[cell] = r.newest
	}
	return c
}

// give queues rows of the newest pair.
func (r *run) give(c chunk) (rows int) {
	r.queue = append(r.queue, c)
	r.pairs[len(r.pairs)-1].rows += len(c.pos)
	return len(c.pos)
}

// waiting is the number of rows in the queue.
func (r *run) waiting() (n int) {
	for _, c := range r.queue {
		n += len(c.pos)
	}
	return n
}

// head is the first rows of the queue, at most most of them, joined to one chunk; they stay queued.
func (r *run) head(most int) vlm.Rows {
	var c vlm.Rows
	c.Next = r.s.Next()
	for _, q := range r.queue {
		n := min(len(q.pos), most-len(c.Chunk.Pos))
		if n == 0 && len(q.pos) > 0 {
			break
		}
		if n > 0 {
			hidden := len(q.embeds) / len(q.pos)
			c.Chunk.Pos = append(c.Chunk.Pos, q.pos[:n]...)
			c.Chunk.Embeds = append(c.Chunk.Embeds, q.embeds[:n*hidden]...)
		}
		c.Next = q.next
		if n < len(q.pos) {
			break
		}
	}
	return c
}

// drop takes n rows off the queue, and the chunks that have none left.
func (r *run) drop(n int) {
	for len(r.queue) > 0 {
		q := &r.queue[0]
		if len(q.pos) > n {
			if n > 0 {
				hidden := len(q.embeds) / len(q.pos)
				q.pos, q.embeds = q.pos[n:], q.embeds[n*hidden:]
			}
			return
		}
		n -= len(q.pos)
		r.queue = r.queue[1:]
	}
	r.queue = nil
}

// evict drops the oldest pair, which must be in the sequence.
func (r *run) evict(ctx context.Context) error {
	n := r.pairs[0].rows
	if err := r.s.Evict(ctx, r.oldest, r.oldest+n); err != nil {
		return err
	}
	r.pairs = append(r.pairs[:0], r.pairs[1:]...)
	return nil
}

// anchor moves the positions of the pairs in the sequence so that the oldest one's temporal index is 0.
func (r *run) anchor(ctx context.Context, period time.Duration) (moved bool, err error) {
	by := r.pairs[0].index
	if by == 0 {
		return false, nil
	}
	top := max(r.index-by, r.side)
	if err := r.s.Shift(ctx, r.oldest, r.s.Len(), [3]int32{-by, 0, 0}, r.start+top+1); err != nil {
		return false, err
	}
	r.index, r.top = r.index-by, top
	r.first = r.first.Add(time.Duration(by) * period)
	for i := range r.pairs {
		r.pairs[i].index -= by
	}
	return true, nil
}

// push appends at most most rows of each run's queue, in one pass through the decoder where that can be.
func push(ctx context.Context, e *vlm.Engine, runs []*run, most []int) (rows int, err error) {
	var to []*vlm.Sequence
	var in []vlm.Rows
	var of []*run
	for i, r := range runs {
		if len(r.queue) == 0 {
			continue
		}
		c := r.head(most[i])
		if len(c.Chunk.Pos) == 0 { // only time passes
			r.s.SkipTo(c.Next)
			r.drop(0)
			continue
		}
		to, in, of = append(to, r.s), append(in, c), append(of, r)
	}
	if len(to) == 0 {
		return 0, nil
	}
	done, err := e.AppendAll(ctx, to, in)
	for i, r := range of {
		if !done[i] {
			continue
		}
		n := len(in[i].Chunk.Pos)
		r.drop(n)
		rows += n
	}
	return rows, err
}
