package mqtt

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// A Publish that paho was given just before the connection broke returns after the write timeout only; it holds nothing but
// its message.
func verifyTestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/eclipse/paho%2emqtt%2egolang.(*client).Publish"))
}

// faultRounds is how often a fault is repeated: few in go test, all with EDGEVLM_FAULTS=full, whose figures RESULTS.md has.
func faultRounds(few, full int) int {
	if os.Getenv("EDGEVLM_FAULTS") == "full" {
		return full
	}
	return few
}
