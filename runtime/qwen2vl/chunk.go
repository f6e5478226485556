package qwen2vl

// prefillRows is how many rows go through the layers at once. It bounds the working memory; matrix products gain little
// beyond it.
const prefillRows = 256

// part is consecutive rows of one session within a chunk.
type part struct {
	s     *Session
	in    *Input
	from  int // first row within the input
	n     int // rows
	at    int // first row within the chunk
	first int // number of the first row within the sequence
}

// logits returns where the logits of the part's last row go, nil if nobody asked.
func (p *part) logits() []float32 {
	if p.from+p.n < len(p.in.Pos) {
		return nil
	}
	return p.in.Logits
}

// chunker cuts the inputs of a batch into chunks of at most prefillRows rows.
type chunker struct {
	sessions []*Session
	in       []Input
	i, from  int // next input and row
	parts    []part
	rows     int
}

func newChunker(sessions []*Session, in []Input) *chunker {
	return &chunker{sessions: sessions, in: in}
}

// next makes parts and rows the next chunk and reports whether there was one.
func (c *chunker) next() bool {
	c.parts, c.rows = c.parts[:0], 0
	for c.i < len(c.in) && c.rows < prefillRows {
		in := &c.in[c.i]
		n := min(len(in.Pos)-c.from, prefillRows-c.rows)
		if n > 0 {
			s := c.sessions[c.i]
			c.parts = append(c.parts, part{s: s, in: in, from: c.from, n: n, at: c.rows, first: s.kv.Len()})
			c.rows += n
			c.from += n
		}
		if c.from == len(in.Pos) {
			c.i, c.from = c.i+1, 0
		}
	}
	return c.rows > 0
}
