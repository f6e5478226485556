// Command feed writes rendered clips with their labels and questions to
// standard output, for training and for evaluation outside Go.
//
// The stream is little-endian: the 8 bytes "EVFEED3\n", then uint32 size, grid
// and labels. Then for each clip: uint32 length and that many bytes of JSON (see
// label), frames*size*size*3 bytes of RGB, frames/2*grid*grid*labels int8 labels
// and frames/2*grid*grid*10 float32 places (see gate.Scene.Targets). It ends
// after -n clips, or when the reader closes the pipe. With -more each clip has
// that many more questions than it has in an evaluation.
//
// With -words it prints sentences instead, one a line, in which every word of
// the world occurs, for a tokenizer to be made from.
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

	"github.com/edgevlm/edgevlm/demo/gate"
)

// label describes a clip.
type label struct {
	Index    uint64   `json:"i"`
	Frames   int      `json:"frames"`
	FPS      float64  `json:"fps"`
	Caption  string   `json:"caption"`
	Reversed string   `json:"reversed"` // the caption of the clip played backwards
	Prompt   string   `json:"prompt"`
	Tasks    []task   `json:"tasks"`
	Objects  [][3]int `json:"objects"` // class, colour, motion
	Jitter   bool     `json:"jitter"`
	Light    string   `json:"light"`
	Weather  string   `json:"weather"`
}

type task struct {
	Kind string `json:"kind"`
	Q    string `json:"q"`
	A    string `json:"a"`
}

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// options are what to write.
type options struct {
	kind          gate.Kind
	first, stride uint64
	n             int64
	frames, more  int
}

func run(args []string, out io.Writer) error {
	fs := flag.NewFlagSet("feed", flag.ContinueOnError)
	split := fs.String("split", "train", "train, test or held")
	kind := fs.String("kind", "normal", "normal, dense or frozen")
	seed := fs.Uint64("seed", 1, "seed of the scenes")
	var o options
	fs.Uint64Var(&o.first, "first", 0, "index of the first scene")
	fs.Uint64Var(&o.stride, "stride", 1, "distance between scene indices")
	fs.Int64Var(&o.n, "n", -1, "number of clips, -1 for no end")
	fs.IntVar(&o.frames, "frames", 0, "frames of every normal clip, 0 for a mixture")
	fs.IntVar(&o.more, "more", 0, "yes/no questions a clip has beside its own")
	steady := fs.Bool("steady", false, "no camera trembles")
	words := fs.Bool("words", false, "print sentences with all words of the world")
	if err := fs.Parse(args); err != nil {
		return err
	}
	w := bufio.NewWriterSize(out, 1<<20)
	if *words {
		for _, s := range gate.Corpus() {
			fmt.Fprintln(w, s)
		}
		return w.Flush()
	}
	s, ok := map[string]gate.Split{"train": gate.Train, "test": gate.Test, "held": gate.Held}[*split]
	if !ok {
		return fmt.Errorf("feed: unknown split %q: use train, test or held", *split)
	}
	if o.kind, ok = map[string]gate.Kind{"normal": gate.Normal, "dense": gate.Dense, "frozen": gate.Frozen}[*kind]; !ok {
		return fmt.Errorf("feed: unknown kind %q: use normal, dense or frozen", *kind)
	}
	if o.frames < 0 || o.frames > gate.MaxFrames || o.frames%2 != 0 {
		return fmt.Errorf("feed: %d frames: use an even number up to %d, or 0", o.frames, gate.MaxFrames)
	}
	if o.more < 0 || o.more > 20 {
		return fmt.Errorf("feed: %d more questions: use 0 to 20", o.more)
	}
	r := gate.New(s, *seed)
	r.Steady = *steady
	err := write(w, r, o)
	if errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return err
}

func write(w *bufio.Writer, r *gate.Renderer, o options) error {
	head := []byte("EVFEED3\n")
	for _, v := range []uint32{gate.Size, gate.Grid, gate.NumLabels} {
		head = binary.LittleEndian.AppendUint32(head, v)
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	const cells = gate.MaxFrames / 2 * gate.Grid * gate.Grid
	pix := make([]byte, gate.MaxFrames*gate.FrameBytes)
	labels, places := make([]int8, cells*gate.NumLabels), make([]float32, cells*gate.NumPlaces)
	var rec []byte
	index := o.first
	for i := int64(0); o.n < 0 || i < o.n; i++ {
		s := r.SceneOf(index, o.kind, o.frames)
		r.Render(s, pix)
		s.Targets(labels, places)
		if o.kind != gate.Dense {
			s.AskMore(o.more)
		}
		js, err := json.Marshal(describe(s, index, o.kind))
		if err != nil {
			return err
		}
		rec = append(binary.LittleEndian.AppendUint32(rec[:0], uint32(len(js))), js...)
		rec = append(rec, pix[:s.Bytes()]...)
		for _, v := range labels[:s.Cells()*gate.NumLabels] {
			rec = append(rec, byte(v))
		}
		for _, v := range places[:s.Cells()*gate.NumPlaces] {
			rec = binary.LittleEndian.AppendUint32(rec, math.Float32bits(v))
		}
		if _, err := w.Write(rec); err != nil {
			return err
		}
		index += o.stride
	}
	return w.Flush()
}

func describe(s *gate.Scene, index uint64, kind gate.Kind) label {
	l := label{
		Index: index, Frames: s.Frames, FPS: s.Rate.FPS(), Prompt: s.Prompt, Tasks: []task{}, Objects: [][3]int{},
		Jitter: s.Shaky, Light: s.Light.String(), Weather: s.Weather.String(),
	}
	if kind != gate.Dense {
		l.Caption, l.Reversed = s.Caption(), s.Reversed().Caption()
	}
	for _, t := range s.Tasks {
		l.Tasks = append(l.Tasks, task{string(t.Kind), t.Q, t.A})
	}
	for _, o := range s.Objects {
		l.Objects = append(l.Objects, [3]int{int(o.Class), int(o.Colour), int(o.Motion)})
	}
	return l
}
