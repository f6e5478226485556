package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/edgevlm/edgevlm/bench"
)

type benchCmd struct {
	Model    string `required:"" placeholder:"FILE" help:"Text model, GGUF."`
	MMProj   string `name:"mmproj" placeholder:"FILE" help:"Vision tower, GGUF; without it vision isn't timed."`
	Size     string `default:"448x448,644x364" placeholder:"WxH,..." help:"Pictures to encode, in pixels."`
	Prefill  int    `default:"256" placeholder:"N" help:"Tokens of the prefill; 0 leaves it out."`
	Decode   int    `default:"64" placeholder:"N" help:"Tokens decoded after it; 0 leaves it out."`
	Describe int    `placeholder:"N" help:"Time a whole description of the first picture too, with N tokens."`
	Float    bool   `name:"vision-float" help:"Keep an F16 tower as it is instead of in 8 bits."`
	CacheDir string `name:"cache" placeholder:"DIR" help:"Folder for repacked weights; else beside the model."`
	NoCache  bool   `name:"no-cache" help:"Repack the weights in memory, without a cache file."`
	JSON     bool   `name:"json" help:"Print JSON."`

	streamFlags
}

func (c *benchCmd) Run(e *env) error {
	if c.Stream {
		return c.runStream(e)
	}
	sizes, err := parseSizes(c.Size)
	if err != nil {
		return err
	}
	if c.Prefill < 0 || c.Decode < 0 || c.Describe < 0 {
		return usagef("--prefill, --decode and --describe: give at least 0")
	}
	p := newProgress(e.stderr)
	stage, stop := countSeconds(p)
	r, err := bench.Run(e.ctx, bench.Options{
		Model: c.Model, MMProj: c.MMProj, Threads: e.Threads, Sizes: sizes, Prefill: c.Prefill, Decode: c.Decode, Describe: c.Describe,
		VisionFloat: c.Float, CacheDir: c.CacheDir, NoCache: c.NoCache, Progress: stage,
	})
	stop()
	p.clear()
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(e.stdout, r)
	}
	c.print(e, r)
	return nil
}

// countSeconds shows the stage it is told and how long that has been going on, until stop.
func countSeconds(p *progress) (stage func(string), stop func()) {
	stages, ended := make(chan string), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(progressAfter)
		defer tick.Stop()
		name, since := "start", time.Now()
		for {
			select {
			case next, more := <-stages:
				if !more {
					return
				}
				name, since = next, time.Now()
			case now := <-tick.C:
				p.update(name+", second", int64(now.Sub(since)/time.Second)+1, 0)
			}
		}
	}()
	return func(s string) { stages <- s }, func() { close(stages); <-ended }
}

// print writes a line a stage: its time, the bytes it has to move, and how near it came to what the machine can do.
func (c *benchCmd) print(e *env, r bench.Report) {
	row := func(what, speed string, bytes int64, share float64, of string) {
		fmt.Fprintf(e.stdout, "%-16s%-26s%9s  %3.0f %% of %s\n", what, speed, bytesText(bytes), share, of)
	}
	read := fmt.Sprintf("%.1f GB/s read", r.ReadGBPS)
	fmt.Fprintf(e.stdout, "%-16s%s, %d threads\n", "kernels", r.ISA, r.Threads)
	row("load", fmt.Sprintf("%.2f s", r.LoadSeconds), r.LoadBytes, r.LoadReadPct, read)
	for _, v := range r.Vision {
		row("vision "+v.Size, fmt.Sprintf("%.2f s, %d embeddings", v.Seconds, v.Tokens), v.Bytes, v.PeakPct, fmt.Sprintf("%.0f GOP/s %s", r.VisionPeakGOPS, r.VisionPeakType))
	}
	if r.PrefillTPS > 0 {
		row(fmt.Sprintf("prefill %d", c.Prefill), fmt.Sprintf("%.1f tokens/s", r.PrefillTPS), r.PrefillBytes, r.PrefillPeakPct, fmt.Sprintf("%.0f GOP/s %s", r.PeakGOPS, r.PeakType))
	}
	if r.DecodeTPS > 0 {
		row(fmt.Sprintf("decode %d", c.Decode), fmt.Sprintf("%.2f tokens/s", r.DecodeTPS), r.DecodeBytes, r.DecodeReadPct, read)
	}
	if d := r.Description; d != nil {
		fmt.Fprintf(e.stdout, "%-16s%.2f s for %s, %d prompt tokens and %d of the answer\n", "description", d.Seconds, d.Size, d.Prompt, d.Tokens)
	}
	row("peak memory", "", r.RSSBytes, r.RSSPct, fmt.Sprintf("files and keys and values, %s", bytesText(r.FileBytes+r.KVBytes)))
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
