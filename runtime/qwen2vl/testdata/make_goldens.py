"""Makes tiny random models and what transformers computes with them.

Writes beside itself:
  qwen2vl.gguf, mmproj.gguf   a Qwen2-VL, F32, as llama.cpp's converter names its tensors
  qwen2.gguf, llama.gguf      text models
  goldens.json, goldens.bin   inputs and results; arrays are float32 in goldens.bin at [offset, length]

Patches come from pixels(), which the Go test repeats, so that no input needs storing.

Usage: python make_goldens.py      (transformers 4.57.6, torch, gguf 0.19; about a minute)
"""
import json
from pathlib import Path

import gguf
import numpy as np
import torch
import transformers
from PIL import Image
from transformers import (LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen2VLConfig,
                          Qwen2VLForConditionalGeneration)
from transformers.models.qwen2_vl import Qwen2VLImageProcessorFast, Qwen2VLVideoProcessor

assert transformers.__version__ == "4.57.6", transformers.__version__
HERE = Path(__file__).parent
STEPS = 24
VOCAB, IMAGE, VIDEO, START, END = 512, 508, 509, 506, 507
torch.manual_seed(1)
torch.set_grad_enabled(False)
gen = torch.Generator().manual_seed(20)


def pixels(rows, seed):
    """[rows, 1176] pseudo-random numbers in [-2, 2), exact in float32."""
    i = np.arange(rows * 1176, dtype=np.uint64)
    x = (i * 2654435761 + seed * 40503) & 0xffffffff
    x ^= x >> 15
    x = (x * 2246822519) & 0xffffffff
    return torch.from_numpy((x >> 12).astype(np.float32) / 2 ** 18 - 2).view(rows, 1176)


def picture(w, h, frame):
    """uint8 [h, w, 3]: ramps and edges that move from frame to frame."""
    y, x, c = np.meshgrid(np.arange(h), np.arange(w), np.arange(3), indexing="ij")
    return ((x * (c + 2) + y * 3 + frame * 29 + ((x * y) >> 3) * c + ((x + frame * 5) >> 4) * 40) & 255).astype(np.uint8)


def processed(frames, w, h):
    """pictures through transformers' own processors: pixel values, grid"""
    size = {"shortest_edge": 56 * 56, "longest_edge": 16 * 28 * 28}
    p = [picture(w, h, i) for i in range(frames)]
    if frames == 1:
        out = Qwen2VLImageProcessorFast(size=size)(images=[Image.fromarray(p[0])], return_tensors="pt")
        return out["pixel_values"], out["image_grid_thw"][0].tolist()
    video = torch.from_numpy(np.stack(p)).permute(0, 3, 1, 2)
    out = Qwen2VLVideoProcessor(size=size)(videos=[video], return_tensors="pt", do_sample_frames=False)
    return out["pixel_values_videos"], out["video_grid_thw"][0].tolist()


def words(n, seed):
    return [(i * i * 7 + i * 31 + seed * 97 + 3) % 500 for i in range(n)]


def randomize(model):
    """Weights large enough that attention is sharp and the logits lie well apart."""
    for name, p in model.named_parameters():
        if p.dim() == 1:
            mean = 1.0 if "norm" in name and "bias" not in name or "ln_q.weight" in name else 0.0
            p.copy_(mean + .2 * torch.randn(p.shape, generator=gen))
            if name in ("model.norm.weight", "model.language_model.norm.weight"):
                p.mul_(4)
        elif "embed_tokens" in name or "lm_head" in name:
            p.copy_(.3 * torch.randn(p.shape, generator=gen))   # small, so that the layers decide and not the last token
        else:
            gain = 1.5 if any(n in name for n in ("q_proj", "k_proj", "o_proj", "down_proj")) else 1.0
            p.copy_(gain * torch.randn(p.shape, generator=gen) / p[0].numel() ** .5)
    return model.eval()


class Store:
    def __init__(self):
        self.data, self.n = [], 0

    def add(self, x):
        x = np.ascontiguousarray(x, dtype="<f4").ravel()
        at = [self.n, x.size]
        self.data.append(x)
        self.n += x.size
        return at


store = Store()


def writer(path, arch, name):
    w = gguf.GGUFWriter(HERE / path, arch)
    w.add_name(name)
    return w


def save(w):
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


TEXT_NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
}


def write_text(path, arch, c, state, prefix, extra=lambda w: None):
    w = writer(path, arch, "tiny random " + arch)
    w.add_block_count(c.num_hidden_layers)
    w.add_context_length(c.max_position_embeddings)
    w.add_embedding_length(c.hidden_size)
    w.add_feed_forward_length(c.intermediate_size)
    w.add_head_count(c.num_attention_heads)
    w.add_head_count_kv(c.num_key_value_heads)
    w.add_rope_freq_base(c.rope_theta)
    w.add_layer_norm_rms_eps(c.rms_norm_eps)
    w.add_vocab_size(c.vocab_size)
    extra(w)
    for name, x in state.items():
        x = x.float().numpy()
        if name == prefix + "embed_tokens.weight":
            w.add_tensor("token_embd.weight", x)
        elif name == prefix + "norm.weight":
            w.add_tensor("output_norm.weight", x)
        elif name == "lm_head.weight":
            if not c.tie_word_embeddings:
                w.add_tensor("output.weight", x)
        elif name.startswith(prefix + "layers."):
            _, layer, rest = name[len(prefix):].split(".", 2)
            rest, kind = rest.rsplit(".", 1)
            if arch == "llama" and rest in ("self_attn.q_proj", "self_attn.k_proj"):
                heads = c.num_attention_heads if "q_proj" in rest else c.num_key_value_heads
                # from rotated halves to rotated neighbours, as llama.cpp's converter does
                x = np.ascontiguousarray(x.reshape(heads, 2, -1, x.shape[1]).swapaxes(1, 2).reshape(x.shape))
            w.add_tensor(f"blk.{layer}.{TEXT_NAMES[rest]}.{kind}", x)
    save(w)


def write_mmproj(path, c, state):
    v = c.vision_config
    w = writer(path, "clip", "tiny random qwen2vl mmproj")
    w.add_bool("clip.has_vision_encoder", True)
    w.add_bool("clip.has_text_encoder", False)
    w.add_string("clip.projector_type", "qwen2vl_merger")
    w.add_uint32("clip.vision.image_size", 560)
    w.add_uint32("clip.vision.patch_size", v.patch_size)
    w.add_uint32("clip.vision.embedding_length", v.embed_dim)
    w.add_uint32("clip.vision.feed_forward_length", 0)   # as llama.cpp's converter leaves it
    w.add_uint32("clip.vision.projection_dim", v.hidden_size)
    w.add_uint32("clip.vision.block_count", v.depth)
    w.add_uint32("clip.vision.attention.head_count", v.num_heads)
    w.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-6)
    w.add_array("clip.vision.image_mean", [0.48145466, 0.4578275, 0.40821073])
    w.add_array("clip.vision.image_std", [0.26862954, 0.26130258, 0.27577711])
    names = {"norm1": "ln1", "norm2": "ln2", "attn.proj": "attn_out", "mlp.fc1": "ffn_up", "mlp.fc2": "ffn_down"}
    for name, x in state.items():
        if not name.startswith("model.visual."):
            continue
        name, x = name[len("model.visual."):], x.float().numpy()
        if name == "patch_embed.proj.weight":
            w.add_tensor("v.patch_embd.weight", np.ascontiguousarray(x[:, :, 0]))
            w.add_tensor("v.patch_embd.weight.1", np.ascontiguousarray(x[:, :, 1]))
        elif name.startswith("blocks."):
            _, layer, rest = name.split(".", 2)
            rest, kind = rest.rsplit(".", 1)
            if rest == "attn.qkv":
                for n, part in zip("qkv", np.split(x, 3)):
                    w.add_tensor(f"v.blk.{layer}.attn_{n}.{kind}", np.ascontiguousarray(part))
            else:
                w.add_tensor(f"v.blk.{layer}.{names[rest]}.{kind}", x)
        else:
            w.add_tensor(name.replace("merger.ln_q", "v.post_ln").replace("merger.mlp", "mm"), x)
    save(w)


def greedy(model, ids, **vision):
    out = model.generate(torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long), max_new_tokens=STEPS,
                         min_new_tokens=STEPS, do_sample=False, return_dict_in_generate=True, output_logits=True, **vision)
    logits = torch.stack(out.logits)[:, 0]
    top = logits.topk(2, -1).values
    return {"tokens": out.sequences[0, len(ids):].tolist(), "gaps": [round(float(g), 4) for g in top[:, 0] - top[:, 1]],
            "logits": store.add(logits[0].numpy())}


def text_case(model, name, ids):
    r = {"name": name, "ids": ids, **greedy(model, ids)}
    print(f"{name:22} smallest gap {min(r['gaps']):.3f}, {len(set(r['tokens']))} different tokens")
    return r


def vl_case(model, name, parts):
    """parts: an int is so many words, (kind, t, h, w) a vision block of t x h x w patches, ("pictures", frames, w, h) one
    made from pictures."""
    ids, spans, images, videos, px = [], [], [], [], {IMAGE: [], VIDEO: []}
    for i, p in enumerate(parts):
        if isinstance(p, int):
            ids += words(p, len(name) + i)
            spans.append({"tokens": p})
            continue
        kind, t, h, w = p
        made = None
        if kind == "pictures":
            made = {"frames": t, "width": h, "height": w}
            kind = "image" if t == 1 else "video"
            x, (t, h, w) = processed(t, h, w)
        token = {"image": IMAGE, "video": VIDEO}[kind]
        ids += [START] + [token] * (t * h * w // 4) + [END]
        seed = len(name) * 10 + i
        if made is None:
            x = pixels(t * h * w, seed)
        px[token].append(x)
        {IMAGE: images, VIDEO: videos}[token].append([t, h, w])
        e = model.model.visual(x, grid_thw=torch.tensor([[t, h, w]]))
        spans.append({"kind": kind, "grid": [t, h, w], "embeds": store.add(e.numpy()), **(made or {"seed": seed})})
    vision = {}
    if images:
        vision |= {"pixel_values": torch.cat(px[IMAGE]), "image_grid_thw": torch.tensor(images)}
    if videos:
        vision |= {"pixel_values_videos": torch.cat(px[VIDEO]), "video_grid_thw": torch.tensor(videos)}
    pos, delta = model.model.get_rope_index(torch.tensor([ids]), vision.get("image_grid_thw"), vision.get("video_grid_thw"))
    r = {"name": name, "ids": ids, "spans": spans, "pos": pos[:, 0].T.tolist(), "delta": int(delta), **greedy(model, ids, **vision)}
    print(f"{name:22} smallest gap {min(r['gaps']):.3f}, {len(set(r['tokens']))} different tokens")
    return r


def main():
    common = dict(num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=2048, rms_norm_eps=1e-6,
                  bos_token_id=None, eos_token_id=None, pad_token_id=0, attention_dropout=0.0)
    c = Qwen2VLConfig(
        text_config=dict(common, vocab_size=VOCAB, hidden_size=64, intermediate_size=96, rope_theta=10000.0, tie_word_embeddings=True,
                         rope_scaling={"type": "mrope", "mrope_section": [2, 3, 3]}),
        vision_config=dict(depth=2, embed_dim=32, hidden_size=64, mlp_ratio=2, num_heads=2),
        tie_word_embeddings=True, image_token_id=IMAGE, video_token_id=VIDEO, vision_start_token_id=START, vision_end_token_id=END)
    m = randomize(Qwen2VLForConditionalGeneration(c).float())
    m.tie_weights()
    m.generation_config.eos_token_id = None
    write_text("qwen2vl.gguf", "qwen2vl", c.text_config, m.state_dict(), "model.language_model.",
               lambda w: w.add_rope_dimension_sections([2, 3, 3, 0]))
    write_mmproj("mmproj.gguf", c, m.state_dict())
    cases = [vl_case(m, name, parts) for name, parts in [
        ("text", [23]),
        ("still smallest", [2, ("image", 1, 2, 2), 5]),
        ("still tiny", [1, ("image", 1, 4, 4), 7]),
        ("still very wide", [3, ("image", 1, 2, 80), 4]),
        ("still tall", [3, ("image", 1, 30, 4), 6]),
        ("still", [2, ("image", 1, 6, 8), 3]),
        ("still large", [4, ("image", 1, 16, 20), 9]),
        ("two images", [2, ("image", 1, 4, 6), 2, ("image", 1, 8, 4), 5]),
        ("video two pairs", [3, ("video", 2, 6, 6), 4]),
        ("video three pairs", [3, ("video", 3, 4, 6), 4]),
        ("long video, t above h and w", [2, ("video", 13, 4, 6), 6]),
        ("image and video", [1, ("image", 1, 6, 4), 3, ("video", 5, 4, 4), 8]),
        ("video and image", [4, ("video", 4, 4, 4), ("image", 1, 4, 10), 2]),
        ("a picture", [2, ("pictures", 1, 100, 75), 5]),
        ("a small picture", [2, ("pictures", 1, 20, 31), 5]),
        ("a film of four pictures", [2, ("pictures", 4, 120, 90), 5]),
        ("a film of five pictures and a picture", [1, ("pictures", 5, 64, 80), ("pictures", 1, 300, 40), 5]),
    ]]

    small = dict(common, vocab_size=256, hidden_size=32, intermediate_size=64)
    q = Qwen2Config(**small, rope_theta=1e6, tie_word_embeddings=False)
    mq = randomize(Qwen2ForCausalLM(q).float())
    write_text("qwen2.gguf", "qwen2", q, mq.state_dict(), "model.")
    l = LlamaConfig(**small, rope_theta=10000.0, tie_word_embeddings=True)
    ml = randomize(LlamaForCausalLM(l).float())
    ml.tie_weights()
    write_text("llama.gguf", "llama", l, ml.state_dict(), "model.", lambda w: w.add_rope_dimension_count(8))
    texts = {}
    for name, model in (("qwen2", mq), ("llama", ml)):
        model.generation_config.eos_token_id = None
        texts[name] = [text_case(model, f"{name} {n}", [t % 256 for t in words(n, n)]) for n in (1, 9, 150)]

    np.concatenate(store.data).tofile(HERE / "goldens.bin")
    doc = {"transformers": transformers.__version__, "torch": torch.__version__, "qwen2vl": cases, **texts}
    (HERE / "goldens.json").write_text(json.dumps(doc, separators=(",", ":")) + "\n")


main()
