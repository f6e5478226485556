"""Writes a checkpoint as GGUF, named and typed as llama.cpp's converter does: a text file and an mmproj file, in F16 or 4 bits.

    python export.py runs/gate/last.pt ../model          # writes text-q4_0.gguf, mmproj-q4_0.gguf, text-f16.gguf, mmproj-f16.gguf, heads.npz

4 bits means Q4_0 for the linear layers, Q8_0 for the token embedding (which is the output layer too), F16 for the patch
embedding, F32 for norms and biases."""
import argparse, os
import numpy as np, torch, gguf
from gguf import GGMLQuantizationType as Q
from gguf.quants import quantize
from model import load, MEAN, STD
from tokenizer import Tokenizer, SPECIALS, CHAT_TEMPLATE

NAME = "edgevlm demo"


def add(w, name, t, kind):
    a = t.detach().float().numpy()
    if a.ndim == 1: kind = Q.F32
    if kind == Q.F32: w.add_tensor(name, np.ascontiguousarray(a))
    elif kind == Q.F16: w.add_tensor(name, a.astype(np.float16))
    else: w.add_tensor(name, quantize(np.ascontiguousarray(a), kind), raw_dtype=kind)


def general(w, kind):
    w.add_name(NAME); w.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_0 if kind == Q.Q4_0 else gguf.LlamaFileType.MOSTLY_F16)
    w.add_quantization_version(gguf.GGML_QUANT_VERSION); w.add_license("apache-2.0")


def write(w):
    w.write_header_to_file(); w.write_kv_data_to_file(); w.write_tensors_to_file(); w.close()


def text(m, words, path, kind):
    c = m.c; w = gguf.GGUFWriter(path, "qwen2vl"); general(w, kind)
    w.add_context_length(2048); w.add_embedding_length(c.d); w.add_block_count(c.L); w.add_feed_forward_length(c.inter)
    w.add_head_count(c.h); w.add_head_count_kv(c.kv); w.add_layer_norm_rms_eps(c.eps); w.add_rope_freq_base(c.theta)
    w.add_rope_dimension_sections([*c.sect, 0]); w.add_vocab_size(c.vocab)
    t = Tokenizer(words); T = gguf.TokenType
    w.add_tokenizer_model("gpt2"); w.add_tokenizer_pre("qwen2"); w.add_token_list(t.tokens)
    w.add_token_types([T.CONTROL if s in SPECIALS else T.UNUSED if i >= t.used else T.NORMAL for i, s in enumerate(t.tokens)])
    w.add_token_merges([f"{a} {b}" for a, b in t.merges])
    w.add_bos_token_id(t.ids["<|endoftext|>"]); w.add_eos_token_id(t.ids["<|im_end|>"]); w.add_pad_token_id(t.ids["<|endoftext|>"])
    w.add_add_bos_token(False); w.add_chat_template(CHAT_TEMPLATE)
    s = m.hf_state_dict(); p = "model.language_model."
    add(w, "token_embd.weight", s[p + "embed_tokens.weight"], Q.Q8_0 if kind == Q.Q4_0 else kind)
    names = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
             "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
    for i in range(c.L):
        for a, b in names.items():
            for part in ("weight", "bias"):
                k = f"{p}layers.{i}.{a}.{part}"
                if k in s: add(w, f"blk.{i}.{b}.{part}", s[k], kind)
    add(w, "output_norm.weight", s[p + "norm.weight"], Q.F32)
    write(w)


def mmproj(m, words, path, kind):
    c = m.c; w = gguf.GGUFWriter(path, "clip"); general(w, kind)
    w.add_type(gguf.GGUFType.MMPROJ); w.add_clip_has_vision_encoder(True); w.add_clip_projector_type("qwen2vl_merger")
    w.add_vision_image_size(c.px); w.add_vision_patch_size(14); w.add_vision_embedding_length(c.vd); w.add_vision_feed_forward_length(4 * c.vd)
    w.add_vision_projection_dim(c.d); w.add_vision_block_count(c.vl); w.add_vision_head_count(c.vh); w.add_vision_attention_layernorm_eps(1e-6)
    w.add_vision_image_mean([MEAN / 255] * 3); w.add_vision_image_std([STD / 255] * 3); w.add_vision_spatial_merge_size(2)
    w.add_vision_min_pixels(c.px * c.px); w.add_vision_max_pixels(c.px * c.px)      # it has only seen this size
    s = m.hf_state_dict(); p = "model.visual."; soft = Q.F16
    e = s[p + "patch_embed.proj.weight"]
    add(w, "v.patch_embd.weight", e[:, :, 0], soft); add(w, "v.patch_embd.weight.1", e[:, :, 1], soft)
    names = {"norm1": "ln1", "norm2": "ln2", "attn.proj": "attn_out", "mlp.fc1": "ffn_up", "mlp.fc2": "ffn_down"}
    for i in range(c.vl):
        for part in ("weight", "bias"):
            for n, x in zip("qkv", s[f"{p}blocks.{i}.attn.qkv.{part}"].chunk(3, 0)): add(w, f"v.blk.{i}.attn_{n}.{part}", x, kind)
            for a, b in names.items(): add(w, f"v.blk.{i}.{b}.{part}", s[f"{p}blocks.{i}.{a}.{part}"], kind)
    for part in ("weight", "bias"):
        add(w, f"v.post_ln.{part}", s[f"{p}merger.ln_q.{part}"], kind)
        for i in (0, 2): add(w, f"mm.{i}.{part}", s[f"{p}merger.mlp.{i}.{part}"], kind)
    write(w)


def files(m, words, folder, tag, kind):
    """writes both files of a kind; their paths"""
    paths = [os.path.join(folder, f"{name}-{tag}.gguf") for name in ("text", "mmproj")]
    for f, path in zip((text, mmproj), paths): f(m, words, path, kind)
    return paths


if __name__ == "__main__":
    ap = argparse.ArgumentParser(); ap.add_argument("checkpoint"); ap.add_argument("out"); ap.add_argument("--only", default="", help="q4_0 or f16")
    a = ap.parse_args(); torch.set_num_threads(1); m, words = load(a.checkpoint); os.makedirs(a.out, exist_ok=True)
    for tag, kind in (("q4_0", Q.Q4_0), ("f16", Q.F16)):
        if a.only in ("", tag):
            for path in files(m, words, a.out, tag, kind): print(path, os.path.getsize(path), "bytes")
    if a.only != "q4_0":                                   # no part of the model, but a training that goes on (train.py --from) needs them
        heads = torch.load(a.checkpoint, weights_only=True, map_location="cpu")["heads"]
        np.savez(os.path.join(a.out, "heads.npz"), **{k: v.numpy().astype(np.float16) for k, v in heads.items()})
