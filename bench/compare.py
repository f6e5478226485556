"""edgevlm and llama.cpp, alternately, on the same files, threads and ISA: prints medians and ratios, and keeps every run as JSON.

Usage: python compare.py --edgevlm BIN --dir MODELS [--runs 5] [--threads 1,2] [--text q4_0,q4_k_m] [--out runs.json]

A ratio is edgevlm's speed over llama.cpp's: above 1 edgevlm is faster. Nothing else may run on the machine meanwhile.
"""
import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def run_json(cmd):
    p = subprocess.run(cmd, capture_output=True, text=True)
    if p.returncode:
        sys.exit(f"{' '.join(map(str, cmd))}: exit {p.returncode}\n{p.stderr[-2000:]}")
    return json.loads(p.stdout[p.stdout.index("{"):])


def seconds(run, size):
    return min(v["s"] for v in run["vision"] if v["size"] == size)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--edgevlm", required=True, help="the built binary")
    ap.add_argument("--dir", type=Path, required=True, help="what make_model.py wrote")
    ap.add_argument("--runs", type=int, default=5)
    ap.add_argument("--threads", default="1,2")
    ap.add_argument("--text", default="q4_0,q4_k_m")
    ap.add_argument("--mmproj", default="f16", help="the peer's tower: f16 or q8_0")
    ap.add_argument("--edgevlm-flags", default="", help="extra flags for edgevlm bench, as one string")
    ap.add_argument("--tokens", type=int, default=40, help="answer length of the whole-description row")
    ap.add_argument("--out", type=Path)
    a = ap.parse_args()

    kept, rows = [], []
    for text in a.text.split(","):
        for threads in a.threads.split(","):
            common = ["--model", str(a.dir / f"text-{text}.gguf"), "--mmproj", str(a.dir / f"mmproj-{a.mmproj}.gguf"), "--threads", threads]
            ours, theirs = [], []
            for i in range(a.runs):
                pair = [("edgevlm", [a.edgevlm, "bench", "--json", *common, *a.edgevlm_flags.split()], ours),
                        ("llama.cpp", [sys.executable, str(HERE / "peer.py"), *common], theirs)]
                for name, cmd, into in (pair if i % 2 == 0 else pair[::-1]):
                    run = run_json(cmd)
                    into.append(run)
                    kept.append({"who": name, "text": text, "mmproj": a.mmproj, "threads": int(threads), "run": i, **run})
                    print(f"{text} threads {threads} run {i} {name}: prefill {run['prefill_tps']:.1f} t/s, decode {run['decode_tps']:.2f} t/s, "
                          f"448x448 {seconds(run, '448x448'):.2f} s, rss {run['rss_bytes'] / 1e9:.2f} GB", file=sys.stderr, flush=True)
                    if a.out:
                        a.out.write_text(json.dumps(kept, indent=1))

            def row(what, f, faster_is):
                o, t = statistics.median(map(f, ours)), statistics.median(map(f, theirs))
                rows.append((text, threads, what, o, t, o / t if faster_is == "more" else t / o))

            row("decode, tokens/s", lambda r: r["decode_tps"], "more")
            row("prefill 256, tokens/s", lambda r: r["prefill_tps"], "more")
            row("vision 448x448, s", lambda r: seconds(r, "448x448"), "less")
            row("vision 644x364, s", lambda r: seconds(r, "644x364"), "less")
            row(f"448x448 + {a.tokens} tokens, s",
                lambda r: seconds(r, "448x448") + 290 / r["prefill_tps"] + a.tokens / r["decode_tps"], "less")
            row("load, s", lambda r: r["load_s"], "less")
            row("peak RSS, GB", lambda r: r["rss_bytes"] / 1e9, "less")

    print(f"| text | threads | work | edgevlm | llama.cpp ({a.mmproj} tower) | ratio |\n|---|---|---|---|---|---|")
    for text, threads, what, o, t, ratio in rows:
        print(f"| {text} | {threads} | {what} | {o:.2f} | {t:.2f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
