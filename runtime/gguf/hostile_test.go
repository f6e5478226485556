package gguf

import (
	"bytes"
	"encoding/binary"
	"os"
	"runtime"
	"strings"
	"testing"
)

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
