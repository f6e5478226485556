// Command edgevlm describes what cameras see, on the board itself, and publishes
// it over MQTT.
//
//	edgevlm demo [--once | --eval [--n N] [--seed S] [--json]] [--model M.gguf --mmproj P.gguf]
//	        sample clips, an embedded model and broker; --eval measures the model
//	edgevlm run --config FILE                the daemon
//	edgevlm check-config --config FILE       what is wrong with a configuration
//	edgevlm describe [--model M.gguf --mmproj P.gguf] [--prompt T] [--system T]
//	        [--video --fps F] [--max-tokens N] [--temp T] [--top-p P] [--top-k K] [--seed N]
//	        [--min-pixels N] [--max-pixels N] [--json] FILE...
//	edgevlm generate --model M.gguf --prompt T [--system T] [--raw] [--max-tokens N]
//	        [--temp T] [--top-p P] [--top-k K] [--seed N] [--json]
//	edgevlm inspect [--json] FILE.gguf       metadata and tensors
//	edgevlm quantize IN.gguf OUT.gguf --type q4_0|q4_k_m|q8_0 [--force] [--no-loss] [--steps N]
//	edgevlm bench --model M.gguf [--mmproj P.gguf] [--size WxH,...] [--prefill N] [--decode N] [--json]
//	edgevlm init [--camera SOURCE]... [--broker URL] [--model NAME] [--out FILE] [--yes] [--force]
//	        find cameras, a broker and a model, and write a configuration
//	edgevlm pull [NAME|URL [--sha256 H] [--to DIR] [--mirror URL|DIR]]
//	        fetch a model; without a name, list those that can be fetched
//	edgevlm spool ls|export|purge [--dir DIR] [--json] [--out FILE]
//	        events that the broker does not have
//	edgevlm hwtest [--json]                  what this board can do
//	edgevlm version
//
// Flags of every command: --config FILE, --threads N, --backend NAME,
// --log-level LEVEL.
//
// Exit codes: 0 fine, 1 failed, 2 wrong usage or configuration, 3 a needed
// device is missing, 4 a check failed. Errors are one line on stderr.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// After the first signal the next one ends the program at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}
