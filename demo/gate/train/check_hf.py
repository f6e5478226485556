"""Loads a checkpoint's weights into transformers' Qwen2VLForConditionalGeneration and compares logits on clips of several lengths.

    python check_hf.py runs/gate/last.pt [renderer]"""
import sys
import torch
from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration
from batch import Batch, ask
from feed import Feed, build
from model import load
from sequence import Words
from tokenizer import Tokenizer, after


def transformers_model(m, ids):
    """transformers' model with m's weights; ids are the tokenizer's"""
    c = m.c
    cfg = Qwen2VLConfig(
        text_config=dict(vocab_size=c.vocab, hidden_size=c.d, intermediate_size=c.inter, num_hidden_layers=c.L, num_attention_heads=c.h, num_key_value_heads=c.kv,
                         rms_norm_eps=c.eps, rope_theta=c.theta, rope_scaling={"type": "mrope", "mrope_section": list(c.sect)}, tie_word_embeddings=True,
                         max_position_embeddings=2048, bos_token_id=ids["<|endoftext|>"], eos_token_id=ids["<|im_end|>"], pad_token_id=ids["<|endoftext|>"]),
        vision_config=dict(depth=c.vl, embed_dim=c.vd, hidden_size=c.d, num_heads=c.vh, mlp_ratio=4, patch_size=14, temporal_patch_size=2,
                           spatial_merge_size=2, in_channels=3, hidden_act="quick_gelu"),
        image_token_id=ids["<|image_pad|>"], video_token_id=ids["<|video_pad|>"], vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"], tie_word_embeddings=True)
    hf = Qwen2VLForConditionalGeneration(cfg).eval(); hf.load_state_dict(m.hf_state_dict(), strict=True); return hf


@torch.no_grad()
def difference(m, tok, clips, questions):
    """the largest difference of logits over all answers; questions: (question, answer) lists, one a clip"""
    words = Words(tok); hf = transformers_model(m, tok.ids); b = Batch(m, clips); q = ask(m, b, words, questions)
    mine = m.logits(m.visual(b.p).view(-1, m.c.d), q); owner = q.owner; worst = 0.
    for i, qs in enumerate(questions):
        p = b.p[b.spans[i]]; P = len(p); g = m.c.grid
        for j, (x, a) in enumerate(qs):
            pre = words.prefix[True]; branch, z, *_ = words.branch(x, a); ids = torch.tensor([pre + [tok.ids["<|video_pad|>"]] * (P * g * g) + branch + z[:-1]])
            theirs = hf(input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values_videos=p.flatten(0, 1), video_grid_thw=torch.tensor([[P, 2 * g, 2 * g]])).logits[0, -len(z):]
            worst = max(worst, (mine[[k for k, o in enumerate(owner) if o == (i, j)]] - theirs).abs().max().item())
    return worst, theirs.std().item()


if __name__ == "__main__":
    torch.set_num_threads(1); m, text = load(sys.argv[1]); f = Feed(build(sys.argv[2] if len(sys.argv) > 2 else ""), "test", seed=5); seen = {}
    while len(seen) < 5 or 32 not in seen: c = f.clip(); seen.setdefault(len(c.frames), c)              # one clip of each length, the longest too
    f.close(); clips = [seen[k] for k in sorted(seen)]
    d, s = difference(m, Tokenizer(text), clips, [[("What is happening?", c.info["caption"])] + [(t["q"], t["a"]) for t in c.info["tasks"]] for c in clips])
    print(f"{len(clips)} clips of {sorted(seen)} frames: largest logit difference {d:.1e} (logits' deviation {s:.2f})"); assert d < 1e-3
