package quant

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"strings"
	"testing"
)

func floats(b []byte) []float32 {
	f := make([]float32, len(b)/4)
	for i := range f {
		f[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return f
}

// golden reads a file that testdata/make_goldens.py wrote, less its leading count.
func golden(t *testing.T, name string) (n int, rest []byte) {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return int(binary.LittleEndian.Uint32(b)), b[4:]
}

func TestDequantizeEqualsReferenceBitForBit(t *testing.T) {
	for _, ty := range Types() {
		n, b := golden(t, "dequant_"+strings.ToLower(ty.String())+".bin")
		size := ty.RowBytes(n)
		want := floats(b[size:])
		got := make([]float32, n)
		if err := Dequantize(ty, got, b[:size]); err != nil {
			t.Errorf("%v: %v", ty, err)
			continue
		}
		bad := 0
		for i := range got {
			if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
				if bad++; bad < 4 {
					t.Errorf("%v weight %d: %v, reference %v", ty, i, got[i], want[i])
				}
			}
		}
	}
}

func TestQuantizeEqualsReferenceByteForByte(t *testing.T) {
	for _, ty := range []Type{F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1} {
		n, b := golden(t, "quant_"+strings.ToLower(ty.String())+".bin")
		x, want := floats(b[:4*n]), b[4*n:]
		got := make([]byte, ty.RowBytes(n))
		if err := Quantize(ty, got, x); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			for i := range got {
				if got[i] != want[i] {
					t.Errorf("%v: byte %d (block %d) is %#x, reference %#x", ty, i, i/ty.BlockBytes(), got[i], want[i])
					break
				}
			}
		}
	}
}

func TestHalfRoundTripsEveryValue(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		f := F16ToF32(h)
		if g := F32ToF16(f); g != h && !(f != f && g&0x7c00 == 0x7c00 && g&0x3ff != 0) {
			t.Fatalf("%#04x -> %v -> %#04x", h, f, g)
		}
		f = BF16ToF32(h)
		if g := F32ToBF16(f); g != h && f == f {
			t.Fatalf("bf16 %#04x -> %v -> %#04x", h, f, g)
		}
	}
}

func TestHalfRoundsToNearestEven(t *testing.T) {
	for i := range 0x7c00 - 1 {
		a, b := F16ToF32(uint16(i)), F16ToF32(uint16(i+1))
		mid := (a + b) / 2 // exact: float32 has the bits
		even := uint16(i + i&1)
		if got := F32ToF16(mid); got != even {
			t.Fatalf("halfway above %#04x went to %#04x", i, got)
		}
		if got := F32ToF16(math.Nextafter32(mid, 0)); got != uint16(i) {
			t.Fatalf("just under halfway above %#04x went to %#04x", i, got)
		}
		if got := F32ToF16(math.Nextafter32(mid, 1e9)); got != uint16(i+1) {
			t.Fatalf("just over halfway above %#04x went to %#04x", i, got)
		}
	}
	if got := F32ToF16(65520); got != 0x7c00 {
		t.Errorf("65520 rounds to infinity, got %#04x", got)
	}
	if got := F32ToF16(65519); got != 0x7bff {
		t.Errorf("65519 rounds to 65504, got %#04x", got)
	}
}

func TestWrongSizesAndValuesAreErrors(t *testing.T) {
	for name, err := range map[string]error{
		"short source":    Dequantize(Q4_0, make([]float32, 32), make([]byte, 17)),
		"part of a block": Dequantize(Q4_K, make([]float32, 32), make([]byte, 18)),
		"unknown type":    Dequantize(Type(99), make([]float32, 32), make([]byte, 18)),
		"no encoder":      Quantize(Q5_K, make([]byte, 176), make([]float32, 256)),
		"NaN":             Quantize(Q8_0, make([]byte, 34), append(make([]float32, 31), float32(math.NaN()))),
		"infinity":        Quantize(Q4_0, make([]byte, 18), append(make([]float32, 31), float32(math.Inf(-1)))),
	} {
		if err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := Q4_0.RowBytes(33); got != 0 {
		t.Errorf("RowBytes of a part of a block is %d", got)
	}
	if got := F32.RowBytes(math.MaxInt); got != 0 {
		t.Errorf("RowBytes overflowed to %d", got)
	}
}
