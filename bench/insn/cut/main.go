// Command cut writes a GGUF file with only the first layers of another, and prints how many that one has. Layers do the
// same work, so that two short files tell what a long one takes (see bench/insn/run).
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/edgevlm/edgevlm/runtime/gguf"
)

func main() {
	layers := flag.Int("layers", 1, "layers to keep")
	flag.Parse()
	if err := cut(flag.Args(), *layers); err != nil {
		fmt.Fprintln(os.Stderr, "cut:", err)
		os.Exit(1)
	}
}

func cut(args []string, layers int) error {
	if len(args) != 2 || layers < 1 {
		return errors.New("usage: cut -layers N IN.gguf OUT.gguf")
	}
	f, err := gguf.Open(args[0])
	if err != nil {
		return err
	}
	defer f.Close()
	var meta []gguf.KV
	had := uint64(0)
	for _, key := range f.Keys() {
		v, _ := f.Value(key)
		if strings.HasSuffix(key, ".block_count") {
			had, _ = f.Uint(key)
			v = uint32(layers)
		}
		meta = append(meta, gguf.KV{Key: key, Value: v})
	}
	if had < uint64(layers) {
		return fmt.Errorf("%s has %d layers, not %d", args[0], had, layers)
	}
	var tensors []gguf.Tensor
	for _, t := range f.Tensors() {
		if _, rest, inBlock := strings.Cut(t.Name, "blk."); inBlock {
			number, _, _ := strings.Cut(rest, ".")
			if n, err := strconv.Atoi(number); err == nil && n >= layers {
				continue
			}
		}
		tensors = append(tensors, t)
	}
	out, err := os.Create(args[1])
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(out, 1<<20)
	if err := errors.Join(gguf.Write(w, meta, tensors), w.Flush(), out.Close()); err != nil {
		return err
	}
	fmt.Println(had)
	return nil
}
