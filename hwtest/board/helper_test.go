//go:build board

package board_test

import (
	"os"
	"os/exec"
	"testing"

	"periph.io/x/conn/v3/gpio"

	"github.com/edgevlm/edgevlm/board"
)

// holdPin asks for a pin in a process of its own and returns what it was told.
func holdPin(t *testing.T, pin string) string {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", "-test.run", "^TestHelperHoldsAPin$", "-test.v")
	cmd.Env = append(os.Environ(), "BOARD_HOLD="+pin)
	out, _ := cmd.CombinedOutput()
	return string(out)
}

func TestHelperHoldsAPin(t *testing.T) {
	pin := os.Getenv("BOARD_HOLD")
	if pin == "" {
		return
	}
	l, err := board.OpenPin(pin)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	t.Log(l.In(gpio.PullNoChange, gpio.BothEdges))
}
