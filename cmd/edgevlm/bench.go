package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/edgevlm/edgevlm/bench"
)

type benchCmd struct {
	Model   string `required:"" placeholder:"FILE" help:"Text model, GGUF."`
	MMProj  string `name:"mmproj" placeholder:"FILE" help:"Vision tower, GGUF; without it vision isn't timed."`
	Size    string `default:"448x448,644x364" placeholder:"WxH,..." help:"Pictures to encode, in pixels."`
	Prefill int    `default:"256" placeholder:"N" help:"Tokens of the prefill."`
	Decode  int    `default:"64" placeholder:"N" help:"Tokens decoded after it."`
	Float   bool   `name:"vision-float" help:"Keep an F16 tower as it is instead of in 8 bits."`
	NoCache bool   `name:"no-cache" help:"Repack the weights in memory, without a cache file."`
	JSON    bool   `name:"json" help:"Print JSON."`
}

func (c *benchCmd) Run(e *env) error {
	sizes, err := parseSizes(c.Size)
	if err != nil {
		return err
	}
	if c.Prefill < 1 || c.Decode < 1 {
		return usagef("--prefill and --decode: give at least 1")
	}
	p := newProgress(e.stderr)
	r, err := bench.Run(e.ctx, bench.Options{
		Model: c.Model, MMProj: c.MMProj, Threads: e.Threads, Sizes: sizes, Prefill: c.Prefill, Decode: c.Decode, VisionFloat: c.Float, NoCache: c.NoCache,
		Progress: func(stage string) { p.update(stage, 0, 0) },
	})
	p.clear()
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(e.stdout, r)
	}
	row := func(what, format string, args ...any) {
		fmt.Fprintf(e.stdout, "%-16s"+format+"\n", append([]any{what}, args...)...)
	}
	row("kernels", "%s, %d threads, %.1f GB/s read, %.0f GOP/s peak", r.ISA, r.Threads, r.ReadGBPS, r.PeakGOPS)
	row("load", "%.2f s, %s of weights", r.LoadSeconds, bytesText(r.FileBytes))
	for _, v := range r.Vision {
		row("vision "+v.Size, "%.2f s, %d embeddings, %.0f GOP/s", v.Seconds, v.Tokens, v.GOPS)
	}
	row(fmt.Sprintf("prefill %d", c.Prefill), "%.1f tokens/s, %.0f GOP/s, %.0f %% of peak", r.PrefillTPS, r.PrefillGOPS, 100*r.PrefillGOPS/r.PeakGOPS)
	row(fmt.Sprintf("decode %d", c.Decode), "%.2f tokens/s, %s a token, %.0f %% of the read bandwidth", r.DecodeTPS, bytesText(r.DecodeBytes), r.DecodeReadPct)
	row("peak memory", "%s, of which keys and values %s", bytesText(r.RSSBytes), bytesText(r.KVBytes))
	return nil
}

func parseSizes(s string) (sizes [][2]int, err error) {
	for size := range strings.SplitSeq(s, ",") {
		w, h, ok := strings.Cut(size, "x")
		width, errW := strconv.Atoi(w)
		height, errH := strconv.Atoi(h)
		if !ok || errW != nil || errH != nil || width < 1 || height < 1 || width > 1<<14 || height > 1<<14 {
			return nil, usagef("--size %s: give sizes like 448x448,644x364", s)
		}
		sizes = append(sizes, [2]int{width, height})
	}
	return sizes, nil
}
