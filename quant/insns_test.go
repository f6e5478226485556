package quant

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var (
	stripName = regexp.MustCompile(`^(strip|stripMin|strip_K|strip_K6x|int8Wide)(\d)VNNI$`)
	textLine  = regexp.MustCompile(`^TEXT ·(\w+)\(SB\)`)
	backward  = regexp.MustCompile(`^\t(CBNZ\s+R\d+, |JNZ\s+|JLT\s+|BGT\s+)(loop|sub\d?)$`)
)

// perMAC counts the instructions of one pass of each kernel's main loop, by multiplication. A K kernel's inner loop runs
// 8 times. Every line is one instruction.
func perMAC(t *testing.T, file string) map[string]float64 {
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	var name string
	var insns, times int
	counting := false
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSuffix(line, "\n")
		switch m := textLine.FindStringSubmatch(line); {
		case m != nil:
			name, counting = m[1], false
		case line == "loop:":
			insns, times, counting = 0, 1, true
		case strings.HasPrefix(line, "sub") && strings.HasSuffix(line, ":"):
			times = superSubs
		case counting && strings.HasPrefix(line, "\t") && !strings.HasPrefix(line, "\t//"):
			insns += times
			if m := backward.FindStringSubmatch(line); m != nil {
				times = 1
				if m[2] == "loop" {
					out[name] = float64(insns) / float64(macs(t, name))
					counting = false
				}
			}
		}
	}
	return out
}

// macs is how many multiplications one pass of a kernel's main loop does.
func macs(t *testing.T, name string) int {
	if strings.HasPrefix(name, "dot") {
		x := strings.LastIndexByte(name, 'x')
		rows, err1 := strconv.Atoi(name[x+1 : x+2])
		cols, err2 := strconv.Atoi(name[x+2 : x+3])
		if err1 != nil || err2 != nil {
			t.Fatalf("kernel %s", name)
		}
		return 8 * rows * cols
	}
	if cols := stripName.FindStringSubmatch(name); cols != nil {
		c, err := strconv.Atoi(cols[2])
		if err != nil {
			t.Fatalf("kernel %s", name)
		}
		if strings.HasPrefix(cols[1], "strip_K") {
			return stripRows32 * superLen * c
		}
		if cols[1] == "int8Wide" {
			return stripRows32 * wideLen * c
		}
		return stripRows32 * blockLen * c
	}
	n := groupRows * blockLen
	if strings.Contains(name, "_K") {
		n = groupRows * superLen
	}
	switch {
	case strings.HasPrefix(name, "gemv"):
		return n
	case strings.HasSuffix(name, "DOT"), strings.HasSuffix(name, "I8MM"):
		return 8 * n
	}
	return 4 * n
}

// The counts are what a board's time depends on where the weights come from cache. The limits are the project's bars, for
// the others a guard against a generator that got worse. -v prints all.
func TestInstructionsPerMultiplication(t *testing.T) {
	limits := map[string]float64{
		"gemmQ4_0DOT": 0.120, "gemvQ4_0DOT": 0.240, "gemmQ8_0DOT": 0.14, "gemmQ4_0NEON": 0.35, "gemmQ8_0NEON": 0.35,
		"gemmQ4_0I8MM": 0.102, "gemmQ8_0I8MM": 0.102, "gemmQ4_KI8MM": 0.13, "gemmQ6_KI8MM": 0.15,
		"gemmQ4_KDOT": 0.15, "gemvQ4_KDOT": 0.25, "gemmQ6_KDOT": 0.18, "gemvQ6_KDOT": 0.40,
		"gemmQ4_KNEON": 0.35, "gemmQ5_KNEON": 0.35, "gemmQ6_KNEON": 0.35, "gemvQ4_KNEON": 0.36,
		"gemmQ4_0AVX2": 0.15, "gemmQ4_KAVX2": 0.16, "gemmQ4_0VNNI": 0.08, "gemvQ4_0VNNI": 0.126, "gemvQ4_KVNNI": 0.144, "gemvQ6_KVNNI": 0.217, "int8Wide8VNNI": 0.031, "strip8VNNI": 0.037, "strip_K4VNNI": 0.042, "strip_K6x4VNNI": 0.045, "dotF16x44NEON": 0.40, "dotF16x43AVX2": 0.23,
	}
	for _, file := range []string{"int_arm64.s", "int_k_arm64.s", "float_arm64.s", "int_amd64.s", "int_k_amd64.s", "strip_amd64.s", "rows_amd64.s", "float_amd64.s"} {
		for name, n := range perMAC(t, file) {
			if strings.HasPrefix(name, "spread") || strings.HasPrefix(name, "prefetch") { // multiplies nothing
				continue
			}
			t.Logf("%-16s %.3f", name, n)
			if limit, ok := limits[name]; ok {
				if n > limit {
					t.Errorf("%s: %.3f instructions a multiplication, the limit is %.3f", name, n, limit)
				}
				delete(limits, name)
			}
		}
	}
	for name := range limits {
		t.Errorf("no kernel %s", name)
	}
}
