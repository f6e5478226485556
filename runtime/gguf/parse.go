package gguf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/edgevlm/edgevlm/quant"
)

const (
	magic            = "GGUF"
	defaultAlignment = 32
	maxAlignment     = 1 << 20
	maxName          = 1<<16 - 1 // bytes of a key or a tensor's name, from the specification
	maxDims          = 4         // GGML_MAX_DIMS

	minKV     = 8 + 1 + 4 + 1 // the shortest key, its kind, one byte
	minTensor = 8 + 1 + 4 + 8 + 4 + 8
)

var errTruncated = errors.New("the file ends too early: it is truncated or damaged, fetch it again")

// Parse reads a GGUF in memory. The tensors' Data are parts of data.
func Parse(data []byte) (*File, error) {
	f, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("gguf: %w", err)
	}
	return f, nil
}

// cursor reads fields off the head; at the end of the data it fails.
type cursor struct {
	data []byte
	at   int
}

func (c *cursor) take(n uint64) ([]byte, error) {
	if n > uint64(len(c.data)-c.at) {
		return nil, errTruncated
	}
	b := c.data[c.at : c.at+int(n) : c.at+int(n)]
	c.at += int(n)
	return b, nil
}

func (c *cursor) uint32() (uint32, error) {
	b, err := c.take(4)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(b), nil
}

func (c *cursor) uint64() (uint64, error) {
	b, err := c.take(8)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(b), nil
}

// name reads the string that is a key or a tensor's name.
func (c *cursor) name() (string, error) {
	n, err := c.uint64()
	if err != nil {
		return "", err
	}
	if n == 0 || n > maxName {
		return "", fmt.Errorf("a name of %d bytes (1 to %d are allowed): the file is damaged", n, maxName)
	}
	b, err := c.take(n)
	return string(b), err
}

func parse(data []byte) (*File, error) {
	c := &cursor{data: data}
	if !bytes.HasPrefix(data, []byte(magic)) {
		return nil, notGGUF(data)
	}
	c.at = len(magic)
	version, err := c.uint32()
	if err != nil {
		return nil, err
	}
	switch {
	case version == 2 || version == 3:
	case version == 1:
		return nil, errors.New("version 1 of the format: convert the model again with a llama.cpp of 2024 or later")
	case version&0xffff == 0 && version != 0:
		return nil, errors.New("the file is big-endian: convert it with gguf-convert-endian FILE little")
	default:
		return nil, fmt.Errorf("version %d of the format, but only 2 and 3 are known: is edgevlm up to date?", version)
	}
	tensors, err := c.uint64()
	if err != nil {
		return nil, err
	}
	kvs, err := c.uint64()
	if err != nil {
		return nil, err
	}
	left := uint64(len(data) - c.at)
	if kvs > left/minKV || tensors > left/minTensor {
		return nil, fmt.Errorf("it claims %d metadata keys and %d tensors in %d bytes: it is truncated or damaged", kvs, tensors, len(data))
	}
	f := &File{version: version, values: map[string]value{}, byName: map[string]int{}}
	for range kvs {
		if err := f.parseKV(c); err != nil {
			return nil, err
		}
	}
	if n, ok := f.Uint("split.count"); ok && n > 1 {
		return nil, fmt.Errorf("one of %d parts of a model: join them with llama-gguf-split --merge", n)
	}
	if err := f.parseTensors(c, tensors); err != nil {
		return nil, err
	}
	return f, nil
}

// notGGUF says what data is instead, where that can be seen.
func notGGUF(data []byte) error {
	const do = "give a .gguf model file, from huggingface.co or made by llama.cpp's convert_hf_to_gguf.py"
	head := data[:min(len(data), 512)]
	switch lower := strings.ToLower(string(head)); {
	case len(data) == 0:
		return errors.New("the file is empty: " + do)
	case strings.HasPrefix(lower, "version https://git-lfs"):
		return errors.New("not a GGUF file but a git-lfs pointer to one: run git lfs pull, or download the file itself")
	case strings.HasPrefix(lower, "<!doctype html"), strings.HasPrefix(lower, "<html"):
		return errors.New("not a GGUF file but a web page: download the file itself")
	case len(head) > 9 && head[8] == '{' && binary.LittleEndian.Uint64(head) < 1<<32:
		return errors.New("not a GGUF file but safetensors: convert it with llama.cpp's convert_hf_to_gguf.py")
	}
	return fmt.Errorf("not a GGUF file (it begins with %q): %s", data[:min(len(data), 4)], do)
}

func (f *File) parseKV(c *cursor) error {
	key, err := c.name()
	if err != nil {
		return fmt.Errorf("metadata key %d: %w", len(f.keys), err)
	}
	if _, dup := f.values[key]; dup {
		return fmt.Errorf("metadata key %s appears twice: the file is damaged", quote(key))
	}
	v, err := parseValue(c)
	if err != nil {
		return fmt.Errorf("metadata key %s: %w", quote(key), err)
	}
	f.keys = append(f.keys, key)
	f.values[key] = v
	return nil
}

func parseValue(c *cursor) (value, error) {
	k, err := c.uint32()
	if err != nil {
		return value{}, err
	}
	v := value{kind: kind(k)}
	count := uint64(1)
	if v.kind == kindArray {
		v.array = true
		if k, err = c.uint32(); err != nil {
			return value{}, err
		}
		if v.kind = kind(k); v.kind == kindArray {
			return value{}, errors.New("an array of arrays, which isn't supported")
		}
		if count, err = c.uint64(); err != nil {
			return value{}, err
		}
	}
	start := c.at
	switch size := uint64(v.kind.size()); {
	case v.kind == kindString:
		if count > uint64(len(c.data)-c.at)/8 {
			return value{}, fmt.Errorf("%d strings: %w", count, errTruncated)
		}
		for range count {
			n, err := c.uint64()
			if err == nil {
				_, err = c.take(n)
			}
			if err != nil {
				return value{}, err
			}
		}
	case size == 0:
		return value{}, fmt.Errorf("unknown value type %d: is edgevlm up to date?", k)
	default:
		if count > uint64(len(c.data)-c.at)/size {
			return value{}, fmt.Errorf("%d elements: %w", count, errTruncated)
		}
		c.at += int(count * size)
	}
	v.n = int(count)
	v.raw = c.data[start:c.at:c.at]
	return v, nil
}

// extent is where a tensor's data lie, from the beginning of the data section.
type extent struct{ from, to uint64 }

func (f *File) parseTensors(c *cursor, count uint64) error {
	alignment := uint64(defaultAlignment)
	if _, there := f.values["general.alignment"]; there {
		n, ok := f.Uint("general.alignment")
		if !ok || n == 0 || n&(n-1) != 0 || n > maxAlignment {
			v, _ := f.Value("general.alignment")
			return fmt.Errorf("general.alignment is %s, no power of two up to %d: the file is damaged", quote(fmt.Sprint(v)), maxAlignment)
		}
		alignment = n
	}
	var extents []extent
	for range count {
		t, e, err := parseTensor(c, alignment)
		if err != nil {
			if t.Name == "" {
				return fmt.Errorf("tensor %d: %w", len(f.tensors), err)
			}
			return fmt.Errorf("tensor %s: %w", quote(t.Name), err)
		}
		if _, dup := f.byName[t.Name]; dup {
			return fmt.Errorf("tensor %s appears twice: the file is damaged", quote(t.Name))
		}
		f.byName[t.Name] = len(f.tensors)
		f.tensors = append(f.tensors, t)
		extents = append(extents, e)
	}
	start := (uint64(c.at) + alignment - 1) / alignment * alignment
	for i := range f.tensors {
		t, e := &f.tensors[i], extents[i]
		if start > uint64(len(c.data)) || e.to > uint64(len(c.data))-start {
			return fmt.Errorf("tensor %s ends at byte %d of the data, which has %d: the file is truncated or damaged, fetch it again",
				quote(t.Name), e.to, max(0, int64(len(c.data))-int64(start)))
		}
		t.Data = c.data[start+e.from : start+e.to : start+e.to]
	}
	return f.checkOverlap(extents)
}

// parseTensor returns the tensor without its data. On an error the tensor has its name if that was read.
func parseTensor(c *cursor, alignment uint64) (t Tensor, e extent, err error) {
	if t.Name, err = c.name(); err != nil {
		t.Name = ""
		return t, e, err
	}
	dims, err := c.uint32()
	if err != nil {
		return t, e, err
	}
	if dims == 0 || dims > maxDims {
		return t, e, fmt.Errorf("%d dimensions (1 to %d are allowed): the file is damaged", dims, maxDims)
	}
	t.Shape = make([]int, dims)
	elements := uint64(1)
	for i := range t.Shape {
		n, err := c.uint64()
		if err != nil {
			return t, e, err
		}
		if n == 0 || n > math.MaxInt64/elements {
			return t, e, fmt.Errorf("dimension %d is %d: the file is damaged", i, n)
		}
		elements *= n
		t.Shape[i] = int(n)
	}
	typ, err := c.uint32()
	if err != nil {
		return t, e, err
	}
	t.Type = quant.Type(typ)
	if !t.Type.Known() {
		return t, e, fmt.Errorf("%s isn't supported: use a file in one of %v", typeName(typ), quant.Types())
	}
	if e.from, err = c.uint64(); err != nil {
		return t, e, err
	}
	if e.from%alignment != 0 {
		return t, e, fmt.Errorf("offset %d is no multiple of the alignment %d: the file is damaged", e.from, alignment)
	}
	block := uint64(t.Type.BlockLen())
	if uint64(t.Shape[0])%block != 0 {
		return t, e, fmt.Errorf("rows of %d aren't whole blocks of %d, as %v needs: the file is damaged", t.Shape[0], block, t.Type)
	}
	blocks, size := elements/block, uint64(t.Type.BlockBytes())
	if blocks > math.MaxInt64/size || e.from > math.MaxInt64-blocks*size {
		return t, e, fmt.Errorf("%d elements from offset %d: the file is damaged", elements, e.from)
	}
	e.to = e.from + blocks*size
	return t, e, nil
}

// checkOverlap makes sure that no two tensors share bytes.
func (f *File) checkOverlap(extents []extent) error {
	order := make([]int, len(extents))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		if extents[a].from < extents[b].from {
			return -1
		}
		if extents[a].from > extents[b].from {
			return 1
		}
		return a - b
	})
	for i := 1; i < len(order); i++ {
		a, b := order[i-1], order[i]
		if extents[b].from < extents[a].to {
			return fmt.Errorf("tensors %s and %s overlap: the file is damaged", quote(f.tensors[a].Name), quote(f.tensors[b].Name))
		}
	}
	return nil
}

// quote makes a name from a file fit for an error line.
func quote(s string) string {
	if len(s) > 80 {
		return strconv.Quote(s[:80] + "...")
	}
	return strconv.Quote(s)
}

// typeName names the ggml types that exist but that quant can't decode.
func typeName(t uint32) string {
	names := map[uint32]string{
		9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL",
		21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M",
		34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4", 40: "NVFP4",
	}
	if n, ok := names[t]; ok {
		return "type " + n
	}
	return fmt.Sprintf("unknown type %d", t)
}
