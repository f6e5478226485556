package quantize

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/edgevlm/edgevlm/runtime/compute"
	"github.com/edgevlm/edgevlm/runtime/gguf"
	"github.com/edgevlm/edgevlm/runtime/qwen2vl"
	"github.com/edgevlm/edgevlm/runtime/token"
)

// TextLoss is how far a quantized text model is from its original on the original's own greedy continuations.
type TextLoss struct {
	Positions int     // tokens compared
	Agreement float64 // share of them for which both models' most probable token is the same
	KL        float64 // mean Kullback-Leibler divergence of the original's distribution from the quantized one's, nats a token
}

// lossPrompts begin the continuations. What they say matters little: they have to be ordinary text.
var lossPrompts = []string{
	"The camera above the door shows a person who",
	"A good way to keep a small computer cool is",
	"Yesterday evening the dog in the yard",
	"In order to count the cars in the street, one",
}

// Text measures the text model at quantized against the one at original, over each prompt and steps tokens after it.
// notify gets the tokens done and their total, where it isn't nil.
func Text(ctx context.Context, original, quantized string, steps int, pool *compute.Pool, notify func(done, total int64)) (TextLoss, error) {
	a, encode, closeA, err := loadText(original, pool)
	if err != nil {
		return TextLoss{}, err
	}
	defer closeA()
	b, _, closeB, err := loadText(quantized, pool)
	if err != nil {
		return TextLoss{}, err
	}
	defer closeB()
	var l TextLoss
	for i, prompt := range lossPrompts {
		if err := l.add(ctx, a, b, encode(prompt), steps, func(n int) {
			if notify != nil {
				notify(int64(i*steps+n), int64(len(lossPrompts)*steps))
			}
		}); err != nil {
			return TextLoss{}, fmt.Errorf("quantize: loss: %w", err)
		}
	}
	l.Agreement /= float64(l.Positions)
	l.KL /= float64(l.Positions)
	return l, nil
}

// loadText also returns what turns a prompt into ids: the file's tokenizer or, in a file without one, the bytes themselves.
func loadText(path string, pool *compute.Pool) (*qwen2vl.Text, func(string) []int32, func(), error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, nil, nil, err
	}
	m, err := qwen2vl.LoadText(f, pool, nil)
	if err != nil {
		f.Close()
		return nil, nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	encode := func(prompt string) (ids []int32) {
		for _, b := range []byte(prompt) {
			ids = append(ids, int32(int(b)%m.Config().VocabSize))
		}
		return ids
	}
	if tok, err := token.FromGGUF(f); err == nil {
		encode = func(prompt string) []int32 { return tok.Encode(prompt, false) }
	}
	return m, encode, func() { f.Close() }, nil
}

// add compares both models after prompt and after each of steps tokens that a chooses.
func (l *TextLoss) add(ctx context.Context, a, b *qwen2vl.Text, prompt []int32, steps int, notify func(done int)) error {
	if a.Config().VocabSize != b.Config().VocabSize {
		return errors.New("the models have different vocabularies")
	}
	sa, err := a.NewSession(len(prompt) + steps)
	if err != nil {
		return err
	}
	defer sa.Close()
	sb, err := b.NewSession(len(prompt) + steps)
	if err != nil {
		return err
	}
	defer sb.Close()
	la, lb := make([]float32, a.Config().VocabSize), make([]float32, a.Config().VocabSize)
	next := prompt
	for n := range steps {
		pos, _ := qwen2vl.MRoPEPositions([]qwen2vl.Span{{Tokens: len(next)}}, int32(sa.Len()))
		if err := sa.Append(ctx, next, nil, pos, la); err != nil {
			return err
		}
		if err := sb.Append(ctx, next, nil, pos, lb); err != nil {
			return err
		}
		top := argmax(la)
		if top == argmax(lb) {
			l.Agreement++
		}
		l.KL += divergence(la, lb)
		l.Positions++
		next = []int32{int32(top)}
		notify(n + 1)
	}
	return nil
}

func argmax(x []float32) int {
	best := 0
	for i, v := range x {
		if v > x[best] {
			best = i
		}
	}
	return best
}

// divergence is sum p*(log p - log q) of the softmaxes p of a and q of b.
func divergence(a, b []float32) float64 {
	za, zb := logSumExp(a), logSumExp(b)
	var kl float64
	for i := range a {
		lp, lq := float64(a[i])-za, float64(b[i])-zb
		kl += math.Exp(lp) * (lp - lq)
	}
	return max(0, kl)
}

func logSumExp(x []float32) float64 {
	top := float64(x[argmax(x)])
	var sum float64
	for _, v := range x {
		sum += math.Exp(float64(v) - top)
	}
	return top + math.Log(sum)
}

// Vision measures the tower at quantized against the one at original: the least cosine between their embeddings of a
// merged patch, over one picture of noise and gradients.
func Vision(ctx context.Context, original, quantized string, pool *compute.Pool) (cosine float64, err error) {
	a, err := embed(ctx, original, pool)
	if err != nil {
		return 0, err
	}
	b, err := embed(ctx, quantized, pool)
	if err != nil {
		return 0, err
	}
	if len(a.data) != len(b.data) || a.width != b.width {
		return 0, errors.New("quantize: loss: the towers have different widths")
	}
	cosine = 1
	for i := 0; i < len(a.data); i += a.width {
		var ab, aa, bb float64
		for j := i; j < i+a.width; j++ {
			x, y := float64(a.data[j]), float64(b.data[j])
			ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
		}
		cosine = min(cosine, ab/math.Sqrt(aa*bb))
	}
	return cosine, nil
}

type embeddings struct {
	data  []float32
	width int
}

func embed(ctx context.Context, path string, pool *compute.Pool) (embeddings, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return embeddings{}, err
	}
	defer f.Close()
	v, err := qwen2vl.LoadVision(f, pool, nil)
	if err != nil {
		return embeddings{}, fmt.Errorf("%s: %w", path, err)
	}
	const side = 16 // patches
	c := v.Config()
	size := 3 * 2 * c.PatchSize * c.PatchSize
	patches := make([]float32, side*side*size)
	noise := uint32(1)
	for i := range patches {
		noise = noise*1664525 + 1013904223
		patches[i] = float32(noise>>8)/(1<<24) - 0.5 + float32(i/size)/(side*side)
	}
	out := embeddings{width: c.OutDim}
	out.data = make([]float32, side*side/(c.MergeSize*c.MergeSize)*c.OutDim)
	if err := v.Encode(ctx, patches, qwen2vl.GridTHW{1, side, side}, out.data); err != nil {
		return embeddings{}, err
	}
	return out, nil
}
