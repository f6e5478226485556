package kvcache

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

const layers, heads, dim = 2, 3, 4

// row is what a test stores in one row: every element follows from the id, so that mixed-up places show.
func row(id, layer int) (k, v []uint16) {
	for e := range heads * dim {
		k = append(k, uint16(id*100+layer*50+e))
		v = append(v, uint16(id*100+layer*50+25+e))
	}
	return k, v
}

func appendRows(t interface{ Fatal(...any) }, c *Cache, ids ...int) {
	start := c.Len()
	if err := c.Grow(len(ids)); err != nil {
		t.Fatal(err)
	}
	for i, id := range ids {
		for l := range layers {
			k, v := row(id, l)
			c.Put(l, start+i, k, v)
		}
	}
}

// read returns the ids of all rows, after checking every element of every layer and head.
func read(t interface{ Fatalf(string, ...any) }, c *Cache) []int {
	ids := []int{}
	for l := range layers {
		for h := range heads {
			i := 0
			for s := range c.Spans() {
				sp := c.Span(s, l, h)
				for r := sp.Lo; r < sp.Hi; r, i = r+1, i+1 {
					id := int(sp.K[r]) / 100
					if l == 0 && h == 0 {
						ids = append(ids, id)
					}
					k, v := row(id, l)
					for e := range dim {
						if ids[i] != id || sp.K[e*PageRows+r] != k[h*dim+e] || sp.V[r*dim+e] != v[h*dim+e] {
							t.Fatalf("layer %d head %d row %d: element %d is not that of id %d", l, h, i, e, ids[i])
						}
					}
				}
			}
			if i != c.Len() {
				t.Fatalf("spans hold %d rows, Len is %d", i, c.Len())
			}
		}
	}
	return ids
}

// Any series of appends, truncations, evictions and forks leaves every sequence as a plain list would be.
func TestSequencesBehaveAsIndependentLists(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const bound = 400
		c, err := New(Config{Layers: layers, KVHeads: heads, HeadDim: dim, MaxRows: bound})
		if err != nil {
			t.Fatal(err)
		}
		seqs, want, next := []*Cache{c}, [][]int{{}}, 0
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			i := rapid.IntRange(0, len(seqs)-1).Draw(t, "sequence")
			c, w := seqs[i], &want[i]
			switch rapid.SampledFrom([]string{"append", "append", "truncate", "evict", "fork", "close"}).Draw(t, "op") {
			case "append":
				n := rapid.IntRange(0, 150).Draw(t, "n")
				if c.Len()+n > bound {
					if err := c.Grow(n); !errors.Is(err, ErrFull) {
						t.Fatalf("Grow past the bound: %v", err)
					}
					break
				}
				var ids []int
				for range n {
					ids = append(ids, next%600)
					next++
				}
				appendRows(t, c, ids...)
				*w = append(*w, ids...)
			case "truncate":
				n := rapid.IntRange(0, len(*w)).Draw(t, "n")
				if err := c.Truncate(n); err != nil {
					t.Fatal(err)
				}
				*w = (*w)[:n]
			case "evict":
				from := rapid.IntRange(0, len(*w)).Draw(t, "from")
				to := rapid.IntRange(from, len(*w)).Draw(t, "to")
				if err := c.Evict(from, to); err != nil {
					t.Fatal(err)
				}
				*w = slices.Delete(slices.Clone(*w), from, to)
			case "fork":
				seqs, want = append(seqs, c.Fork()), append(want, slices.Clone(*w))
			case "close":
				if len(seqs) > 1 {
					c.Close()
					seqs, want = slices.Delete(seqs, i, i+1), slices.Delete(want, i, i+1)
				}
			}
			for k := range seqs {
				if got := read(t, seqs[k]); !slices.Equal(got, want[k]) {
					t.Fatalf("sequence %d holds %v, want %v", k, got, want[k])
				}
			}
		}
	})
}

func TestForkSharesPagesUntilItAppends(t *testing.T) {
	c, _ := New(Config{Layers: layers, KVHeads: heads, HeadDim: dim, MaxRows: 1000})
	ids := make([]int, 3*PageRows+5)
	appendRows(t, c, ids...)
	f := c.Fork()
	if all, shared := f.Pages(); all != 4 || shared != 4 {
		t.Errorf("fresh fork: %d pages, %d shared, want 4, 4", all, shared)
	}
	appendRows(t, f, 7)
	if all, shared := f.Pages(); all != 4 || shared != 3 {
		t.Errorf("after an append: %d pages, %d shared, want 4, 3", all, shared)
	}
	f.Close()
	if _, shared := c.Pages(); shared != 0 {
		t.Errorf("after the fork closed: %d pages still shared", shared)
	}
}

func TestEvictCopiesNothing(t *testing.T) {
	c, _ := New(Config{Layers: layers, KVHeads: heads, HeadDim: dim, MaxRows: 1000})
	appendRows(t, c, make([]int, 4*PageRows)...)
	if err := c.Evict(10, 3*PageRows); err != nil {
		t.Fatal(err)
	}
	if all, _ := c.Pages(); all != 2 || c.Len() != PageRows+10 {
		t.Errorf("%d pages and %d rows left, want 2 and %d", all, c.Len(), PageRows+10)
	}
}

func TestBadCallsAreErrors(t *testing.T) {
	if _, err := New(Config{Layers: 1, KVHeads: 1, HeadDim: 0, MaxRows: 1}); err == nil {
		t.Error("New took a head dimension of 0")
	}
	c, _ := New(Config{Layers: 1, KVHeads: 1, HeadDim: 1, MaxRows: 4})
	for name, err := range map[string]error{
		"grow negative": c.Grow(-1), "truncate beyond": c.Truncate(1), "truncate negative": c.Truncate(-1),
		"evict beyond": c.Evict(0, 1), "evict backwards": c.Evict(1, 0), "evict negative": c.Evict(-1, 0),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestEditedKeysAreTheSequencesOwn(t *testing.T) {
	c, err := New(Config{Layers: layers, KVHeads: heads, HeadDim: dim, MaxRows: 1000})
	if err != nil {
		t.Fatal(err)
	}
	var ids []int
	for id := range 2*PageRows + 10 {
		ids = append(ids, id)
	}
	appendRows(t, c, ids...)
	if err := c.Evict(3, 70); err != nil { // a page in two pieces, and one that begins late
		t.Fatal(err)
	}
	f := c.Fork()
	const from, to = 1, 68
	// Every key becomes that of the id after it.
	if err := f.EditKeys(from, to, func(_, _ int, k []uint16, lo, hi int) {
		for e := range dim {
			for r := lo; r < hi; r++ {
				k[e*PageRows+r] += 100
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	want := read(t, c)
	i := 0
	for s := range f.Spans() {
		sp := f.Span(s, 1, 2)
		for r := sp.Lo; r < sp.Hi; r, i = r+1, i+1 {
			id := want[i]
			if i >= from && i < to {
				id++
			}
			k, _ := row(id, 1)
			_, v := row(want[i], 1)
			if sp.K[PageRows+r] != k[2*dim+1] || sp.V[r*dim+1] != v[2*dim+1] {
				t.Fatalf("row %d: key %d, want that of id %d", i, sp.K[PageRows+r], id)
			}
		}
	}
	if len(want) != 3+2*PageRows+10-70 || i != len(want) {
		t.Errorf("%d rows of %d", i, len(want))
	}
	if err := f.EditKeys(3, f.Len()+1, nil); err == nil {
		t.Error("rows beyond the end were edited")
	}
}
