package capture

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Schedule is when a camera runs, in local time. Empty is always.
type Schedule []Hours

// Hours are a span of time on some days of the week. A span that ends at or before its beginning goes on into the next day.
type Hours struct {
	Days     [7]bool // Sunday first, as time.Weekday
	From, To int     // minutes since midnight; To may be 24*60
}

// MaxSchedule is the most spans a schedule may have.
const MaxSchedule = 100

// ParseSchedule reads spans such as "07:00-19:00", "mon-fri 22:00-06:00" and "sat,sun 00:00-24:00".
func ParseSchedule(spans []string) (Schedule, error) {
	if len(spans) > MaxSchedule {
		return nil, fmt.Errorf("capture: a schedule of %d spans; at most %d", len(spans), MaxSchedule)
	}
	var s Schedule
	for _, span := range spans {
		h, err := parseHours(span)
		if err != nil {
			return nil, fmt.Errorf("capture: schedule %q: %w; write it like mon-fri 07:00-19:00", span, err)
		}
		s = append(s, h)
	}
	return s, nil
}

func parseHours(span string) (h Hours, err error) {
	words := strings.Fields(strings.ToLower(span))
	switch len(words) {
	case 1:
		h.Days = [7]bool{true, true, true, true, true, true, true}
	case 2:
		if h.Days, err = parseDays(words[0]); err != nil {
			return h, err
		}
	default:
		return h, fmt.Errorf("%d words", len(words))
	}
	from, to, ok := strings.Cut(words[len(words)-1], "-")
	if !ok {
		return h, fmt.Errorf("no span of time")
	}
	if h.From, err = parseClock(from); err != nil {
		return h, err
	}
	if h.To, err = parseClock(to); err != nil {
		return h, err
	}
	if h.From == day || h.From == h.To {
		return h, fmt.Errorf("the span is empty")
	}
	return h, nil
}

const day = 24 * 60

func parseClock(s string) (int, error) {
	hh, mm, ok := strings.Cut(s, ":")
	h, err1 := strconv.ParseUint(hh, 10, 8)
	m, err2 := strconv.ParseUint(mm, 10, 8)
	if !ok || err1 != nil || err2 != nil || len(hh) > 2 || len(mm) != 2 || m > 59 || h*60+m > day {
		return 0, fmt.Errorf("%q is no time of day", s)
	}
	return int(h*60 + m), nil
}

func parseDays(s string) (days [7]bool, err error) {
	for part := range strings.SplitSeq(s, ",") {
		a, b, isRange := strings.Cut(part, "-")
		from, ok := weekday(a)
		to := from
		if isRange && ok {
			to, ok = weekday(b)
		}
		if !ok {
			return days, fmt.Errorf("%q is no day", part)
		}
		for d := from; ; d = (d + 1) % 7 {
			days[d] = true
			if d == to {
				break
			}
		}
	}
	return days, nil
}

func weekday(s string) (int, bool) {
	for i, name := range []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} {
		if s == name {
			return i, true
		}
	}
	return 0, false
}

// Open says whether the camera runs at a time. A day with a change of clock is as long as it is: hours are those of the clock
// on the wall.
func (s Schedule) Open(t time.Time) bool {
	if len(s) == 0 {
		return true
	}
	minute := t.Hour()*60 + t.Minute()
	today := int(t.Weekday())
	yesterday := (today + 6) % 7
	for _, h := range s {
		switch {
		case h.From < h.To:
			if h.Days[today] && minute >= h.From && minute < h.To {
				return true
			}
		case h.Days[today] && minute >= h.From, h.Days[yesterday] && minute < h.To:
			return true
		}
	}
	return false
}

// wait is how long the answer of Open surely stays: to the next full minute at the latest.
func (s Schedule) wait(t time.Time) time.Duration {
	if len(s) == 0 {
		return time.Hour
	}
	return t.Truncate(time.Minute).Add(time.Minute).Sub(t)
}
