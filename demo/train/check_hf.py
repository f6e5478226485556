"""Loads a checkpoint's weights into transformers' Qwen2VLForConditionalGeneration and compares logits on two clips."""
import sys, torch, torch.nn.functional as F
from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration
from feed import Feed, build
from model import load
from tokenizer import Tokenizer, SYSTEM, BEFORE, after


def check(m, clips):
    c = m.c; t = Tokenizer(); V = t.ids; g = c.px // 28; nv = 4 * g * g
    cfg = Qwen2VLConfig(
        text_config=dict(vocab_size=c.vocab, hidden_size=c.d, intermediate_size=c.inter, num_hidden_layers=c.L, num_attention_heads=c.h, num_key_value_heads=c.kv,
                         rms_norm_eps=c.eps, rope_theta=c.theta, rope_scaling={"type": "mrope", "mrope_section": list(c.sect)}, tie_word_embeddings=True,
                         max_position_embeddings=2048, bos_token_id=V["<|endoftext|>"], eos_token_id=V["<|im_end|>"], pad_token_id=V["<|endoftext|>"]),
        vision_config=dict(depth=c.vl, embed_dim=c.vd, hidden_size=c.d, num_heads=c.vh, mlp_ratio=4, patch_size=14, temporal_patch_size=2,
                           spatial_merge_size=2, in_channels=3, hidden_act="quick_gelu"),
        image_token_id=V["<|image_pad|>"], video_token_id=V["<|video_pad|>"], vision_start_token_id=V["<|vision_start|>"],
        vision_end_token_id=V["<|vision_end|>"], tie_word_embeddings=True)
    hf = Qwen2VLForConditionalGeneration(cfg).eval(); r = hf.load_state_dict(m.hf_state_dict(), strict=True); print("weights:", r)
    a_, b_ = t.encode(SYSTEM + BEFORE), t.encode(after("What is happening?") + "A red")
    ids = torch.tensor([a_ + b_] * len(clips)); k = len(a_); p = m.visual.patchify(torch.from_numpy(clips))
    with torch.no_grad():
        mine = F.linear(m.decode(m.visual(p).view(len(clips), nv, -1), ids, k, m.layout(k, 4, [len(b_)])), m.embed_tokens.weight)
        full = torch.cat((ids[:, :k], torch.full((len(clips), nv), V["<|video_pad|>"]), ids[:, k:]), 1)
        theirs = hf(input_ids=full, attention_mask=torch.ones_like(full), pixel_values_videos=p.flatten(0, 2) if p.dim() > 3 else p.flatten(0, 1),
                    video_grid_thw=torch.tensor([[4, 2 * g, 2 * g]] * len(clips))).logits
    d = (mine - theirs).abs().max().item(); print(f"largest logit difference {d:.1e} (logits' deviation {theirs.std().item():.2f})")
    assert d < 1e-3
    return d


if __name__ == "__main__":
    torch.set_num_threads(2); f = Feed(build("/tmp/edgevlm-feed"), "test", seed=5, n=2); check(load(sys.argv[1]), f.batch(2)[0])
