package capture_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/edgevlm/edgevlm/capture"
)

// at is a time in a week that begins on Sunday, 4 January 2026.
func at(day, hour, minute int) time.Time {
	return time.Date(2026, 1, 4+day, hour, minute, 0, 0, time.Local)
}

func TestScheduleByDaysAndAcrossMidnight(t *testing.T) {
	s, err := capture.ParseSchedule([]string{"mon-fri 07:00-19:00", "Sat,Sun 22:00-06:00"})
	if err != nil {
		t.Fatal(err)
	}
	for when, want := range map[time.Time]bool{
		at(1, 7, 0): true, at(1, 6, 59): false, at(5, 18, 59): true, at(5, 19, 0): false, at(3, 12, 0): true,
		at(6, 22, 0): true, at(6, 21, 59): false, at(0, 3, 0): true, at(1, 5, 59): true, at(1, 6, 0): false,
		at(2, 3, 0): false, at(0, 12, 0): false,
	} {
		if got := s.Open(when); got != want {
			t.Errorf("%v: %v", when.Format("Mon 15:04"), got)
		}
	}
	if always, _ := capture.ParseSchedule(nil); !always.Open(at(3, 3, 3)) {
		t.Error("no schedule is not always")
	}
	whole, err := capture.ParseSchedule([]string{"00:00-24:00"})
	if err != nil || !whole.Open(at(2, 0, 0)) || !whole.Open(at(2, 23, 59)) {
		t.Errorf("a whole day: %v", err)
	}
}

func TestScheduleErrors(t *testing.T) {
	for _, span := range []string{"", "7-19", "25:00-26:00", "07:00", "07:00-07:00", "xyz 07:00-08:00", "mon 7:0-8:00", "mon- 07:00-08:00", "a b c", "24:00-07:00"} {
		if _, err := capture.ParseSchedule([]string{span}); err == nil || !strings.Contains(err.Error(), "mon-fri 07:00-19:00") {
			t.Errorf("%q: %v", span, err)
		}
	}
	if _, err := capture.ParseSchedule(make([]string, 101)); err == nil {
		t.Error("101 spans")
	}
}

func TestAScheduleAndItsComplementNeverAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from, to := rapid.IntRange(0, 23).Draw(t, "from"), rapid.IntRange(0, 23).Draw(t, "to")
		if from == to {
			return
		}
		clock := func(h int) string { return time.Date(2026, 1, 1, h, 0, 0, 0, time.UTC).Format("15:04") }
		a, err1 := capture.ParseSchedule([]string{clock(from) + "-" + clock(to)})
		b, err2 := capture.ParseSchedule([]string{clock(to) + "-" + clock(from)})
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		when := at(rapid.IntRange(0, 6).Draw(t, "day"), rapid.IntRange(0, 23).Draw(t, "hour"), rapid.IntRange(0, 59).Draw(t, "minute"))
		if a.Open(when) == b.Open(when) {
			t.Fatalf("%v", when)
		}
	})
}

func FuzzParseSchedule(f *testing.F) {
	for _, s := range []string{"07:00-19:00", "mon-fri 22:00-06:00", "sat,sun 00:00-24:00", "x", "mon,-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, span string) {
		s, err := capture.ParseSchedule([]string{span})
		if err == nil && len(s) != 1 {
			t.Errorf("%d spans", len(s))
		}
		s.Open(time.Now())
	})
}
