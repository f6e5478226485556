"""A small Qwen2-VL, computing what transformers' Qwen2VLForConditionalGeneration does (check_hf.py holds that).

The decoder's q/k/v and gate/up projections are fused for speed; hf_state_dict() splits them. A sequence is: text prefix,
vision tokens, then text branches that see the prefix and the vision tokens but not one another."""
import torch, torch.nn as nn, torch.nn.functional as F

MEAN, STD = 110.0, 60.0                      # pixels are normalised as (x - 110) / 60 in all channels


class Cfg:
    px = 112; vd = 128; vl = 4; vh = 4       # picture edge, vision width, layers, heads
    d = 192; L = 4; h = 6; kv = 2; inter = 576
    vocab = 0; theta = 100.0; sect = (4, 4, 8); eps = 1e-6
    def __init__(s, **k): s.__dict__.update(k)


def q4_0(w):
    """w rounded as ggml's Q4_0 stores it (blocks of 32 along a row); gradients pass straight through."""
    b = w.detach().view(-1, 32)
    top = b.gather(1, b.abs().argmax(1, keepdim=True))
    d = top / -8
    inv = torch.where(d == 0, d, 1 / d)
    q = (b * inv + 8.5).floor_().clamp_(0, 15).sub_(8).mul_(d.half().float())
    return w + (q.view_as(w) - w.detach())


class Linear(nn.Linear):
    """A linear layer that is stored in 4 bits; while `coarse` is set it also computes with the rounded weights."""
    coarse = False
    def forward(s, x): return F.linear(x, q4_0(s.weight) if Linear.coarse else s.weight, s.bias)


def rot(x): a, b = x.chunk(2, -1); return torch.cat((-b, a), -1)
def rope(x, c, s): return x * c + rot(x) * s


class VBlock(nn.Module):
    def __init__(s, c):
        super().__init__(); D = c.vd; s.h = c.vh
        s.norm1 = nn.LayerNorm(D, eps=1e-6); s.norm2 = nn.LayerNorm(D, eps=1e-6)
        s.attn = nn.Module(); s.attn.qkv = Linear(D, 3 * D); s.attn.proj = Linear(D, D)
        s.mlp = nn.Module(); s.mlp.fc1 = Linear(D, 4 * D); s.mlp.fc2 = Linear(4 * D, D)
    def forward(s, x, c, sn):
        B, N, D = x.shape
        q, k, v = s.attn.qkv(s.norm1(x)).view(B, N, 3, s.h, D // s.h).permute(2, 0, 3, 1, 4)
        o = F.scaled_dot_product_attention(rope(q, c, sn), rope(k, c, sn), v)
        x = x + s.attn.proj(o.transpose(1, 2).reshape(B, N, D))
        y = s.mlp.fc1(s.norm2(x))
        return x + s.mlp.fc2(y * torch.sigmoid(1.702 * y))


class Vision(nn.Module):
    def __init__(s, c):
        super().__init__(); s.c = c; D = c.vd
        s.patch_embed = nn.Module(); s.patch_embed.proj = nn.Linear(1176, D, bias=False)   # = Conv3d(3, D, (2, 14, 14)), flattened
        s.blocks = nn.ModuleList(VBlock(c) for _ in range(c.vl))
        s.merger = nn.Module(); s.merger.ln_q = nn.LayerNorm(D, eps=1e-6)
        s.merger.mlp = nn.Sequential(Linear(4 * D, 4 * D), nn.GELU(), Linear(4 * D, c.d))
        g = c.px // 14; hd = D // c.vh
        hp = torch.arange(g)[:, None].expand(g, g); wp = hp.t()
        o = lambda t: t.reshape(g // 2, 2, g // 2, 2).transpose(1, 2).flatten()
        inv = 1 / 10000 ** (torch.arange(0, hd // 2, 2).float() / (hd // 2))
        f = torch.cat([o(hp)[:, None] * inv, o(wp)[:, None] * inv], 1)
        e = torch.cat((f, f), 1)
        s.register_buffer("cos", e.cos(), False); s.register_buffer("sin", e.sin(), False)
    def patchify(s, v):
        """u8 [B, T, H, W, 3] -> normalised f32 [B*T/2, N, 1176]; merge-group order, a patch is (C, 2, 14, 14)"""
        B, T, H, W, _ = v.shape; g = H // 28
        x = v.view(B, T // 2, 2, g, 2, 14, g, 2, 14, 3).permute(0, 1, 3, 6, 4, 7, 9, 2, 5, 8)
        return (x.reshape(B * T // 2, 4 * g * g, 1176).float() - MEAN) / STD
    def forward(s, p):
        x = s.patch_embed.proj(p)
        for b in s.blocks: x = b(x, s.cos, s.sin)
        x = s.merger.ln_q(x); B, N, D = x.shape
        return s.merger.mlp(x.reshape(B, N // 4, 4 * D))


class RMS(nn.Module):
    def __init__(s, d, eps): super().__init__(); s.weight = nn.Parameter(torch.ones(d)); s.eps = eps
    def forward(s, x): return F.rms_norm(x, x.shape[-1:], s.weight, s.eps)


class DLayer(nn.Module):
    def __init__(s, c):
        super().__init__(); s.c = c; hd = c.d // c.h; s.hd = hd
        s.input_layernorm = RMS(c.d, c.eps); s.post_attention_layernorm = RMS(c.d, c.eps)
        s.qkv = Linear(c.d, (c.h + 2 * c.kv) * hd); s.o_proj = Linear(c.h * hd, c.d, bias=False)
        s.gu = Linear(c.d, 2 * c.inter, bias=False); s.down = Linear(c.inter, c.d, bias=False)
    def forward(s, x, cos, sin, mask):
        B, S, D = x.shape; c = s.c
        q, k, v = s.qkv(s.input_layernorm(x)).view(B, S, -1, s.hd).transpose(1, 2).split((c.h, c.kv, c.kv), 1)
        q, k = rope(q, cos, sin), rope(k, cos, sin)
        g = c.h // c.kv
        k = k[:, :, None].expand(-1, -1, g, -1, -1).reshape(B, c.h, S, s.hd); v = v[:, :, None].expand(-1, -1, g, -1, -1).reshape(B, c.h, S, s.hd)
        o = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = x + s.o_proj(o.transpose(1, 2).reshape(B, S, D))
        a, b = s.gu(s.post_attention_layernorm(x)).chunk(2, -1)
        return x + s.down(F.silu(a) * b)


class Model(nn.Module):
    def __init__(s, c):
        super().__init__(); s.c = c
        s.visual = Vision(c); s.embed_tokens = nn.Embedding(c.vocab, c.d)
        s.layers = nn.ModuleList(DLayer(c) for _ in range(c.L)); s.norm = RMS(c.d, c.eps)
        for n, p in s.named_parameters():
            if p.dim() == 2:
                std = p.shape[1] ** -.5
                if n.endswith(("attn.proj.weight", "fc2.weight")): std *= (2 * c.vl) ** -.5
                if n.endswith(("o_proj.weight", "down.weight")): std *= (2 * c.L) ** -.5
                if "embed_tokens" in n: std = .04
                nn.init.normal_(p, 0, std)
            elif n.endswith("bias"): nn.init.zeros_(p)
    def rope(s, pos):
        hd = s.c.d // s.c.h
        inv = 1 / s.c.theta ** (torch.arange(0, hd, 2).float() / hd)
        f = pos.float()[..., None] * inv                       # [3, S, hd/2]
        f = torch.cat([m[i] for i, m in enumerate(f.split(tuple(s.c.sect), -1))], -1)
        e = torch.cat((f, f), -1); return e.cos(), e.sin()
    def layout(s, before, pairs, lens):
        """positions and mask for a prefix of `before` tokens, `pairs` frame pairs and text branches of the given lengths"""
        g = s.c.px // 28; nv = pairs * g * g
        t = torch.arange(pairs)[:, None, None].expand(pairs, g, g).flatten()
        hh = torch.arange(g)[None, :, None].expand(pairs, g, g).flatten(); w = torch.arange(g)[None, None].expand(pairs, g, g).flatten()
        pos = [torch.arange(before).expand(3, before), torch.stack([t, hh, w]) + before]; seg = [torch.zeros(before + nv, dtype=torch.long)]
        for i, n in enumerate(lens): pos.append((torch.arange(n) + before + max(pairs, g)).expand(3, n)); seg.append(torch.full((n,), i + 1))
        pos, seg = torch.cat(pos, 1), torch.cat(seg); S = len(seg)
        mask = (torch.arange(S)[:, None] >= torch.arange(S)[None]) & ((seg[None] == 0) | (seg[None] == seg[:, None]))
        return (*s.rope(pos), mask)
    def decode(s, ve, ids, before, lay):
        """ve [B, nv, d]; ids [B, before + text] -> hidden [B, before + nv + text, d]"""
        e = s.embed_tokens(ids)
        x = torch.cat((e[:, :before], ve, e[:, before:]), 1)
        for l in s.layers: x = l(x, *lay)
        return s.norm(x)
    def hf_state_dict(s):
        """the weights under transformers' names"""
        o = {}; c = s.c; hd = c.d // c.h
        for n, p in s.state_dict().items():
            p = p.detach().clone()
            if n == "visual.patch_embed.proj.weight": o["model." + n] = p.view(c.vd, 3, 2, 14, 14); continue
            if n.startswith("visual."): o["model." + n] = p; continue
            b = "model.language_model." + n
            if ".qkv." in n:
                for nm, q in zip("qkv", p.split((c.h * hd, c.kv * hd, c.kv * hd), 0)): o[b.replace("qkv", f"self_attn.{nm}_proj")] = q
            elif ".gu." in n:
                for nm, q in zip(("gate", "up"), p.chunk(2, 0)): o[b.replace(".gu.", f".mlp.{nm}_proj.")] = q
            elif ".down." in n: o[b.replace(".down.", ".mlp.down_proj.")] = p
            elif "o_proj" in n: o[b.replace("o_proj", "self_attn.o_proj")] = p
            else: o[b] = p
        o["lm_head.weight"] = o["model.language_model.embed_tokens.weight"]; return o


def load(path):
    """The model of a checkpoint, ready for inference."""
    z = torch.load(path, weights_only=True); m = Model(Cfg(**z["cfg"])); m.load_state_dict(z["model"]); return m.eval()
