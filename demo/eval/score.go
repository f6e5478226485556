package eval

import (
	"strings"

	"github.com/edgevlm/edgevlm/demo/world"
)

// tally counts how often something was right.
type tally struct{ right, of int }

func (t *tally) add(ok bool) {
	t.of++
	if ok {
		t.right++
	}
}

// score collects the tallies of one set of clips. A flip is right when the
// motion is right forwards and its opposite is said about the reversed clip.
type score struct {
	exact, exactReversed, object, colour, motion, direction, door, question tally
	flip, flipLeftRight, flipCloserAway, flipArriveLeave, flipDoor          tally
}

// said is what a description claims about one thing.
type said struct{ colour, does string }

// parse reads a description into what it says about each thing.
func parse(text string) map[string]said {
	out := map[string]said{}
	for _, s := range strings.Split(text, ".") {
		w := strings.Fields(s)
		switch {
		case len(w) > 4 && w[0] == "A" && w[2] == "in": // A person in red ...
			out[w[1]] = said{w[3], strings.Join(w[4:], " ")}
		case len(w) > 3 && w[0] == "A":
			out[w[2]] = said{w[1], strings.Join(w[3:], " ")}
		case len(w) > 2 && w[0] == "The":
			out[w[1]] = said{"", strings.Join(w[2:], " ")}
		}
	}
	return out
}

func (c *score) add(a answers) {
	s, r := a.scene, a.scene.Reversed()
	c.exact.add(a.forward == s.Caption())
	c.exactReversed.add(a.backward == r.Caption())
	c.question.add(a.answer == s.Answer)
	f, b := parse(a.forward), parse(a.backward)
	for i, o := range s.Objects {
		x, found := f[o.Class.String()]
		ok := x.does == o.Motion.String()
		c.object.add(found)
		c.colour.add(found && x.colour == o.Colour.String())
		c.motion.add(ok)
		if o.Motion == world.Still {
			continue
		}
		flips := ok && b[o.Class.String()].does == r.Objects[i].Motion.String()
		c.direction.add(ok)
		c.flip.add(flips)
		switch o.Motion {
		case world.Left, world.Right:
			c.flipLeftRight.add(flips)
		case world.Closer, world.Away:
			c.flipCloserAway.add(flips)
		default:
			c.flipArriveLeave.add(flips)
		}
	}
	if s.Door == world.NoDoor {
		return
	}
	ok := f[s.Door.String()].does == s.DoorState.String()
	c.door.add(ok)
	if s.DoorState >= world.Opens {
		flips := ok && b[s.Door.String()].does == r.DoorState.String()
		c.flip.add(flips)
		c.flipDoor.add(flips)
	}
}

// rows are the table's lines; the first three are those with a bar.
func (c *score) rows(prefix string) []Row {
	row := func(name string, t tally, bar float64) Row {
		if prefix != "" {
			bar = 0
		}
		return Row{Name: prefix + name, Right: t.right, Of: t.of, Bar: bar}
	}
	return []Row{
		row("exact description", c.exact, .90),
		row("motion direction", c.direction, .97),
		row("reversed clip flips", c.flip, .97),
		row("  left/right", c.flipLeftRight, 0),
		row("  closer/away", c.flipCloserAway, 0),
		row("  arrives/leaves", c.flipArriveLeave, 0),
		row("  opens/closes", c.flipDoor, 0),
		row("exact, reversed clip", c.exactReversed, 0),
		row("object named", c.object, 0),
		row("object and colour", c.colour, 0),
		row("motion, standing still too", c.motion, 0),
		row("door or gate and state", c.door, 0),
		row("answer to a question", c.question, 0),
	}
}
