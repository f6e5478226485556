"""Full-size Qwen2-VL-2B with random weights, for timing only: what is measured depends on shapes and types, not on values.

Writes into DIR:
  text-f16.gguf      qwen2vl, 28 layers x 1536, vocabulary 151,936, tied embeddings
  text-q4_0.gguf     quantized from it by llama.cpp
  text-q4_k_m.gguf   quantized from it by llama.cpp
  mmproj-f16.gguf    clip / qwen2vl_merger, 32 layers x 1280
  mmproj-q8_0.gguf   the same with its matrices in Q8_0

Shapes are those of Qwen/Qwen2-VL-2B-Instruct's config.json. Weights are normal with a standard deviation that keeps activations
in range, so that softmax and quantizers see ordinary numbers. The vocabulary is Qwen's own (PyPI dashscope carries it).

Usage: python make_model.py DIR [--seed 1]
"""
import argparse
import base64
import os
import sys
from pathlib import Path

import gguf
import numpy as np

HIDDEN, LAYERS, HEADS, KV_HEADS, FFN, VOCAB = 1536, 28, 12, 2, 8960, 151936
V_EMBED, V_LAYERS, V_HEADS, V_FFN, PATCH = 1280, 32, 16, 5120, 14
HEAD_DIM = HIDDEN // HEADS

SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>", "<|box_end|>",
            "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"]


def byte_alphabet():
    """GPT-2's byte to printable character table, by which GGUF stores byte-level tokens."""
    keep = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    table, extra = {}, 0
    for b in range(256):
        if b in keep:
            table[b] = chr(b)
        else:
            table[b] = chr(256 + extra)
            extra += 1
    return table


def vocabulary():
    import importlib.util
    spec = importlib.util.find_spec("dashscope")   # find, not import: the package itself wants network clients
    path = Path(spec.submodule_search_locations[0]) / "resources" / "qwen.tiktoken"
    ranks = {}
    for line in path.read_bytes().splitlines():
        token, rank = line.split()
        ranks[base64.b64decode(token)] = int(rank)
    by_rank = [t for t, _ in sorted(ranks.items(), key=lambda kv: kv[1])]
    table = byte_alphabet()
    show = lambda b: "".join(table[x] for x in b)

    def parts(token, limit):
        """The two pieces whose merge makes token: byte pair merging with only the ranks below its own."""
        p = [token[i:i + 1] for i in range(len(token))]
        while len(p) > 2:
            best = min(range(len(p) - 1), key=lambda i: ranks.get(p[i] + p[i + 1], 1 << 30))
            if ranks.get(p[best] + p[best + 1], 1 << 30) >= limit:
                break
            p[best:best + 2] = [p[best] + p[best + 1]]
        return p

    merges = []
    for t in by_rank:
        if len(t) > 1:
            p = parts(t, ranks[t])
            if len(p) == 2:
                merges.append(show(p[0]) + " " + show(p[1]))
    tokens = [show(t) for t in by_rank]
    types = [gguf.TokenType.NORMAL] * len(tokens)
    tokens += SPECIALS
    types += [gguf.TokenType.CONTROL] * len(SPECIALS)
    pad = VOCAB - len(tokens)
    tokens += [f"[PAD{i}]" for i in range(pad)]
    types += [gguf.TokenType.UNUSED] * pad
    return tokens, types, merges


def text(path, rng):
    w = gguf.GGUFWriter(path, "qwen2vl")
    w.add_name("Qwen2-VL-2B random")
    w.add_block_count(LAYERS)
    w.add_context_length(32768)
    w.add_embedding_length(HIDDEN)
    w.add_feed_forward_length(FFN)
    w.add_head_count(HEADS)
    w.add_head_count_kv(KV_HEADS)
    w.add_rope_freq_base(1e6)
    w.add_layer_norm_rms_eps(1e-6)
    w.add_rope_dimension_sections([16, 24, 24, 0])
    w.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    tokens, types, merges = vocabulary()
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("qwen2")
    w.add_token_list(tokens)
    w.add_token_types(types)
    w.add_token_merges(merges)
    w.add_eos_token_id(tokens.index("<|im_end|>"))
    w.add_pad_token_id(tokens.index("<|endoftext|>"))
    w.add_bos_token_id(tokens.index("<|endoftext|>"))
    w.add_add_bos_token(False)

    def mat(name, rows, cols, gain=1.0):
        x = rng.standard_normal((rows, cols), dtype=np.float32) * np.float32(gain / cols ** .5)
        w.add_tensor(name, x.astype(np.float16))

    def vec(name, n, mean=0.0):
        w.add_tensor(name, (mean + .02 * rng.standard_normal(n, dtype=np.float32)).astype(np.float32))

    mat("token_embd.weight", VOCAB, HIDDEN, gain=1.0)
    vec("output_norm.weight", HIDDEN, 1)
    for i in range(LAYERS):
        b = f"blk.{i}."
        vec(b + "attn_norm.weight", HIDDEN, 1)
        for n, rows in (("q", HIDDEN), ("k", KV_HEADS * HEAD_DIM), ("v", KV_HEADS * HEAD_DIM)):
            mat(b + f"attn_{n}.weight", rows, HIDDEN)
            vec(b + f"attn_{n}.bias", rows)
        mat(b + "attn_output.weight", HIDDEN, HIDDEN, .2)
        vec(b + "ffn_norm.weight", HIDDEN, 1)
        mat(b + "ffn_gate.weight", FFN, HIDDEN)
        mat(b + "ffn_up.weight", FFN, HIDDEN)
        mat(b + "ffn_down.weight", HIDDEN, FFN, .2)
    save(w)


def mmproj(path, rng, quant=None):
    w = gguf.GGUFWriter(path, "clip")
    w.add_name("Qwen2-VL-2B random mmproj")
    w.add_bool("clip.has_vision_encoder", True)
    w.add_bool("clip.has_text_encoder", False)
    w.add_string("clip.projector_type", "qwen2vl_merger")
    w.add_uint32("clip.vision.image_size", 560)
    w.add_uint32("clip.vision.patch_size", PATCH)
    w.add_uint32("clip.vision.embedding_length", V_EMBED)
    w.add_uint32("clip.vision.feed_forward_length", 0)
    w.add_uint32("clip.vision.projection_dim", HIDDEN)
    w.add_uint32("clip.vision.block_count", V_LAYERS)
    w.add_uint32("clip.vision.attention.head_count", V_HEADS)
    w.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-6)
    w.add_array("clip.vision.image_mean", [0.48145466, 0.4578275, 0.40821073])
    w.add_array("clip.vision.image_std", [0.26862954, 0.26130258, 0.27577711])
    w.add_bool("clip.use_silu", False)
    w.add_bool("clip.use_gelu", False)
    w.add_file_type(gguf.LlamaFileType.MOSTLY_F16)

    def mat(name, rows, cols, gain=1.0):
        x = rng.standard_normal((rows, cols), dtype=np.float32) * np.float32(gain / cols ** .5)
        if quant is None:
            w.add_tensor(name, x.astype(np.float16))
        else:
            w.add_tensor(name, gguf.quants.quantize(x, quant), raw_dtype=quant)

    def vec(name, n, mean=0.0):
        w.add_tensor(name, (mean + .02 * rng.standard_normal(n, dtype=np.float32)).astype(np.float32))

    for suffix in ("", ".1"):   # the two temporal slices of the 3-D convolution
        x = rng.standard_normal((V_EMBED, 3, PATCH, PATCH), dtype=np.float32) * np.float32(1 / (6 * PATCH * PATCH) ** .5)
        w.add_tensor("v.patch_embd.weight" + suffix, x)
    for i in range(V_LAYERS):
        b = f"v.blk.{i}."
        for n in "qkv":
            mat(b + f"attn_{n}.weight", V_EMBED, V_EMBED)
            vec(b + f"attn_{n}.bias", V_EMBED)
        mat(b + "attn_out.weight", V_EMBED, V_EMBED, .2)
        vec(b + "attn_out.bias", V_EMBED)
        for n in ("ln1", "ln2"):
            vec(b + n + ".weight", V_EMBED, 1)
            vec(b + n + ".bias", V_EMBED)
        mat(b + "ffn_up.weight", V_FFN, V_EMBED)
        vec(b + "ffn_up.bias", V_FFN)
        mat(b + "ffn_down.weight", V_EMBED, V_FFN, .2)
        vec(b + "ffn_down.bias", V_EMBED)
    vec("v.post_ln.weight", V_EMBED, 1)
    vec("v.post_ln.bias", V_EMBED)
    mat("mm.0.weight", 4 * V_EMBED, 4 * V_EMBED)
    vec("mm.0.bias", 4 * V_EMBED)
    mat("mm.2.weight", HIDDEN, 4 * V_EMBED)
    vec("mm.2.bias", HIDDEN)
    save(w)


def save(w):
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file(progress=sys.stderr.isatty())
    w.close()


def quantize(src, dst, ftype):
    import ctypes
    import llama_cpp
    quiet = llama_cpp.llama_log_callback(lambda level, text, data: None)
    llama_cpp.llama_log_set(quiet, ctypes.c_void_p(0))
    p = llama_cpp.llama_model_quantize_default_params()
    p.nthread = os.cpu_count()
    p.ftype = ftype
    if llama_cpp.llama_model_quantize(str(src).encode(), str(dst).encode(), p):
        raise SystemExit(f"llama.cpp could not quantize {src}")


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("dir", type=Path)
    ap.add_argument("--seed", type=int, default=1)
    a = ap.parse_args()
    a.dir.mkdir(parents=True, exist_ok=True)

    def make(name, f):
        final = a.dir / name
        if final.exists():
            print(f"{final} is there already")
            return
        part = a.dir / (name + ".part")
        f(part)
        part.rename(final)
        print(f"{final}: {final.stat().st_size / 1e9:.2f} GB", flush=True)

    import llama_cpp
    make("text-f16.gguf", lambda p: text(p, np.random.default_rng(a.seed)))
    make("mmproj-f16.gguf", lambda p: mmproj(p, np.random.default_rng(a.seed + 1)))
    make("mmproj-q8_0.gguf", lambda p: mmproj(p, np.random.default_rng(a.seed + 1), gguf.GGMLQuantizationType.Q8_0))
    f16 = a.dir / "text-f16.gguf"
    make("text-q4_0.gguf", lambda p: quantize(f16, p, llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_0))
    make("text-q4_k_m.gguf", lambda p: quantize(f16, p, llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_K_M))


if __name__ == "__main__":
    main()
