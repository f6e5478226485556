package main

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/edgevlm/edgevlm/runtime/compute"
	"github.com/edgevlm/edgevlm/runtime/gguf"
	"github.com/edgevlm/edgevlm/runtime/quantize"
)

type quantizeCmd struct {
	Type   string `required:"" placeholder:"TYPE" help:"q4_0, q4_k_m or q8_0."`
	Force  bool   `help:"Replace OUT if it is there."`
	NoLoss bool   `name:"no-loss" help:"Don't measure what the quantizing costs."`
	Steps  int    `default:"24" placeholder:"N" help:"Tokens after each prompt over which the loss of a text model is measured."`
	In     string `arg:"" help:"A GGUF of F32, F16 or BF16 weights, text or mmproj."`
	Out    string `arg:"" help:"Where the quantized GGUF goes."`
}

func (c *quantizeCmd) Run(e *env) error {
	if c.Steps < 1 {
		return usagef("--steps %d: give at least 1", c.Steps)
	}
	target := quantize.Target(strings.ToLower(c.Type))
	if !slices.Contains(quantize.Targets(), target) {
		return usagef("--type %s: give q4_0, q4_k_m or q8_0", c.Type)
	}
	pool := compute.NewPool(cmp.Or(e.Threads, runtime.GOMAXPROCS(0)))
	defer pool.Close()
	p := newProgress(e.stderr)
	report, err := quantize.File(e.ctx, c.In, c.Out, quantize.Options{
		Target: target, Force: c.Force, Runner: pool,
		Progress: func(done, total int64) { p.update("quantize", done, total) },
	})
	p.clear()
	if err != nil {
		return err
	}
	var types []string
	for t, n := range report.Types {
		types = append(types, fmt.Sprintf("%d %v", n, t))
	}
	slices.SortFunc(types, cmp.Compare[string])
	fmt.Fprintf(e.stdout, "%s: %s from %s (%s)\n", c.Out, bytesText(report.OutBytes), bytesText(report.InBytes), strings.Join(types, ", "))
	if c.NoLoss {
		return nil
	}
	return c.loss(e, pool, p)
}

// loss prints what the quantized file gives away against the original.
func (c *quantizeCmd) loss(e *env, pool *compute.Pool, p *progress) error {
	defer p.clear()
	f, err := gguf.Open(c.In)
	if err != nil {
		return err
	}
	arch := f.Arch()
	f.Close()
	if arch == "clip" {
		p.update("loss", 0, 0)
		cosine, err := quantize.Vision(e.ctx, c.In, c.Out, pool)
		if err != nil {
			return err
		}
		fmt.Fprintf(e.stdout, "loss: embeddings of a test picture, least cosine with the original's %.5f\n", cosine)
		return nil
	}
	l, err := quantize.Text(e.ctx, c.In, c.Out, c.Steps, pool, func(done, total int64) { p.update("loss", done, total) })
	if err != nil {
		return err
	}
	p.clear()
	fmt.Fprintf(e.stdout, "loss: greedy agreement %.1f %%, KL divergence %.4f nats a token, over %d tokens of the original's own text\n",
		100*l.Agreement, l.KL, l.Positions)
	return nil
}
