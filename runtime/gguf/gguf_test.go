package gguf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
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

func first[T any](v T, _ bool) T     { return v }
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

// builder writes heads that Write would refuse.
type builder struct{ b []byte }

func head(version uint32, tensors, kvs uint64) *builder {
	h := &builder{[]byte(magic)}
	return h.u32(version).u64(tensors).u64(kvs)
}

func (h *builder) u32(v uint32) *builder { h.b = binary.LittleEndian.AppendUint32(h.b, v); return h }
func (h *builder) u64(v uint64) *builder { h.b = binary.LittleEndian.AppendUint64(h.b, v); return h }
func (h *builder) str(s string) *builder { h.u64(uint64(len(s))); h.b = append(h.b, s...); return h }
func (h *builder) zeros(n int) *builder  { h.b = append(h.b, make([]byte, n)...); return h }

// tensor adds a tensor's head: shape, type, offset.
func (h *builder) tensor(name string, typ uint32, offset uint64, shape ...uint64) *builder {
	h.str(name).u32(uint32(len(shape)))
	for _, d := range shape {
		h.u64(d)
	}
	return h.u32(typ).u64(offset)
}

// hostile are damaged and malicious files, and what the error must say.
func hostile() map[string]struct {
	data []byte
	say  string
} {
	type c = struct {
		data []byte
		say  string
	}
	const pad = 256
	return map[string]c{
		"empty":              {nil, "empty"},
		"text":               {[]byte("hello, I am a text file"), "not a GGUF file"},
		"short text":         {[]byte("GG"), "not a GGUF file"},
		"lfs pointer":        {[]byte("version https://git-lfs.github.com/spec/v1\noid sha256:0"), "git-lfs"},
		"web page":           {[]byte("<!DOCTYPE html><html>"), "web page"},
		"safetensors":        {append([]byte{100, 0, 0, 0, 0, 0, 0, 0}, `{"a":{}}   `...), "safetensors"},
		"magic only":         {[]byte("GGUF"), "ends too early"},
		"version 1":          {head(1, 0, 0).b, "version 1"},
		"version 9":          {head(9, 0, 0).b, "version 9"},
		"big-endian":         {head(3<<24, 0, 0).b, "big-endian"},
		"absurd tensors":     {head(3, 1<<62, 0).zeros(pad).b, "claims"},
		"absurd keys":        {head(3, 0, 1<<62).zeros(pad).b, "claims"},
		"huge key":           {head(3, 0, 1).u64(1 << 60).zeros(pad).b, "name of"},
		"key past the end":   {head(3, 0, 1).u64(60000).zeros(pad).b, "ends too early"},
		"empty key":          {head(3, 0, 1).str("").u32(0).zeros(pad).b, "name of 0"},
		"huge string":        {head(3, 0, 1).str("k").u32(8).u64(1 << 60).zeros(pad).b, "ends too early"},
		"huge array":         {head(3, 0, 1).str("k").u32(9).u32(6).u64(1 << 61).zeros(pad).b, "ends too early"},
		"overflowing array":  {head(3, 0, 1).str("k").u32(9).u32(12).u64(1 << 61).zeros(pad).b, "ends too early"},
		"huge string array":  {head(3, 0, 1).str("k").u32(9).u32(8).u64(1 << 61).zeros(pad).b, "ends too early"},
		"nested array":       {head(3, 0, 1).str("k").u32(9).u32(9).u64(1).zeros(pad).b, "array of arrays"},
		"unknown value":      {head(3, 0, 1).str("k").u32(13).zeros(pad).b, "value type 13"},
		"unknown element":    {head(3, 0, 1).str("k").u32(9).u32(77).u64(1).zeros(pad).b, "value type 77"},
		"duplicate key":      {head(3, 0, 2).str("k").u32(7).zeros(1).str("k").u32(7).zeros(pad).b, `"k" appears twice`},
		"alignment 0":        {head(3, 0, 1).str("general.alignment").u32(4).u32(0).zeros(pad).b, "alignment"},
		"alignment 48":       {head(3, 0, 1).str("general.alignment").u32(4).u32(48).zeros(pad).b, "alignment"},
		"alignment 2^31":     {head(3, 0, 1).str("general.alignment").u32(4).u32(1 << 31).zeros(pad).b, "alignment"},
		"alignment a string": {head(3, 0, 1).str("general.alignment").u32(8).str("x\ny").zeros(pad).b, "alignment"},
		"part of a split":    {head(3, 0, 1).str("split.count").u32(2).u32(3).zeros(pad).b, "join"},
		"no dimensions":      {head(3, 1, 0).tensor("x", 0, 0).zeros(pad).b, "0 dimensions"},
		"many dimensions":    {head(3, 1, 0).tensor("x", 0, 0, 1, 1, 1, 1, 1).zeros(pad).b, "5 dimensions"},
		"dimension 0":        {head(3, 1, 0).tensor("x", 0, 0, 4, 0).zeros(pad).b, "dimension 1 is 0"},
		"overflowing shape":  {head(3, 1, 0).tensor("x", 0, 0, 1<<32, 1<<32).zeros(pad).b, "dimension 1"},
		"overflowing bytes":  {head(3, 1, 0).tensor("x", 0, 0, 1<<62).zeros(pad).b, "damaged"},
		"unknown type":       {head(3, 1, 0).tensor("x", 99, 0, 4).zeros(pad).b, "unknown type 99"},
		"unsupported type":   {head(3, 1, 0).tensor("x", 16, 0, 256).zeros(pad).b, "IQ2_XXS"},
		"odd row":            {head(3, 1, 0).tensor("x", 2, 0, 33).zeros(pad).b, "blocks of 32"},
		"misaligned offset":  {head(3, 1, 0).tensor("x", 0, 4, 4).zeros(pad).b, "alignment 32"},
		"offset past end":    {head(3, 1, 0).tensor("x", 0, 1<<40, 4).zeros(pad).b, "ends at byte"},
		"offset overflow":    {head(3, 1, 0).tensor("x", 0, 1<<64-32, 4).zeros(pad).b, "damaged"},
		"data past end":      {head(3, 1, 0).tensor("x", 0, 0, 1000).zeros(pad).b, "ends at byte"},
		"no data at all":     {head(3, 1, 0).tensor("x", 0, 0, 1).b, "ends at byte"},
		"duplicate tensor":   {head(3, 2, 0).tensor("x", 0, 0, 1).tensor("x", 0, 32, 1).zeros(pad).b, `"x" appears twice`},
		"overlap":            {head(3, 2, 0).tensor("x", 0, 0, 16).tensor("y", 0, 32, 1).zeros(pad).b, "overlap"},
		"same data":          {head(3, 2, 0).tensor("x", 0, 0, 1).tensor("y", 0, 0, 1).zeros(pad).b, "overlap"},
		"newline in a name":  {head(3, 1, 0).tensor("x\ny", 99, 0, 4).zeros(pad).b, `"x\ny"`},
		"long name":          {head(3, 1, 0).tensor(strings.Repeat("x", 60000), 99, 0, 4).zeros(pad).b, `..."`},
		"empty tensor name":  {head(3, 1, 0).tensor("", 0, 0, 4).zeros(pad).b, "tensor 0: a name of 0"},
	}
}

func TestHostileFilesGiveOneLineErrors(t *testing.T) {
	for name, c := range hostile() {
		f, err := Parse(c.data)
		if err == nil {
			t.Errorf("%s was accepted: %v", name, f.Tensors())
			continue
		}
		if s := err.Error(); !strings.Contains(s, c.say) || strings.Contains(s, "\n") || len(s) > 400 {
			t.Errorf("%s: %q, want one line that says %q", name, s, c.say)
		}
	}
}

func TestEveryTruncationIsAnError(t *testing.T) {
	b, err := os.ReadFile(fixture)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	x := f.Tensors()[len(f.Tensors())-1]
	end := bytes.LastIndex(b, x.Data) + len(x.Data)
	for n := range end {
		if _, err := Parse(b[:n]); err == nil {
			t.Fatalf("%d of %d bytes were accepted", n, end)
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

// A big claim in a small file must not cost memory.
func TestHostileFilesCostLittleMemory(t *testing.T) {
	for name, c := range hostile() {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _ = Parse(c.data)
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > uint64(16*len(c.data)+64<<10) {
			t.Errorf("%s: %d bytes allocated for a file of %d", name, got, len(c.data))
		}
	}
}

func FuzzParse(f *testing.F) {
	b, err := os.ReadFile(fixture)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	for _, c := range hostile() {
		f.Add(c.data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse(data)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("two lines: %q", err)
			}
			return
		}
		for _, k := range file.Keys() {
			if v, ok := file.Value(k); !ok || v == nil {
				t.Errorf("no value for %q", k)
			}
			file.Uint(k)
			file.Int(k)
			file.Float(k)
			file.Bool(k)
			file.Str(k)
			file.Strings(k)
			file.Ints(k)
			file.Floats(k)
		}
		for _, x := range file.Tensors() {
			if len(x.Data) != x.Len()/x.Type.BlockLen()*x.Type.BlockBytes() {
				t.Errorf("%q: %d bytes of %v, shape %v", x.Name, len(x.Data), x.Type, x.Shape)
			}
			file.Evict(x)
		}
	})
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
