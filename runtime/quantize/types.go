package quantize

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/edgevlm/edgevlm/quant"
	"github.com/edgevlm/edgevlm/runtime/gguf"
)

// Target is a mix of weight formats, by llama.cpp's name for it.
type Target string

// The targets.
const (
	Q4_0   Target = "q4_0"
	Q4_K_M Target = "q4_k_m"
	Q8_0   Target = "q8_0"
)

// Targets lists them.
func Targets() []Target { return []Target{Q4_0, Q4_K_M, Q8_0} }

// fileType is general.file_type's number for a target (llama_ftype in llama.h).
func (t Target) fileType() uint32 {
	switch t {
	case Q4_0:
		return 2
	case Q8_0:
		return 7
	}
	return 15
}

// chooser picks each tensor's type as llama.cpp's quantizer does for the same target (llama-quant.cpp), so that files
// of both are alike in size and quality.
type chooser struct {
	target Target
	layers int
	tied   bool // no output.weight: the embedding is the LM head too
}

func newChooser(target Target, f *gguf.File) (chooser, error) {
	c := chooser{target: target}
	switch target {
	case Q4_0, Q4_K_M, Q8_0:
	default:
		return c, fmt.Errorf("quantize: unknown type %q: use one of %v", string(target), Targets())
	}
	n, _ := f.Uint(f.Arch() + ".block_count")
	c.layers = int(min(n, 1<<16))
	_, own := f.Tensor("output.weight")
	c.tied = !own
	return c, nil
}

// typeOf is the type that tensor t gets: its own where it isn't a weight matrix.
func (c chooser) typeOf(t gguf.Tensor) quant.Type {
	switch t.Type {
	case quant.F32, quant.F16, quant.BF16:
	default:
		return t.Type
	}
	if len(t.Shape) != 2 || !strings.HasSuffix(t.Name, ".weight") || strings.Contains(t.Name, "norm") ||
		strings.Contains(t.Name, "embd") && t.Name != "token_embd.weight" {
		return t.Type
	}
	return fit(c.wanted(t.Name), t)
}

func (c chooser) wanted(name string) quant.Type {
	if c.target == Q8_0 {
		return quant.Q8_0
	}
	if name == "output.weight" || name == "token_embd.weight" && c.tied {
		return quant.Q6_K
	}
	if c.target == Q4_0 {
		return quant.Q4_0
	}
	if i, ok := layer(name, "attn_v.weight"); ok && c.moreBits(i) {
		return quant.Q6_K
	}
	if i, ok := layer(name, "ffn_down.weight"); ok && c.moreBits(i) {
		return quant.Q6_K
	}
	return quant.Q4_K
}

// moreBits holds for the first and the last eighth of the layers and for every third between.
func (c chooser) moreBits(i int) bool {
	return i < c.layers/8 || i >= 7*c.layers/8 || (i-c.layers/8)%3 == 2
}

// layer is the number of the decoder block whose tensor is called suffix.
func layer(name, suffix string) (int, bool) {
	rest, ok := strings.CutPrefix(name, "blk.")
	if !ok {
		return 0, false
	}
	number, rest, _ := strings.Cut(rest, ".")
	i, err := strconv.Atoi(number)
	return i, err == nil && rest == suffix
}

// fit replaces a type whose block doesn't divide the rows by the nearest that does.
func fit(want quant.Type, t gguf.Tensor) quant.Type {
	for _, ty := range []quant.Type{want, map[quant.Type]quant.Type{quant.Q4_K: quant.Q5_0, quant.Q6_K: quant.Q8_0}[want]} {
		if n := ty.BlockLen(); n > 1 && t.Shape[0]%n == 0 {
			return ty
		}
	}
	return t.Type
}
