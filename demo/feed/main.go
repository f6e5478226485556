// Command feed writes rendered clips with their labels to standard output, for
// training and for evaluation outside Go.
//
// The stream is little-endian: the 8 bytes "EVFEED1\n", then uint32 frames,
// height, width, grid. Then for each clip: uint32 length and that many bytes
// of JSON (see label), frames*height*width*3 bytes of RGB, frames/2*grid*grid*6
// int8 labels and frames/2*grid*grid*2 float32 offsets (see world.Targets).
// It ends after -n clips, or when the reader closes the pipe.
package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"syscall"

	"github.com/edgevlm/edgevlm/demo/world"
)

type label struct {
	Index    uint64   `json:"i"`
	Caption  string   `json:"caption"`
	Reversed string   `json:"reversed"` // the caption of the clip played backwards
	Prompt   string   `json:"prompt"`
	Question string   `json:"q"`
	Answer   string   `json:"a"`
	Objects  [][3]int `json:"objects"` // class, colour, motion
	Door     [2]int   `json:"door"`    // kind (0 none), state
}

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	fs := flag.NewFlagSet("feed", flag.ContinueOnError)
	split := fs.String("split", "train", "train, test or held")
	kind := fs.String("kind", "normal", "normal, dense or frozen")
	seed := fs.Uint64("seed", 1, "seed of the scenes")
	first := fs.Uint64("first", 0, "index of the first scene")
	stride := fs.Uint64("stride", 1, "distance between scene indices")
	n := fs.Int64("n", -1, "number of clips, -1 for no end")
	if err := fs.Parse(args); err != nil {
		return err
	}
	s, ok := map[string]world.Split{"train": world.Train, "test": world.Test, "held": world.Held}[*split]
	if !ok {
		return fmt.Errorf("feed: unknown split %q: use train, test or held", *split)
	}
	k, ok := map[string]world.Kind{"normal": world.Normal, "dense": world.Dense, "frozen": world.Frozen}[*kind]
	if !ok {
		return fmt.Errorf("feed: unknown kind %q: use normal, dense or frozen", *kind)
	}
	err := write(bufio.NewWriterSize(out, 1<<20), world.New(s, *seed), k, *first, *stride, *n)
	if errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return err
}

func write(w *bufio.Writer, r *world.Renderer, kind world.Kind, index, stride uint64, n int64) error {
	head := []byte("EVFEED1\n")
	for _, v := range []uint32{world.Frames, world.Size, world.Size, world.Grid} {
		head = binary.LittleEndian.AppendUint32(head, v)
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	pix := make([]byte, world.ClipBytes)
	labels, offsets := make([]int8, world.Cells*world.NumLabels), make([]float32, world.Cells*2)
	var rec []byte
	for i := int64(0); n < 0 || i < n; i++ {
		s := r.Scene(index, kind)
		r.Render(s, pix)
		s.Targets(labels, offsets)
		js, err := json.Marshal(describe(s, index))
		if err != nil {
			return err
		}
		rec = append(binary.LittleEndian.AppendUint32(rec[:0], uint32(len(js))), js...)
		rec = append(rec, pix...)
		for _, v := range labels {
			rec = append(rec, byte(v))
		}
		for _, v := range offsets {
			rec = binary.LittleEndian.AppendUint32(rec, math.Float32bits(v))
		}
		if _, err := w.Write(rec); err != nil {
			return err
		}
		index += stride
	}
	return w.Flush()
}

func describe(s *world.Scene, index uint64) label {
	l := label{Index: index, Caption: s.Caption(), Reversed: s.Reversed().Caption(), Prompt: s.Prompt,
		Question: s.Question, Answer: s.Answer, Objects: [][3]int{}, Door: [2]int{int(s.Door), int(s.DoorState)}}
	for _, o := range s.Objects {
		l.Objects = append(l.Objects, [3]int{int(o.Class), int(o.Colour), int(o.Motion)})
	}
	return l
}
