"""Reads an exported model back, so that a training can go on from it: export.py's other direction."""
import os
import numpy as np, torch
from gguf import GGUFReader
from gguf.quants import dequantize
from model import Cfg, Model


def tensors(path):
    r = GGUFReader(path)
    return {t.name: torch.from_numpy(np.array(dequantize(t.data, t.tensor_type))).reshape([int(n) for n in reversed(t.shape)]) for t in r.tensors}, r


def number(r, key):
    v = r.fields[key]; return v.parts[v.data[0]][0].item()


def restore(folder):
    """The model of an exported folder, from its F16 files or, if there are none, from those of 4 bits, and its heads' state (heads.npz; None if it
    isn't there). Or those of a checkpoint."""
    if os.path.isfile(folder): z = torch.load(folder, weights_only=True); m = Model(Cfg(**z["cfg"])); m.load_state_dict(z["model"]); return m, z["heads"]
    kind = "f16" if os.path.exists(os.path.join(folder, "text-f16.gguf")) else "q4_0"
    (t, rt), (v, rv) = (tensors(os.path.join(folder, f"{name}-{kind}.gguf")) for name in ("text", "mmproj")); q = "qwen2vl."
    s = rt.fields[q + "rope.dimension_sections"]; c = Cfg(
        px=number(rv, "clip.vision.image_size"), vd=number(rv, "clip.vision.embedding_length"), vl=number(rv, "clip.vision.block_count"),
        vh=number(rv, "clip.vision.attention.head_count"), d=number(rt, q + "embedding_length"), L=number(rt, q + "block_count"),
        h=number(rt, q + "attention.head_count"), kv=number(rt, q + "attention.head_count_kv"), inter=number(rt, q + "feed_forward_length"),
        vocab=number(rt, q + "vocab_size"), theta=number(rt, q + "rope.freq_base"), sect=tuple(s.parts[i][0].item() for i in s.data[:3]))
    o = {"embed_tokens.weight": t["token_embd.weight"], "norm.weight": t["output_norm.weight"]}
    for i in range(c.L):
        a, b = f"layers.{i}.", f"blk.{i}."
        o[a + "input_layernorm.weight"], o[a + "post_attention_layernorm.weight"] = t[b + "attn_norm.weight"], t[b + "ffn_norm.weight"]
        for part in ("weight", "bias"): o[a + "qkv." + part] = torch.cat([t[f"{b}attn_{n}.{part}"] for n in "qkv"])
        o[a + "o_proj.weight"], o[a + "down.weight"] = t[b + "attn_output.weight"], t[b + "ffn_down.weight"]
        o[a + "gu.weight"] = torch.cat((t[b + "ffn_gate.weight"], t[b + "ffn_up.weight"]))
    o["visual.patch_embed.proj.weight"] = torch.stack((v["v.patch_embd.weight"], v["v.patch_embd.weight.1"]), 2).reshape(c.vd, 1176)
    names = {"norm1": "ln1", "norm2": "ln2", "attn.proj": "attn_out", "mlp.fc1": "ffn_up", "mlp.fc2": "ffn_down"}
    for part in ("weight", "bias"):
        for i in range(c.vl):
            o[f"visual.blocks.{i}.attn.qkv.{part}"] = torch.cat([v[f"v.blk.{i}.attn_{n}.{part}"] for n in "qkv"])
            for a, b in names.items(): o[f"visual.blocks.{i}.{a}.{part}"] = v[f"v.blk.{i}.{b}.{part}"]
        o["visual.merger.ln_q." + part] = v["v.post_ln." + part]
        for i in (0, 2): o[f"visual.merger.mlp.{i}.{part}"] = v[f"mm.{i}.{part}"]
    m = Model(c); m.load_state_dict(o); h = os.path.join(folder, "heads.npz")
    return m, {k: torch.from_numpy(x) for k, x in np.load(h).items()} if os.path.exists(h) else None
