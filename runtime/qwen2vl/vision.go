package qwen2vl

import (
	"fmt"
	"strings"
	"sync"

	"github.com/edgevlm/edgevlm/quant"
	"github.com/edgevlm/edgevlm/runtime/compute"
	"github.com/edgevlm/edgevlm/runtime/gguf"
)

// VisionConfig is the shape of a vision tower.
type VisionConfig struct {
	Name                 string // general.name, may be empty
	PatchSize            int    // pixels
	MergeSize            int    // patches per side of a merge group
	TemporalPatchSize    int    // frames
	Embed                int
	Depth                int
	Heads                int
	FFN                  int // width of the feed-forward layer
	OutDim               int // the decoder's hidden size
	NormEps              float64
	Mean, Std            [3]float32 // of pixels in [0, 1], RGB
	MinPixels, MaxPixels int        // 0: the file does not say
}

// PatchLen is the length of a patch vector: [3, TemporalPatchSize, PatchSize, PatchSize].
func (c VisionConfig) PatchLen() int { return 3 * c.TemporalPatchSize * c.PatchSize * c.PatchSize }

// Vision is the weights of a vision tower and its merger. It is safe for concurrent use.
type Vision struct {
	c       VisionConfig
	exact   bool        // GELU(erf) in the blocks instead of quick_gelu
	newHead func() head // of attention, see attention
	pool    *compute.Pool
	patch   linear // [Embed, PatchLen]
	layers  []visionLayer
	postLN  norm
	mm0     linear // [m*m*Embed, m*m*Embed]
	mm2     linear // [OutDim, m*m*Embed]
	freqs   []float32
	mu      sync.Mutex
	scratch []*visionScratch // not in use
}

type visionLayer struct {
	ln1, ln2       norm
	q, k, v, o     linear
	ffnUp, ffnDown linear
}

// LoadVision reads the vision tower and merger of an mmproj file (architecture clip, projector qwen2vl_merger). The
// matrices may refer to the file's memory: close the file after the last use. A nil pool means one thread, nil weights
// that the matrices are made here.
func LoadVision(f *gguf.File, pool *compute.Pool, weights Weights) (*Vision, error) {
	if pool == nil {
		pool = &compute.Pool{}
	}
	l := &loader{f: f, weights: weights}
	v := &Vision{c: readVisionConfig(l), pool: pool}
	if l.err != nil {
		return nil, l.err
	}
	v.exact, _ = f.Bool("clip.use_gelu")
	c := &v.c
	v.patch = patchEmbed(l, c)
	for i := range c.Depth {
		v.layers = append(v.layers, readVisionLayer(l, c, fmt.Sprintf("v.blk.%d.", i)))
		if l.err != nil {
			return nil, l.err
		}
	}
	group := c.MergeSize * c.MergeSize * c.Embed
	v.postLN = l.norm("v.post_ln", c.Embed)
	v.mm0 = l.linear("mm.0", group, group)
	v.mm2 = l.linear("mm.2", c.OutDim, group)
	v.freqs = compute.RopeFreqs(10000, c.Embed/c.Heads/2)
	if l.err != nil {
		return nil, l.err
	}
	v.newHead = v.attention()
	return v, nil
}

// keeps says whether the layers' matrices are kept in that type; attention's outputs stand for all.
func (v *Vision) keeps(typ quant.Type) bool {
	for i := range v.layers {
		if v.layers[i].o.w.Type() != typ {
			return false
		}
	}
	return true
}

// VisionInt8 is the type in which a tower's matrix may be kept for speed: quant.Int8Type for weights in F16, BF16 and Q8_0,
// whose products then run on bytes; the patch embedding, F32 files and 4-bit files stay as they are.
func VisionInt8(t gguf.Tensor) quant.Type {
	switch t.Type {
	case quant.F16, quant.BF16, quant.Q8_0:
		if len(t.Shape) == 2 && strings.HasSuffix(t.Name, ".weight") {
			return quant.Int8Type()
		}
	}
	return t.Type
}

// Config returns the shape.
func (v *Vision) Config() VisionConfig { return v.c }

func readVisionConfig(l *loader) VisionConfig {
	f := l.f
	switch arch := f.Arch(); arch {
	case "clip":
	case "qwen2vl", "qwen2", "llama":
		l.fail("this is a text model (architecture %s), not an mmproj file: give the file with the vision tower, whose architecture is clip", arch)
		return VisionConfig{}
	default:
		l.fail("architecture %q is not a vision tower: give an mmproj file, whose architecture is clip", short(arch))
		return VisionConfig{}
	}
	kind, ok := f.Str("clip.projector_type")
	if !ok {
		kind, _ = f.Str("clip.vision.projector_type")
	}
	if kind != "qwen2vl_merger" {
		l.fail("clip.projector_type is %q: only qwen2vl_merger (Qwen2-VL) is supported", short(kind))
		return VisionConfig{}
	}
	if silu, _ := f.Bool("clip.use_silu"); silu {
		l.fail("clip.use_silu is true: such a vision tower is not a Qwen2-VL's; use a Qwen2-VL mmproj file")
	}
	name, _ := f.Str("general.name")
	c := VisionConfig{
		Name:              name,
		PatchSize:         l.size("clip.vision.patch_size", -1),
		MergeSize:         l.size("clip.vision.spatial_merge_size", 2),
		TemporalPatchSize: 2,
		Embed:             l.size("clip.vision.embedding_length", -1),
		Depth:             l.size("clip.vision.block_count", -1),
		Heads:             l.size("clip.vision.attention.head_count", -1),
		NormEps:           l.float("clip.vision.attention.layer_norm_epsilon", 1e-6),
		Mean:              [3]float32{0.48145466, 0.4578275, 0.40821073},
		Std:               [3]float32{0.26862954, 0.26130258, 0.27577711},
		MinPixels:         l.size("clip.vision.image_min_pixels", 0),
		MaxPixels:         l.size("clip.vision.image_max_pixels", 0),
	}
	l.triple("clip.vision.image_mean", &c.Mean, false)
	l.triple("clip.vision.image_std", &c.Std, true)
	if l.err != nil {
		return c
	}
	if c.PatchSize > 256 || c.MergeSize > 16 {
		l.fail("patches of %d pixels in merge groups of %d are not supported: the file is damaged", c.PatchSize, c.MergeSize)
	}
	if c.Embed%(4*c.Heads) != 0 {
		l.fail("clip.vision.embedding_length %d does not divide into %d heads of a multiple of 4", c.Embed, c.Heads)
	}
	// clip.vision.feed_forward_length and projection_dim are not what their names say in every converter's files.
	c.OutDim = l.rows("mm.2.weight")
	if t, ok := l.f.Tensor("v.blk.0.ffn_up.weight"); ok && len(t.Shape) == 2 {
		if c.FFN = t.Shape[0]; c.FFN == c.Embed { // else the names are exchanged, see readVisionLayer
			c.FFN = t.Shape[1]
		}
	}
	if l.err == nil && (c.FFN == 0 || c.OutDim == 0) {
		l.fail("tensor v.blk.0.ffn_up.weight or mm.2.weight is missing: the file is incomplete or not a Qwen2-VL mmproj; download or convert it again")
	}
	return c
}

// triple reads an optional key of three numbers.
func (l *loader) triple(key string, dst *[3]float32, positive bool) {
	v, ok := l.f.Value(key)
	if !ok {
		return
	}
	x, _ := l.f.Floats(key)
	if len(x) != 3 {
		l.fail("key %s is %s, want three numbers", key, short(v))
		return
	}
	for i := range dst {
		if x[i]-x[i] != 0 || (positive && x[i] <= 0) {
			l.fail("key %s is %s, want three numbers that an image can be normalised with", key, short(v))
			return
		}
		dst[i] = float32(x[i])
	}
}

// rows returns the outermost dimension of a tensor, 0 if the file has none of that name.
func (l *loader) rows(name string) int {
	t, ok := l.f.Tensor(name)
	if !ok || len(t.Shape) == 0 {
		return 0
	}
	return t.Shape[len(t.Shape)-1]
}

// patchEmbed joins the two temporal slices of the 3-D convolution, [Embed, 3, p, p] each, to one matrix over patch
// vectors [3, 2, p, p].
func patchEmbed(l *loader, c *VisionConfig) linear {
	p, plane := c.PatchSize, c.PatchSize*c.PatchSize
	first := l.floats("v.patch_embd.weight", c.Embed, 3, p, p)
	second := l.floats("v.patch_embd.weight.1", c.Embed, 3, p, p)
	bias := l.optional("v.patch_embd.bias", c.Embed)
	if l.err != nil {
		return linear{}
	}
	joined := make([]float32, 0, 2*len(first))
	for i := 0; i < len(first); i += plane {
		joined = append(append(joined, first[i:i+plane]...), second[i:i+plane]...)
	}
	data := make([]byte, quant.F32.RowBytes(len(joined)))
	if err := quant.Quantize(quant.F32, data, joined); err != nil {
		l.fail("tensor v.patch_embd.weight: %w", err)
		return linear{}
	}
	return linear{l.newMatrix("v.patch_embd.weight", quant.F32, data, c.Embed, c.PatchLen()), bias}
}

func readVisionLayer(l *loader, c *VisionConfig, b string) visionLayer {
	y := visionLayer{ln1: l.norm(b+"ln1", c.Embed), ln2: l.norm(b+"ln2", c.Embed), o: l.linear(b+"attn_out", c.Embed, c.Embed)}
	if l.has(b + "attn_qkv.weight") {
		y.q, y.k, y.v = fusedQKV(l, c, b+"attn_qkv")
	} else {
		y.q, y.k, y.v = l.linear(b+"attn_q", c.Embed, c.Embed), l.linear(b+"attn_k", c.Embed, c.Embed), l.linear(b+"attn_v", c.Embed, c.Embed)
	}
	up, down := b+"ffn_up", b+"ffn_down"
	if t, ok := l.f.Tensor(down + ".weight"); ok && len(t.Shape) == 2 && t.Shape[0] == c.Embed && t.Shape[1] == c.FFN && c.FFN != c.Embed {
		up, down = down, up // llama.cpp's first converter exchanged the two names
	}
	y.ffnUp, y.ffnDown = l.linear(up, c.FFN, c.Embed), l.linear(down, c.Embed, c.FFN)
	return y
}

// fusedQKV splits a matrix [3*Embed, Embed] by rows.
func fusedQKV(l *loader, c *VisionConfig, name string) (q, k, v linear) {
	t, ok := l.tensor(name+".weight", 3*c.Embed, c.Embed)
	b := l.optional(name+".bias", 3*c.Embed)
	if !ok || l.err != nil {
		return
	}
	third := len(t.Data) / 3
	for i, y := range []*linear{&q, &k, &v} {
		y.w = l.newMatrix(name+".weight", t.Type, t.Data[i*third:(i+1)*third], c.Embed, c.Embed)
		if b != nil {
			y.b = b[i*c.Embed : (i+1)*c.Embed]
		}
	}
	return q, k, v
}
