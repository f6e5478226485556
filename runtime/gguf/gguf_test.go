package gguf

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/edgevlm/edgevlm/quant"
)

// fixture is what testdata/make_fixture.py wrote with the Python package.
const fixture = "testdata/fixture.gguf"

func openFixture(t testing.TB) *File {
	t.Helper()
	f, err := Open(fixture)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func TestReadsWhatThePythonPackageWrites(t *testing.T) {
	f := openFixture(t)
	for key, want := range map[string]any{
		"general.architecture": "qwen2vl",
		"t.uint8":              uint8(200),
		"t.int8":               int8(-100),
		"t.uint16":             uint16(60000),
		"t.int16":              int16(-30000),
		"t.uint32":             uint32(4000000000),
		"t.int32":              int32(-2000000000),
		"t.uint64":             uint64(1<<63 + 5),
		"t.int64":              int64(-1 << 62),
		"t.float32":            float32(1.5),
		"t.float64":            0.1,
		"t.bool":               true,
		"t.string":             "a ünïcode string",
		"t.strings":            []string{"a", "", "日本"},
		"t.ints":               []int32{16, 24, 24, 0},
		"t.floats":             []float32{0.5, 0.25},
		"t.bools":              []bool{true, false},
	} {
		got, ok := f.Value(key)
		if diff := cmp.Diff(want, got); diff != "" || !ok {
			t.Errorf("%s: %v %s", key, ok, diff)
		}
	}
	if f.Arch() != "qwen2vl" || f.Version() != 3 {
		t.Errorf("architecture %q, version %d", f.Arch(), f.Version())
	}
	want := make([]float32, 96)
	for i := range want {
		want[i] = float32(i-40) / 8
	}
	for name, tolerance := range map[string]float64{"f32": 0, "f16": 0, "bf16": 0.02, "q8_0": 0.04, "q4_0": 0.6, "q4_1": 0.6} {
		x, ok := f.Tensor(name)
		if diff := cmp.Diff([]int{32, 3}, x.Shape); diff != "" || !ok {
			t.Errorf("%s: %v %s", name, ok, diff)
			continue
		}
		got := make([]float32, x.Len())
		if err := quant.Dequantize(x.Type, got, x.Data); err != nil {
			t.Error(err)
			continue
		}
		for i := range got {
			if math.Abs(float64(got[i]-want[i])) > tolerance {
				t.Errorf("%s[%d] = %v, written as %v", name, i, got[i], want[i])
				break
			}
		}
	}
}

func TestTypedGetters(t *testing.T) {
	f := openFixture(t)
	for _, c := range []struct {
		name string
		got  any
		ok   bool
		want any
	}{
		{"any width as uint", first(f.Uint("t.uint8")), second(f.Uint("t.uint8")), uint64(200)},
		{"positive int as uint", first(f.Uint("t.uint64")), second(f.Uint("t.uint64")), uint64(1<<63 + 5)},
		{"negative int", first(f.Int("t.int8")), second(f.Int("t.int8")), int64(-100)},
		{"float32", first(f.Float("t.float32")), second(f.Float("t.float32")), 1.5},
		{"int as float", first(f.Float("t.int16")), second(f.Float("t.int16")), -30000.0},
		{"ints", first(f.Ints("t.ints")), second(f.Ints("t.ints")), []int64{16, 24, 24, 0}},
		{"floats", first(f.Floats("t.floats")), second(f.Floats("t.floats")), []float64{0.5, 0.25}},
		{"strings", first(f.Strings("t.strings")), second(f.Strings("t.strings")), []string{"a", "", "日本"}},
		{"bool", first(f.Bool("t.bool")), second(f.Bool("t.bool")), true},
		{"array length", first(f.Len("t.strings")), second(f.Len("t.strings")), 3},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" || !c.ok {
			t.Errorf("%s: %v %s", c.name, c.ok, diff)
		}
	}
	for name, ok := range map[string]bool{
		"a negative number as uint":  second(f.Uint("t.int8")),
		"a huge number as int":       second(f.Int("t.uint64")),
		"a string as a number":       second(f.Float("t.string")),
		"a number as a string":       second(f.Str("t.int8")),
		"an array as a scalar":       second(f.Int("t.ints")),
		"a scalar as an array":       second(f.Ints("t.int8")),
		"floats as ints":             second(f.Ints("t.floats")),
		"strings as floats":          second(f.Floats("t.strings")),
		"a number as a bool":         second(f.Bool("t.int8")),
		"an absent key":              second(f.Value("no.such.key")),
		"the length of a scalar":     second(f.Len("t.int8")),
		"ints as strings":            second(f.Strings("t.ints")),
		"an absent tensor":           second(f.Tensor("no.such.tensor")),
		"bools as ints":              second(f.Ints("t.bools")),
		"an array of strings as one": second(f.Str("t.strings")),
	} {
		if ok {
			t.Errorf("%s was accepted", name)
		}
	}
}

func first[T any](v T, _ bool) T      { return v }
func second[T any](_ T, ok bool) bool { return ok }

func TestWriteRoundTrips(t *testing.T) {
	f := openFixture(t)
	var meta []KV
	for _, k := range f.Keys() {
		v, _ := f.Value(k)
		meta = append(meta, KV{k, v})
	}
	var b bytes.Buffer
	if err := Write(&b, meta, f.Tensors()); err != nil {
		t.Fatal(err)
	}
	original, err := os.ReadFile(fixture)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(original, b.Bytes()) {
		t.Errorf("what was read and written again differs from the Python package's file: %d and %d bytes", len(original), b.Len())
	}
}

func TestVersion2ReadsLikeVersion3(t *testing.T) {
	b, err := os.ReadFile(fixture)
	if err != nil {
		t.Fatal(err)
	}
	three, err := Parse(bytes.Clone(b))
	if err != nil {
		t.Fatal(err)
	}
	b[4] = 2
	two, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(three.Tensors(), two.Tensors()); diff != "" || two.Version() != 2 {
		t.Errorf("version %d: %s", two.Version(), diff)
	}
}

func TestWriteHonoursAlignment(t *testing.T) {
	var b bytes.Buffer
	x := Tensor{Name: "x", Type: quant.F32, Shape: []int{1}, Data: []byte{0, 0, 128, 63}}
	y := Tensor{Name: "y", Type: quant.F16, Shape: []int{2, 1}, Data: []byte{1, 2, 3, 4}}
	if err := Write(&b, []KV{{"general.alignment", uint32(256)}}, []Tensor{x, y}); err != nil {
		t.Fatal(err)
	}
	f, err := Parse(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Tensor{x, y}, f.Tensors()); diff != "" {
		t.Error(diff)
	}
	if b.Len()%256 != 0 {
		t.Errorf("%d bytes", b.Len())
	}
}

func TestWriteRefusesNonsense(t *testing.T) {
	ok := Tensor{Name: "x", Type: quant.F32, Shape: []int{1}, Data: make([]byte, 4)}
	bad := func(f func(*Tensor)) []Tensor { x := ok; f(&x); return []Tensor{x} }
	for name, err := range map[string]error{
		"two of a name":   Write(&bytes.Buffer{}, nil, []Tensor{ok, ok}),
		"two of a key":    Write(&bytes.Buffer{}, []KV{{"a", true}, {"a", true}}, nil),
		"a Go int":        Write(&bytes.Buffer{}, []KV{{"a", 1}}, nil),
		"bad alignment":   Write(&bytes.Buffer{}, []KV{{"general.alignment", uint32(3)}}, nil),
		"wrong size":      Write(&bytes.Buffer{}, nil, bad(func(t *Tensor) { t.Data = make([]byte, 5) })),
		"unknown type":    Write(&bytes.Buffer{}, nil, bad(func(t *Tensor) { t.Type = 99 })),
		"no shape":        Write(&bytes.Buffer{}, nil, bad(func(t *Tensor) { t.Shape = nil })),
		"overflowed size": Write(&bytes.Buffer{}, nil, bad(func(t *Tensor) { t.Shape = []int{4, math.MaxInt / 2} })),
	} {
		if err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "notes.txt")
	empty := filepath.Join(dir, "empty.gguf")
	for path, data := range map[string]string{text: "not a model", empty: ""} {
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for path, say := range map[string]string{
		text:                              "notes.txt: not a GGUF file",
		empty:                             "empty.gguf: the file is empty",
		dir:                               "is a folder",
		filepath.Join(dir, "absent.gguf"): "no such file",
		"/dev/null":                       "regular file",
	} {
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), say) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want one line that says %q", path, err, say)
		}
	}
}

func TestEvictedTensorsReadTheSameAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "big.gguf")
	x := Tensor{Name: "x", Type: quant.F32, Shape: []int{1 << 16}, Data: make([]byte, 4<<16)}
	for i := range x.Data {
		x.Data[i] = byte(i * 7)
	}
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := Write(file, nil, []Tensor{x}); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	y, _ := f.Tensor("x")
	f.Evict(y)
	if !bytes.Equal(x.Data, y.Data) {
		t.Error("the data changed")
	}
	f.Evict(x) // another's memory: nothing happens
	if x.Data[1] != 7 {
		t.Error("memory that isn't the file's was dropped")
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, ok := f.Tensor("x"); ok {
		t.Error("a closed file still gives tensors")
	}
}

func ExampleOpen() {
	f, err := Open("testdata/fixture.gguf")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = f.Close() }()
	x, _ := f.Tensor("q4_0")
	fmt.Println(f.Arch(), x.Type, x.Shape)
	// Output: qwen2vl Q4_0 [32 3]
}
