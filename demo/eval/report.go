package eval

import (
	"fmt"
	"strings"
)

// Row is one figure: right of so many. Bar is the least rate that the model
// must reach, 0 where there is none.
type Row struct {
	Name  string  `json:"name"`
	Right int     `json:"right"`
	Of    int     `json:"of"`
	Bar   float64 `json:"bar,omitempty"`
}

// Rate is the share of right answers, 0 to 1; 0 of 0 is 1.
func (r Row) Rate() float64 {
	if r.Of == 0 {
		return 1
	}
	return float64(r.Right) / float64(r.Of)
}

// Report is what an evaluation found. It marshals to JSON.
type Report struct {
	N       int     `json:"n"`
	Held    int     `json:"held"`
	Seed    uint64  `json:"seed"`
	Rows    []Row   `json:"rows"`
	Tokens  int     `json:"tokens"`  // generated in all
	Seconds float64 `json:"seconds"` // wall clock
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

// Table is the report as text.
func (r Report) Table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d held-out clips and %d of combinations never trained, seed %d\n\n", r.N, r.Held, r.Seed)
	fmt.Fprintf(&b, "%-46s %7s %11s %6s\n", "", "right", "of", "bar")
	for _, x := range r.Rows {
		bar := ""
		if x.Bar > 0 {
			bar = fmt.Sprintf("%.0f %%", 100*x.Bar)
			if x.Rate() < x.Bar {
				bar += " missed"
			}
		}
		line := fmt.Sprintf("%-46s %5.1f %% %5d/%-5d %6s", x.Name, 100*x.Rate(), x.Right, x.Of, bar)
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	fmt.Fprintf(&b, "\n%.1f s, %.1f clips/s (each described forwards and backwards, and one question), %d tokens\n",
		r.Seconds, float64(r.N+r.Held)/r.Seconds, r.Tokens)
	return b.String()
}
