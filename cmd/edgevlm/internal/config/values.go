package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a length of time, written 2s, 500ms, 1m30s.
type Duration time.Duration

// Std is the standard library's form.
func (d Duration) Std() time.Duration { return time.Duration(d) }

func (d Duration) String() string { return time.Duration(d).String() }

// Size is a number of bytes, written 256MiB, 64KiB, 1GiB, 500kB or 1048576.
type Size int64

func (s Size) String() string {
	for _, u := range sizeUnits {
		if s >= Size(u.n) && int64(s)%u.n == 0 && u.binary {
			return fmt.Sprintf("%d%s", int64(s)/u.n, u.name)
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// sizeUnits are tried in this order, so that MB isn't taken for a B.
var sizeUnits = []struct {
	name   string
	n      int64
	binary bool
}{
	{"GiB", 1 << 30, true}, {"MiB", 1 << 20, true}, {"KiB", 1 << 10, true},
	{"GB", 1e9, false}, {"MB", 1e6, false}, {"kB", 1e3, false}, {"B", 1, false},
}

func parseSize(s string) (Size, error) {
	num, unit := s, int64(1)
	for _, u := range sizeUnits {
		if n, ok := strings.CutSuffix(s, u.name); ok {
			num, unit = strings.TrimSpace(n), u.n
			break
		}
	}
	f, err := strconv.ParseFloat(num, 64)
	if err != nil || math.IsNaN(f) || f < 0 || f*float64(unit) > 1<<62 {
		return 0, fmt.Errorf("`%s` is not a size; write it like 256MiB", s)
	}
	return Size(f * float64(unit)), nil
}

func parseDuration(s string) (Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("`%s` is not a duration; write it like 2s or 500ms", s)
	}
	return Duration(d), nil
}

// Redact hides the user and password of every URL in s, so that a source or a
// broker can be printed and logged.
func Redact(s string) string {
	from := 0
	for {
		i := strings.Index(s[from:], "://")
		if i < 0 {
			return s
		}
		start := from + i + len("://")
		end := len(s)
		if j := strings.IndexAny(s[start:], "/?# \t\"'"); j >= 0 {
			end = start + j
		}
		from = start
		if at := strings.LastIndexByte(s[start:end], '@'); at >= 0 {
			s = s[:start] + "***" + s[start+at:]
			from = start + len("***@")
		}
	}
}
