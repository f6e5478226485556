// Command insn does a known amount of matrix work and nothing else, for counting the instructions it takes on an emulated
// board (see bench/insn/run): the difference of two runs with different -reps is the work alone.
package main

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"

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
	flag.Parse()
	t, err := typeOf(*name)
	if err != nil {
		return err
	}
	if *rows < 1 || *cols < 1 || *n < 1 || *reps < 0 {
		return errors.New("sizes must be positive")
	}
	rng := rand.New(rand.NewPCG(1, 2))
	w, x, out := make([]float32, *rows**cols), make([]float32, *n**cols), make([]float32, *n**rows)
	for i := range w {
		w[i] = rng.Float32() - 0.5
	}
	for i := range x {
		x[i] = rng.Float32() - 0.5
	}
	data := make([]byte, *rows*t.RowBytes(*cols))
	if err := quant.Quantize(t, data, w); err != nil {
		return err
	}
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

func typeOf(name string) (quant.Type, error) {
	for _, t := range quant.Types() {
		if t.String() == name {
			return t, nil
		}
	}
	return 0, fmt.Errorf("unknown type %s: use one of %v", name, quant.Types())
}
