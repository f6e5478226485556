package npu

import (
	"errors"
	"fmt"
	"slices"
)

// check refuses chunks that contradict themselves or have more rows than there is room for.
func (c Chunk) check(room int) error {
	n := c.Rows()
	switch {
	case n == 0:
		return errors.New("npu: chunk has no rows")
	case (len(c.Tokens) == 0) == (len(c.Embeds) == 0):
		return errors.New("npu: chunk needs either tokens or embeddings")
	case len(c.Tokens) != 0 && len(c.Tokens) != n, len(c.Embeds)%n != 0:
		return fmt.Errorf("npu: chunk has %d positions for %d tokens, %d embedding values", n, len(c.Tokens), len(c.Embeds))
	case n > room:
		return fmt.Errorf("%w: %d rows, room for %d", ErrFull, n, room)
	}
	return nil
}

func (c Chunk) clone() Chunk {
	return Chunk{slices.Clone(c.Tokens), slices.Clone(c.Embeds), slices.Clone(c.Pos)}
}

// head is the first n rows.
func (c Chunk) head(n int) Chunk {
	h := Chunk{Pos: c.Pos[:n]}
	if len(c.Tokens) > 0 {
		h.Tokens = c.Tokens[:n]
	} else {
		h.Embeds = c.Embeds[:n*(len(c.Embeds)/c.Rows())]
	}
	return h
}
