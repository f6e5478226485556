// Command insn does a known amount of work and nothing else, for counting the instructions it takes on an emulated board
// (see bench/insn/run): matrix products, or with -model a model's stages. The difference of two runs, one with more to do, is
// that work alone. It prints the kernels' name and the multiply-adds of one product, one token or the picture.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"

	"github.com/edgevlm/edgevlm/bench"
	"github.com/edgevlm/edgevlm/quant"
)

type serial struct{}

func (serial) Threads() int { return 1 }

func (serial) Do(chunks int, f func(chunk int)) {
	for i := range chunks {
		f(i)
	}
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "insn:", err)
		os.Exit(1)
	}
}

func run() error {
	name := flag.String("type", "Q4_0", "weight type")
	rows := flag.Int("rows", 1536, "rows of the matrix")
	cols := flag.Int("cols", 1536, "columns of the matrix")
	n := flag.Int("n", 1, "rows of activations: 1 is a GEMV")
	reps := flag.Int("reps", 1, "products")
	model := flag.String("model", "", "text model")
	mmproj := flag.String("mmproj", "", "vision tower")
	decode := flag.Int("decode", 1, "tokens that -model decodes")
	side := flag.Int("picture", 0, "side in pixels of the picture that -mmproj encodes, 0: none")
	flag.Parse()
	if *model != "" {
		return stages(*model, *mmproj, *decode, *side)
	}
	t, err := typeOf(*name)
	if err != nil {
		return err
	}
	if *rows < 1 || *cols < 1 || *n < 1 || *reps < 0 {
		return errors.New("sizes must be positive")
	}
	rng := rand.New(rand.NewPCG(1, 2))
	w, x, out := make([]float32, *cols), make([]float32, *n**cols), make([]float32, *n**rows)
	for i := range w {
		w[i] = rng.Float32() - 0.5
	}
	for i := range x {
		x[i] = rng.Float32() - 0.5
	}
	row := make([]byte, t.RowBytes(*cols))
	if err := quant.Quantize(t, row, w); err != nil {
		return err
	}
	data := bytes.Repeat(row, *rows) // encoding takes far longer than multiplying, and the work doesn't depend on values
	m, err := quant.NewMatrix(t, data, *rows, *cols)
	if err != nil {
		return err
	}
	for range *reps {
		m.Mul(out, x, *n, serial{})
	}
	fmt.Println(quant.ISA(), *rows**cols**n)
	return nil
}

func stages(model, mmproj string, decode, side int) error {
	o := bench.Options{Model: model, MMProj: mmproj, Threads: 1, Decode: decode, OnlyStages: true}
	if side > 0 {
		o.Sizes = [][2]int{{side, side}}
	}
	r, err := bench.Run(context.Background(), o)
	if err != nil {
		return err
	}
	macs := r.TokenMACs
	if len(r.Vision) > 0 {
		macs = r.Vision[0].MACs
	}
	fmt.Println(r.ISA, macs)
	return nil
}

func typeOf(name string) (quant.Type, error) {
	for _, t := range quant.Types() {
		if t.String() == name {
			return t, nil
		}
	}
	return 0, fmt.Errorf("unknown type %s: use one of %v", name, quant.Types())
}
