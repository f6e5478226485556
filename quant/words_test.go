package quant

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// The instructions that the Go assembler lacks are WORDs with their GNU syntax beside them: an assembler that knows them
// must agree.
func TestWordsAreWhatTheirCommentsSay(t *testing.T) {
	mc, err := exec.LookPath("llvm-mc")
	if err != nil {
		t.Skip("needs llvm-mc")
	}
	word := regexp.MustCompile(`WORD \$0x([0-9a-f]{8}) // (.*)`)
	seen := map[string]string{} // GNU syntax to code
	for _, file := range []string{"int_arm64.s", "int_k_arm64.s", "float_arm64.s", "activation_arm64.s"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range word.FindAllSubmatch(b, -1) {
			seen[string(m[2])] = string(m[1])
		}
	}
	var in bytes.Buffer
	var order []string
	for gnu := range seen {
		order = append(order, gnu)
		in.WriteString(gnu + "\n")
	}
	cmd := exec.Command(mc, "-triple=aarch64", "-mattr=+dotprod,+i8mm", "-show-encoding")
	cmd.Stdin = &in
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	encoding := regexp.MustCompile(`encoding: \[0x(..),0x(..),0x(..),0x(..)\]`)
	i := 0
	for s := bufio.NewScanner(bytes.NewReader(out)); s.Scan(); {
		m := encoding.FindStringSubmatch(s.Text())
		if m == nil {
			continue
		}
		if got := strings.Join([]string{m[4], m[3], m[2], m[1]}, ""); got != seen[order[i]] {
			t.Errorf("%s is %s, not %s", order[i], got, seen[order[i]])
		}
		i++
	}
	if i != len(order) || i == 0 {
		t.Errorf("%d instructions, %d encodings", len(order), i)
	}
}
