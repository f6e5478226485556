// Package nputest has fakes of what package npu describes: a model that needs no weights, a driver, and a delegate that
// fails by script.
package nputest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"

	"github.com/edgevlm/edgevlm/npu"
)

// Model is a made-up model: its logits depend on every row of the session (tokens, embeddings and positions), its
// embeddings on every patch. Two delegates of equal Models agree bit for bit.
type Model struct {
	Vocab, Hidden, PatchDim int
}

// Small is a model to test with.
var Small = Model{Vocab: 97, Hidden: 8, PatchDim: 2 * 2 * 2 * 3}

var _ npu.Model = Model{}

// Arch is "fake".
func (m Model) Arch() string { return "fake" }

// Tensor has the shapes that the self-check reads, and no bytes.
func (m Model) Tensor(name string) ([]byte, string, []int, bool) {
	switch name {
	case "token_embd.weight":
		return nil, "F32", []int{m.Hidden, m.Vocab}, true
	case "v.patch_embd.weight":
		return nil, "F32", []int{2, 2, m.PatchDim / 8, m.Hidden}, true
	}
	return nil, "", nil, false
}

// Sidecar has none.
func (m Model) Sidecar(string) (string, bool) { return "", false }

// Fingerprint tells Models apart.
func (m Model) Fingerprint() string { return fmt.Sprint(m) }

// Delegate runs a Model in memory.
type Delegate struct {
	M        Model
	Dev      npu.Device
	NoFork   bool         // its sessions can't be copied
	Sessions atomic.Int64 // open now
	Appended atomic.Int64 // rows, in all sessions
	Closed   atomic.Int64 // calls of Close
}

// New returns a delegate of a model for both stages; name is its driver's.
func New(m Model, name string) *Delegate {
	return &Delegate{M: m, Dev: npu.Device{Driver: name, Name: name + " fake", Stages: npu.StageVision | npu.StageDecoder}}
}

var _ npu.Delegate = (*Delegate)(nil)

// Device returns Dev.
func (d *Delegate) Device() npu.Device { return d.Dev }

// Supports returns Dev.Stages.
func (d *Delegate) Supports() npu.Stage { return d.Dev.Stages }

// Close counts.
func (d *Delegate) Close() error { d.Closed.Add(1); return nil }

// EncodeVision mixes four patches into each embedding.
func (d *Delegate) EncodeVision(ctx context.Context, in npu.VisionInput, dst []float32) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	n := in.GridTHW[0] * in.GridTHW[1] * in.GridTHW[2]
	if len(in.Patches) != n*d.M.PatchDim || len(dst) != n/4*d.M.Hidden {
		return fmt.Errorf("nputest: %d patch values and %d embedding values for grid %v", len(in.Patches), len(dst), in.GridTHW)
	}
	for i := range n / 4 {
		h := uint64(i)
		for _, p := range in.Patches[i*4*d.M.PatchDim:][:4*d.M.PatchDim] {
			h = mix(h, uint64(math.Float32bits(p)))
		}
		for j := range d.M.Hidden {
			dst[i*d.M.Hidden+j] = unit(mix(h, uint64(j)))
		}
	}
	return nil
}

// NewSession starts a sequence.
func (d *Delegate) NewSession(ctx context.Context, maxTokens int) (npu.Session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	d.Sessions.Add(1)
	s := &session{d: d, max: maxTokens, state: []uint64{0}}
	if d.NoFork {
		return struct{ npu.Session }{s}, nil
	}
	return s, nil
}

// session keeps a hash of the rows so far for every row.
type session struct {
	d      *Delegate
	max    int
	state  []uint64
	closed bool
}

func (s *session) Append(ctx context.Context, c npu.Chunk, logits []float32) error {
	n := c.Rows()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case s.closed:
		return errors.New("nputest: session is closed")
	case n == 0 || len(c.Tokens) != n && len(c.Embeds) != n*s.d.M.Hidden || logits != nil && len(logits) != s.d.M.Vocab:
		return fmt.Errorf("nputest: bad chunk: %d rows, %d tokens, %d embedding values, %d logits", n, len(c.Tokens), len(c.Embeds), len(logits))
	case s.Len()+n > s.max:
		return npu.ErrFull
	}
	s.d.Appended.Add(int64(n))
	for i, p := range c.Pos {
		h := s.state[len(s.state)-1]
		if len(c.Tokens) > 0 {
			h = mix(h, uint64(c.Tokens[i]))
		} else {
			for _, e := range c.Embeds[i*s.d.M.Hidden:][:s.d.M.Hidden] {
				h = mix(h, uint64(math.Float32bits(e)))
			}
		}
		for _, x := range p {
			h = mix(h, uint64(x))
		}
		s.state = append(s.state, h)
	}
	h := s.state[len(s.state)-1]
	for i := range logits {
		logits[i] = unit(mix(h, uint64(i)))
	}
	return nil
}

func (s *session) Truncate(n int) error {
	if n < 0 || n > s.Len() {
		return fmt.Errorf("nputest: truncate to %d of %d rows", n, s.Len())
	}
	s.state = s.state[:n+1]
	return nil
}

func (s *session) Len() int { return len(s.state) - 1 }

func (s *session) Fork(ctx context.Context) (npu.Session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.d.Sessions.Add(1)
	return &session{d: s.d, max: s.max, state: slices.Clone(s.state)}, nil
}

func (s *session) Close() error {
	if !s.closed {
		s.closed = true
		s.d.Sessions.Add(-1)
	}
	return nil
}

// mix is a step of splitmix64.
func mix(h, x uint64) uint64 {
	h ^= x + 0x9e3779b97f4a7c15 + h<<6 + h>>2
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// unit maps a hash to (-4, 4).
func unit(h uint64) float32 { return float32(int32(h>>40)-1<<23) / (1 << 21) }
