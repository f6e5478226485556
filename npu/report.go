package npu

import (
	"errors"
	"fmt"
	"strings"
)

// Report says what Select tried, in order.
type Report struct {
	Tried  []Attempt
	Chosen Device // the CPU's if no accelerator was taken
	Stages Stage  // what Chosen does; the CPU does the rest
}

// Attempt is one driver without devices, or one device.
type Attempt struct {
	Driver string
	Device Device // zero if the driver found none
	Err    error  // why it was not taken; nil if it was
	// Vision and Decoder are the self-check's figures for each stage, with Checked false where it did not come to that.
	Vision, Decoder StageCheck
	Cached          bool  // the figures are from an earlier run
	Taken           Stage // the stages it was given
}

// StageCheck compares one stage with the CPU.
type StageCheck struct {
	Checked  bool
	NMSE     float64 // vision: normalised mean square error of the embeddings
	Cosine   float64 // decoder: the lowest cosine of the logits
	Speed    float64 // the CPU's time divided by the device's
	Err      string  // why the stage stays on the CPU, "" if it does not
	Mismatch bool    // the figures, not the speed, are why
}

// String is one line.
func (a Attempt) String() string {
	var b strings.Builder
	b.WriteString(a.Driver)
	if a.Device.Name != "" {
		fmt.Fprintf(&b, " (%s)", a.Device.Name)
	}
	if a.Taken != 0 {
		fmt.Fprintf(&b, ": used for %s", a.Taken)
	} else {
		b.WriteString(": not used")
	}
	if c := a.Vision; c.Checked {
		fmt.Fprintf(&b, "; vision NMSE %.1e, %.1fx the CPU's speed", c.NMSE, c.Speed)
	}
	if c := a.Decoder; c.Checked {
		fmt.Fprintf(&b, "; decoder cosine %.5f, %.1fx the CPU's speed", c.Cosine, c.Speed)
	}
	if a.Cached {
		b.WriteString(" (checked earlier)")
	}
	if a.Err != nil {
		b.WriteString("; " + oneLine(a.Err))
	} else {
		for _, c := range [...]StageCheck{a.Vision, a.Decoder} {
			if c.Err != "" {
				b.WriteString("; " + c.Err)
			}
		}
	}
	return b.String()
}

// Lines is the report for people, one line for each attempt and one for the result.
func (r *Report) Lines() []string {
	var out []string
	for _, a := range r.Tried {
		out = append(out, a.String())
	}
	last := "backend: " + r.Chosen.Driver
	if r.Stages != 0 && r.Stages != StageVision|StageDecoder {
		last += fmt.Sprintf(" for %s, cpu for the rest", r.Stages)
	}
	return append(out, last)
}

func (r *Report) String() string { return strings.Join(r.Lines(), "\n") }

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// stageErrors joins why neither stage was taken.
func (a *Attempt) stageErrors() error {
	var parts []string
	mismatch := a.Vision.Mismatch || a.Decoder.Mismatch
	for _, c := range [...]StageCheck{a.Vision, a.Decoder} {
		if c.Err != "" {
			parts = append(parts, c.Err)
		}
	}
	if len(parts) == 0 {
		return errors.New("it has no stage that could be checked")
	}
	why := strings.Join(parts, "; ")
	if mismatch {
		return fmt.Errorf("%w: %s", ErrNumeric, why)
	}
	return errors.New(why)
}
