//go:build unix

package qwen2vl

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/edgevlm/edgevlm/quant"
	"github.com/edgevlm/edgevlm/runtime/compute"
	"github.com/edgevlm/edgevlm/runtime/gguf"
)

// benchModels are the demo's shape in three types, and with EDGEVLM_BENCH_MODELS=DIR the *text*.gguf or *mmproj*.gguf of
// a folder.
func benchModels(b *testing.B, kind string, f func(b *testing.B, f *gguf.File)) {
	for _, typ := range []quant.Type{quant.F32, quant.F16, quant.Q8_0, quant.Q4_0} {
		b.Run("demo-"+typ.String(), func(b *testing.B) {
			if kind == "text" {
				f(b, demoText(b, typ))
			} else {
				f(b, demoVision(b, typ))
			}
		})
	}
	dir := os.Getenv("EDGEVLM_BENCH_MODELS")
	if dir == "" {
		return
	}
	paths, _ := filepath.Glob(filepath.Join(dir, "*"+kind+"*.gguf"))
	for _, p := range paths {
		b.Run(filepath.Base(p), func(b *testing.B) {
			m, err := gguf.Open(p)
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { m.Close() })
			f(b, m)
		})
	}
}

// cpuTime is what this process has used: over the time that passed, how many cores were at work.
func cpuTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkDecode(b *testing.B) {
	benchModels(b, "text", func(b *testing.B, f *gguf.File) {
		m := loadText(b, f, testPool(b, runtime.NumCPU()))
		s := newSession(b, m, 0)
		feed(b, s, story(300, 1))
		logits := make([]float32, m.c.VocabSize)
		token := []int32{7}
		pos := line(300, 1)
		b.ReportAllocs()
		for b.Loop() {
			if err := s.Append(context.Background(), token, nil, pos, logits); err != nil {
				b.Fatal(err)
			}
			_ = s.Truncate(300)
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
	})
}

// BenchmarkPrefill256 also shows what a second thread is worth: tokens/s, and how many cores were at work.
func BenchmarkPrefill256(b *testing.B) {
	benchModels(b, "text", func(b *testing.B, f *gguf.File) {
		for _, threads := range []int{1, 2} {
			b.Run(fmt.Sprintf("threads=%d", threads), func(b *testing.B) { benchPrefill(b, f, threads) })
		}
	})
}

func benchPrefill(b *testing.B, f *gguf.File, threads int) {
	m := loadText(b, f, testPool(b, threads))
	s := newSession(b, m, 0)
	ids, pos := story(256, 1), line(0, 256)
	logits := make([]float32, m.c.VocabSize)
	before := cpuTime()
	for b.Loop() {
		if err := s.Append(context.Background(), ids, nil, pos, logits); err != nil {
			b.Fatal(err)
		}
		_ = s.Truncate(0)
	}
	b.ReportMetric(256*float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
	b.ReportMetric(float64(cpuTime()-before)/float64(b.Elapsed()), "cores")
}

// BenchmarkVision keeps a file's matrices as the file has them, BenchmarkVisionInt8 in eight bits, with one thread and with two.
func BenchmarkVision(b *testing.B) { benchVision(b, runtime.NumCPU(), nil) }

func BenchmarkVisionInt8(b *testing.B) {
	for _, isa := range quant.ISAs()[1:] {
		for _, threads := range []int{1, 2} {
			b.Run(fmt.Sprintf("%s/threads=%d", isa, threads), func(b *testing.B) {
				was := quant.ISA()
				defer func() { _ = quant.SetISA(was) }()
				if err := quant.SetISA(isa); err != nil {
					b.Fatal(err)
				}
				benchVision(b, threads, VisionInt8)
			})
		}
	}
}

func benchVision(b *testing.B, threads int, as func(gguf.Tensor) quant.Type) {
	benchModels(b, "mmproj", func(b *testing.B, f *gguf.File) {
		pool := testPool(b, threads)
		var made Weights
		if as != nil {
			made = func(name string) *quant.Matrix {
				t, ok := f.Tensor(name)
				if !ok || len(t.Shape) != 2 {
					return nil
				}
				m, err := quant.NewMatrixAs(as(t), t.Type, t.Data, t.Shape[1], t.Shape[0], pool)
				if err != nil {
					b.Fatal(err)
				}
				return m
			}
		}
		v, err := LoadVision(f, pool, made)
		if err != nil {
			b.Fatal(err)
		}
		grid := GridTHW{4, 8, 8} // eight frames of 112x112
		if v.c.Embed > 1000 {
			grid = GridTHW{1, 32, 32} // two frames of 448x448
		}
		n := grid[0] * grid[1] * grid[2]
		x, dst := pixels(n, 1), make([]float32, n/4*v.c.OutDim)
		before := cpuTime()
		for b.Loop() {
			if err := v.Encode(context.Background(), x, grid, dst); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "patches/s")
		b.ReportMetric(float64(cpuTime()-before)/float64(b.Elapsed()), "cores")
	})
}

// BenchmarkAttention is of one head of a 448x448 pair, 256 queries, one thread, on floats and on bytes; keys and values are rounded every
// time, as for a fourth of a pair.
func BenchmarkAttention(b *testing.B) {
	const m, n, hd = 256, 1024, 80
	ld := stride(n)
	q, kt, v, out := pixels(m*hd, 1)[:m*hd], pixels(ld*hd, 2)[:ld*hd], pixels(n*hd, 3)[:n*hd], make([]float32, m*hd)
	was := quant.ISA()
	defer func() { _ = quant.SetISA(was) }()
	for _, isa := range quant.ISAs()[1:] {
		if err := quant.SetISA(isa); err != nil {
			b.Fatal(err)
		}
		heads, err := fitHeads(nil, newByteHead, 1, n, hd)
		if err != nil {
			b.Fatal(err)
		}
		heads[0].set(kt, ld, v, hd)
		for name, f := range map[string]func(){
			"floats": func() { compute.Attend(out, hd, q, hd, kt, ld, v, hd, m, n, hd, 0.1) },
			"bytes":  func() { heads[0].attend(out, hd, q, hd, m, 0.1) },
			"round":  func() { heads[0].set(kt, ld, v, hd) },
		} {
			b.Run(isa+"/"+name, func(b *testing.B) {
				for b.Loop() {
					f()
				}
			})
		}
	}
}
