package mqtt

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func verifyTestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// faultRounds is how often a fault is repeated: few in go test, all with EDGEVLM_FAULTS=full, whose figures RESULTS.md has.
func faultRounds(few, full int) int {
	if os.Getenv("EDGEVLM_FAULTS") == "full" {
		return full
	}
	return few
}
