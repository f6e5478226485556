package eval

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/edgevlm/edgevlm/demo/gate"
)

// Names of the rows, in the report and in a Reference.
const (
	RowExact         = "exact description"
	RowDirection     = "motion direction"
	RowFlip          = "reversed clip flips"
	RowFlipSides     = "flips: left/right"
	RowFlipDepth     = "flips: closer/away"
	RowFlipVisit     = "flips: arrives/leaves"
	RowFlipParcel    = "flips: leaves/takes a parcel"
	RowFlipThrough   = "flips: goes in/comes out"
	RowFlipDoor      = "flips: opens/closes"
	RowYesNo         = "yes/no"
	RowNo            = "yes/no where it is no"
	RowChoice        = "choice"
	RowNumber        = "number"
	RowBoxes         = "boxes, IoU >= 0.5"
	RowOrder         = "order of events"
	RowOrderEqual    = "order, temporal indices equal"
	RowOrderReversed = "order, temporal indices reversed"
	RowFree          = "free questions"
	RowExactReversed = "exact, reversed clip"
	RowDropped       = "exact, 60 % of unchanged tokens dropped"
	RowSparse        = "exact, all unchanged tokens dropped"
	RowColour        = "object and colour"
	RowDoor          = "door or gate and state"
	RowStill         = "exact, still pictures"

	held = "held-out combinations: "
)

var taskRows = map[gate.TaskKind]string{
	gate.YesNo: RowYesNo, gate.Choice: RowChoice, gate.Number: RowNumber, gate.Boxes: RowBoxes, gate.Order: RowOrder, gate.Free: RowFree,
}

var flipRows = map[gate.Motion]string{
	gate.Left: RowFlipSides, gate.Closer: RowFlipDepth, gate.Arrives: RowFlipVisit, gate.Puts: RowFlipParcel, gate.Enters: RowFlipThrough,
}

// lengths are the groups of clip lengths that have a row.
var lengths = []int{2, 6, 8, 16, 32}

func lengthRow(frames int) string {
	from := 2
	for _, to := range lengths {
		if frames <= to {
			if from == to {
				return fmt.Sprintf("exact, %d frames", to)
			}
			return fmt.Sprintf("exact, %d to %d frames", from, to)
		}
		from = to + 2
	}
	return fmt.Sprintf("exact, more than %d frames", from-2)
}

// table is the order of the rows, with their bars.
func table() []Row {
	rows := []Row{
		{Name: RowExact, Bar: .95}, {Name: RowDirection, Bar: .99}, {Name: RowFlip, Bar: .98}, {Name: RowFlipSides}, {Name: RowFlipDepth},
		{Name: RowFlipVisit}, {Name: RowFlipParcel}, {Name: RowFlipThrough}, {Name: RowFlipDoor}, {Name: RowYesNo, Bar: .98}, {Name: RowNo},
		{Name: RowChoice}, {Name: RowNumber, Bar: .98}, {Name: RowBoxes, Bar: .95}, {Name: RowOrder, Bar: .97}, {Name: RowOrderEqual},
		{Name: RowOrderReversed}, {Name: RowFree}, {Name: RowDropped}, {Name: RowSparse}, {Name: RowExactReversed},
	}
	for _, n := range lengths {
		rows = append(rows, Row{Name: lengthRow(n)})
	}
	return append(rows, Row{Name: RowColour}, Row{Name: RowDoor})
}

// Row is one figure: right of so many. Bar is the least rate that the model
// must reach, 0 where there is none.
type Row struct {
	Name      string  `json:"name"`
	Right     int     `json:"right"`
	Of        int     `json:"of"`
	Bar       float64 `json:"bar,omitempty"`
	Reference float64 `json:"reference,omitempty"` // the rate of the Reference, 0 where it has none
}

// Rate is the share of right answers, 0 to 1; 0 of 0 is 1.
func (r Row) Rate() float64 {
	if r.Of == 0 {
		return 1
	}
	return float64(r.Right) / float64(r.Of)
}

// Reference holds the figures of the same model before its weights were
// rounded, measured outside Go.
type Reference struct {
	Note string            `json:"note"` // what computed it
	N    int               `json:"n"`
	Seed uint64            `json:"seed"`
	Rows map[string][2]int `json:"rows"` // right, of
}

// ParseReference reads a Reference from JSON.
func ParseReference(data []byte) (*Reference, error) {
	r := new(Reference)
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("eval: reference: %w", err)
	}
	return r, nil
}

// Report is what an evaluation found. It marshals to JSON.
type Report struct {
	N         int        `json:"n"`
	Held      int        `json:"held"`
	Stills    int        `json:"stills"`
	Seed      uint64     `json:"seed"`
	Rows      []Row      `json:"rows"`
	Dropped   float64    `json:"dropped"` // share of the later pairs' tokens that was left out in RowDropped
	Sparse    float64    `json:"sparse"`  // and in RowSparse
	Tokens    int        `json:"tokens"`  // generated in all
	Seconds   float64    `json:"seconds"` // wall clock
	Reference *Reference `json:"-"`
}

func (e *evaluation) report(took time.Duration) Report {
	r := Report{N: e.o.N, Held: e.o.Held, Stills: e.o.Stills, Seed: e.o.Seed, Tokens: e.tokens, Seconds: took.Seconds(), Reference: e.o.Reference}
	put := func(s *score, from, to string, bar float64) {
		if t := s.rows[from]; t != nil {
			row := Row{Name: to, Right: t.right, Of: t.of, Bar: bar}
			if r.Reference != nil && r.Reference.Rows[to][1] > 0 {
				f := r.Reference.Rows[to]
				row.Reference = float64(f[0]) / float64(f[1])
			}
			r.Rows = append(r.Rows, row)
		}
	}
	test, rare, still := &e.scores[0], &e.scores[1], &e.scores[2]
	for _, x := range table() {
		if x.Name == RowDropped { // within a point of what it is with all tokens
			x.Bar = max(0, r.Rows[0].Rate()-.01)
		}
		put(test, x.Name, x.Name, x.Bar)
	}
	for _, name := range []string{RowExact, RowDirection, RowFlip} {
		put(rare, name, held+name, 0)
	}
	put(still, RowExact, RowStill, 0)
	if test.later > 0 {
		r.Dropped, r.Sparse = float64(test.left)/float64(test.later), float64(test.bare)/float64(test.later)
	}
	return r
}

// Row finds a row by its name.
func (r Report) Row(name string) (Row, bool) {
	for _, x := range r.Rows {
		if x.Name == name {
			return x, true
		}
	}
	return Row{}, false
}

// Passed reports whether every row with a bar reaches it.
func (r Report) Passed() bool {
	for _, x := range r.Rows {
		if x.Rate() < x.Bar {
			return false
		}
	}
	return true
}

// WithinReference reports whether no row is more than a point, or one answer,
// below the Reference's, which must be of the same clips. The rows with wrong
// temporal indices don't count: there is nothing to be right about.
func (r Report) WithinReference() bool {
	for _, x := range r.Rows {
		if r.below(x) {
			return false
		}
	}
	return true
}

func (r Report) below(x Row) bool {
	f := r.Reference
	if f == nil || f.Seed != r.Seed || f.N != r.N || x.Reference == 0 || x.Name == RowOrderEqual || x.Name == RowOrderReversed {
		return false
	}
	return x.Reference-x.Rate() > max(.01, 1/float64(x.Of))+1e-9
}

// Table is the report as text.
func (r Report) Table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d clips on unseen backgrounds, %d with combinations never trained, %d stills, seed %d\n\n", r.N, r.Held, r.Stills, r.Seed)
	reference := ""
	if r.Reference != nil {
		reference = "F32"
	}
	fmt.Fprintf(&b, "%s\n", strings.TrimRight(fmt.Sprintf("%-46s %7s %11s %8s  %s", "", "right", "of", reference, "bar"), " "))
	for _, x := range r.Rows {
		bar, ref := "", ""
		if x.Bar > 0 {
			bar = fmt.Sprintf("%.3g %%", 100*x.Bar)
			if x.Rate() < x.Bar {
				bar += " missed"
			}
		}
		if r.below(x) {
			bar += " below F32"
		}
		if x.Reference > 0 {
			ref = fmt.Sprintf("%.1f %%", 100*x.Reference)
		}
		line := fmt.Sprintf("%-46s %5.1f %% %5d/%-5d %8s  %s", x.Name, 100*x.Rate(), x.Right, x.Of, ref, bar)
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	fmt.Fprintf(&b, "\nOf the later pairs' vision tokens %.0f %% were dropped where it was 60 %% of the unchanged ones, %.0f %% where it was all.\n", 100*r.Dropped, 100*r.Sparse)
	if f := r.Reference; f != nil {
		fmt.Fprintf(&b, "F32: %s, %d clips, seed %d\n", f.Note, f.N, f.Seed)
	}
	fmt.Fprintf(&b, "%.1f s, %.1f clips/s (each described up to four times, and its questions), %d tokens\n",
		r.Seconds, float64(r.N+r.Held+r.Stills)/r.Seconds, r.Tokens)
	return b.String()
}
