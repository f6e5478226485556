package hwtest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"github.com/edgevlm/edgevlm/quant"
)

type feature struct {
	name string
	has  bool
}

func present(all []feature) []string {
	var names []string
	for _, f := range all {
		if f.has {
			names = append(names, f.name)
		}
	}
	return names
}

// checkKernels multiplies small matrices with every kernel set of this machine
// and compares with the portable one: integer kernels must equal it bit for bit,
// F16's within rounding.
func checkKernels() Check {
	c := Check{Name: "kernels", Status: OK}
	chosen := quant.ISA()
	defer func() { _ = quant.SetISA(chosen) }() // it was accepted before
	for _, isa := range quant.ISAs() {
		if isa == "generic" {
			continue
		}
		if err := compareKernels(isa); err != nil {
			c.Status = Fail
			c.Detail = fmt.Sprintf("%s: %v", isa, err)
			c.Fix = "this processor or this build computes wrongly; don't trust its descriptions, and report this line"
			return c
		}
	}
	c.Detail = strings.Join(quant.ISAs(), ", ") + ": equal results"
	if len(quant.ISAs()) == 1 {
		c.Detail = "the portable kernels only; nothing to compare"
	}
	return c
}

func compareKernels(isa string) error {
	const rows, cols = 40, 512
	rng := rand.New(rand.NewPCG(1, 2))
	floats := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(rng.NormFloat64())
		}
		return x
	}
	weights := floats(rows * cols)
	for _, typ := range []quant.Type{quant.Q4_0, quant.Q4_1, quant.Q4_K, quant.Q6_K, quant.Q8_0, quant.F16} {
		data := make([]byte, typ.RowBytes(cols)*rows)
		if err := quant.Quantize(typ, data, weights); err != nil {
			return err
		}
		for _, n := range []int{1, 9} {
			x := floats(n * cols)
			var out [2][]float32
			for i, set := range []string{"generic", isa} {
				if err := quant.SetISA(set); err != nil {
					return err
				}
				m, err := quant.NewMatrix(typ, data, rows, cols)
				if err != nil {
					return err
				}
				out[i] = make([]float32, n*rows)
				m.Mul(out[i], x, n, nil)
			}
			if err := compare(typ, out[0], out[1]); err != nil {
				return fmt.Errorf("%v, %d rows: %w", typ, n, err)
			}
		}
	}
	return nil
}

func compare(typ quant.Type, want, got []float32) error {
	for i := range want {
		if typ == quant.F16 {
			// Sums of 512 products of about 1: 1e-3 is well above rounding.
			if d := math.Abs(float64(want[i] - got[i])); !(d <= 1e-3) {
				return fmt.Errorf("result %d is %v, the portable kernel's %v", i, got[i], want[i])
			}
		} else if math.Float32bits(want[i]) != math.Float32bits(got[i]) {
			return fmt.Errorf("result %d is %v, the portable kernel's %v", i, got[i], want[i])
		}
	}
	return nil
}
