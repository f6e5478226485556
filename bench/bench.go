// Package bench times a model's stages on this machine, beside what the machine could do at most.
//
// The scripts in this folder run the same work through llama.cpp; see RESULTS.md.
package bench

import (
	"context"
	"fmt"

	"github.com/edgevlm/edgevlm/quant"
)

// Options say what to time.
type Options struct {
	Model, MMProj string   // GGUF files; MMProj "" leaves vision out
	Threads       int      // 0: one a core
	Sizes         [][2]int // pictures to encode, width and height in pixels
	Prefill       int      // tokens, 0: not timed
	Decode        int      // tokens after them, 0: not timed
	Describe      int      // tokens of a description of the first picture, 0: not timed
	VisionFloat   bool     // keep an F16 tower as it is instead of in 8 bits
	CacheDir      string   // for repacked weights; "": beside the model
	NoCache       bool     // repack in memory
	OnlyStages    bool     // leave out what the machine could do at most
	// Progress, if set, is told what begins.
	Progress func(stage string)
}

// Vision is the time of encoding one picture, preprocessing not included.
type Vision struct {
	Size    string  `json:"size"`
	Seconds float64 `json:"s"`
	Tokens  int     `json:"tokens"` // embeddings it makes
	Bytes   int64   `json:"bytes"`  // the tower's weights
	MACs    int64   `json:"macs"`   // multiply-adds of its matrix products, attention's included
	GOPS    float64 `json:"gops"`   // twice as many operations, a second, in thousands of millions
	PeakPct float64 `json:"peak_p"` // of the report's VisionPeakGOPS
}

// Description is the time of a whole answer about a picture: its encoding, the prompt's prefill, the tokens.
type Description struct {
	Size    string  `json:"size"`
	Prompt  int     `json:"prompt_tokens"` // the picture's included
	Tokens  int     `json:"tokens"`
	Seconds float64 `json:"s"`
}

// Report is what was measured. Bytes are the least that has to be moved: each weight once, as it is in the file, and the
// keys and values of the rows before. A share of zero was not measured.
type Report struct {
	LoadSeconds float64      `json:"load_s"`
	Vision      []Vision     `json:"vision"`
	PrefillTPS  float64      `json:"prefill_tps"` // tokens a second
	DecodeTPS   float64      `json:"decode_tps"`
	Description *Description `json:"description,omitempty"`
	RSSBytes    int64        `json:"rss_bytes"` // the process's peak
	ISA         string       `json:"isa"`
	ReadGBPS    float64      `json:"read_gbps"` // the machine's read bandwidth, thousands of millions of bytes a second

	Threads        int     `json:"threads"`
	Cached         bool    `json:"cached"` // all repacked weights were there already
	FileBytes      int64   `json:"file_bytes"`
	KVBytes        int64   `json:"kv_bytes"`    // keys and values of the rows that were run
	RSSPct         float64 `json:"rss_p"`       // of FileBytes and KVBytes
	LoadBytes      int64   `json:"load_bytes"`  // weights that were checked or repacked
	LoadReadPct    float64 `json:"load_read_p"` // of ReadGBPS
	PrefillBytes   int64   `json:"prefill_bytes"`
	PrefillGOPS    float64 `json:"prefill_gops"`
	PrefillPeakPct float64 `json:"prefill_peak_p"` // of PeakGOPS
	TokenMACs      int64   `json:"token_macs"`     // multiply-adds of a token's products with weights, the logits' too
	DecodeBytes    int64   `json:"decode_bytes"`   // for one token
	DecodeReadPct  float64 `json:"decode_read_p"`  // of ReadGBPS
	PeakType       string  `json:"peak_type"`      // of most of the decoder's weights
	PeakGOPS       float64 `json:"peak_gops"`      // matrix product of that type out of the cache, all threads
	VisionPeakType string  `json:"vision_peak_type,omitempty"`
	VisionPeakGOPS float64 `json:"vision_peak_gops,omitempty"`
}

// Run loads the model and times it. It uses random tokens and pixels: what they are doesn't change the work.
func Run(ctx context.Context, o Options) (Report, error) {
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	m, err := load(o)
	if err != nil {
		return Report{}, err
	}
	defer m.close()
	r := Report{
		LoadSeconds: m.took.Seconds(), ISA: quant.ISA(), Threads: m.pool.Threads(),
		Cached: m.cached, FileBytes: m.fileBytes, LoadBytes: m.textBytes + m.visionBytes, TokenMACs: m.macs + m.headMACs,
	}
	if err := m.timeStages(ctx, o, &r); err != nil {
		return Report{}, fmt.Errorf("bench: %w", err)
	}
	if o.OnlyStages {
		return r, nil
	}
	r.RSSBytes = peakRSS()
	r.RSSPct = percent(float64(r.RSSBytes), float64(r.FileBytes+r.KVBytes))
	o.Progress("read bandwidth")
	r.ReadGBPS = ReadBandwidth(m.pool)
	r.LoadReadPct = percent(float64(r.LoadBytes)/1e9/r.LoadSeconds, r.ReadGBPS)
	r.DecodeReadPct = percent(float64(r.DecodeBytes)*r.DecodeTPS/1e9, r.ReadGBPS)
	o.Progress("peak")
	r.PeakType = m.textType.String()
	if r.PeakGOPS, err = peakGOPS(m.textType, m.pool); err != nil {
		return Report{}, err
	}
	r.PrefillPeakPct = percent(r.PrefillGOPS, r.PeakGOPS)
	if len(r.Vision) > 0 {
		r.VisionPeakType = m.visionType.String()
		if r.VisionPeakGOPS, err = peakGOPS(m.visionType, m.pool); err != nil {
			return Report{}, err
		}
		for i := range r.Vision {
			r.Vision[i].PeakPct = percent(r.Vision[i].GOPS, r.VisionPeakGOPS)
		}
	}
	return r, nil
}

func percent(a, of float64) float64 {
	if of == 0 {
		return 0
	}
	return 100 * a / of
}
