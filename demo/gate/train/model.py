"""A small Qwen2-VL, computing what transformers' Qwen2VLForConditionalGeneration does (check_hf.py holds that).

The decoder works on a flat list of tokens, so that clips of any length share a batch without padding; sequence.py says which
token belongs where and what it may see. q/k/v and gate/up are fused for speed; hf_state_dict() splits them."""
import torch, torch.nn as nn, torch.nn.functional as F

MEAN, STD = 110.0, 60.0                      # pixels are normalised as (x - 110) / 60 in all channels


class Cfg:
    px = 112; vd = 160; vl = 4; vh = 5       # picture edge, vision width, layers, heads
    d = 256; L = 4; h = 8; kv = 2; inter = 704
    vocab = 0; theta = 20.0; sect = (6, 5, 5); eps = 1e-6
    KEYS = "px vd vl vh d L h kv inter vocab theta sect eps".split()
    def __init__(s, **k): s.__dict__.update(k)
    def dict(s): return {k: getattr(s, k) for k in s.KEYS}
    @property
    def grid(s): return s.px // 28


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
    def w(s): return q4_0(s.weight) if Linear.coarse else s.weight
    def forward(s, x): return F.linear(x, s.w(), s.bias)


class Rope(torch.autograd.Function):
    """x [..., heads, 2n] with each pair (i, n + i) turned by an angle; c and s are its cosine and sine, [..., 1, n]"""
    @staticmethod
    def turn(x, c, s):
        a, b = x.chunk(2, -1); n = c.shape[-1]; o = torch.empty_like(x)
        torch.mul(a, c, out=o[..., :n]).addcmul_(b, s, value=-1); torch.mul(b, c, out=o[..., n:]).addcmul_(a, s)
        return o
    @staticmethod
    def forward(ctx, x, c, s): ctx.save_for_backward(c, s); return Rope.turn(x, c, s)
    @staticmethod
    def backward(ctx, g): c, s = ctx.saved_tensors; return Rope.turn(g, c, -s), None, None


rope = Rope.apply


class VBlock(nn.Module):
    def __init__(s, c):
        super().__init__(); D = c.vd; s.h = c.vh
        s.norm1 = nn.LayerNorm(D, eps=1e-6); s.norm2 = nn.LayerNorm(D, eps=1e-6)
        s.attn = nn.Module(); s.attn.qkv = Linear(D, 3 * D); s.attn.proj = Linear(D, D)
        s.mlp = nn.Module(); s.mlp.fc1 = Linear(D, 4 * D); s.mlp.fc2 = Linear(4 * D, D)
    def forward(s, x, c, sn):
        B, N, D = x.shape
        y = s.attn.qkv(s.norm1(x)).view(B, N, 3 * s.h, D // s.h)
        q, k = rope(y[:, :, :2 * s.h], c, sn).chunk(2, 2)
        flat = lambda t: t.transpose(1, 2).reshape(B * s.h, N, -1)
        z = (flat(q) * (D // s.h) ** -.5).to(y.dtype) @ flat(k).to(y.dtype).transpose(1, 2)
        o = (z.softmax(-1).to(y.dtype) @ flat(y[:, :, 2 * s.h:])).view(B, s.h, N, -1)
        x = x + s.attn.proj(o.transpose(1, 2).reshape(B, N, D))
        return x + s.mlp.fc2(F.silu(1.702 * s.mlp.fc1(s.norm2(x))) * (1 / 1.702))      # = y * sigmoid(1.702 y), quick_gelu


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
        f = torch.cat([o(hp)[:, None] * inv, o(wp)[:, None] * inv], 1)[:, None]
        s.register_buffer("cos", f.cos(), False); s.register_buffer("sin", f.sin(), False)
    def patchify(s, v):
        """u8 [T, H, W, 3] -> normalised f32 [T/2, N, 1176]; merge-group order, a patch is (C, 2, 14, 14)"""
        T, H, W, _ = v.shape; g = H // 28
        x = v.view(T // 2, 2, g, 2, 14, g, 2, 14, 3).permute(0, 2, 5, 3, 6, 8, 1, 4, 7)
        return (x.reshape(T // 2, 4 * g * g, 1176).float() - MEAN) / STD
    def forward(s, p):
        """patches of frame pairs -> merged tokens [pairs, N/4, d]"""
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
    def forward(s, x, cos, sin, plan, rows=None):
        """x [tokens, d]. plan: attention calls (rows from, to, keys from, to, mask or None for causal); with rows only those tokens go on"""
        c = s.c; n = s.input_layernorm(x); nq, g = c.h * s.hd, c.h // c.kv; w, b = s.qkv.w(), s.qkv.bias
        if rows is None:
            y = F.linear(n, w, b).view(len(x), -1, s.hd)
            q, k = rope(y[:, :c.h + c.kv], cos, sin).split((c.h, c.kv), 1); v = y[:, c.h + c.kv:]
        else:
            q = rope(F.linear(n[rows], w[:nq], b[:nq]).view(len(rows), c.h, s.hd), cos[rows], sin[rows])
            y = F.linear(n, w[nq:], b[nq:]).view(len(x), -1, s.hd); k, v = rope(y[:, :c.kv], cos, sin), y[:, c.kv:]; x = x[rows]
        # Plain products: torch's own attention is slow for heads this small on a CPU, above all backwards in bfloat16.
        k, v = k.transpose(0, 1), v.transpose(0, 1); q = (q * s.hd ** -.5).to(k.dtype).view(len(q), c.kv, g, s.hd).permute(1, 2, 0, 3); o = []
        for a, b, i, j, m in plan:
            if m is None: m = torch.ones(b - a, j - i, dtype=torch.bool, device=x.device).tril_()
            unseen = torch.zeros(m.shape, dtype=q.dtype, device=x.device).masked_fill_(~m, -30000.).repeat(g, 1)[None]
            z = torch.baddbmm(unseen, q[:, :, a:b].reshape(c.kv, -1, s.hd), k[:, i:j].transpose(1, 2)).softmax(-1).to(v.dtype) @ v[:, i:j]
            o.append(z.view(c.kv, g, b - a, s.hd).permute(2, 0, 1, 3).reshape(b - a, -1))
        x = x + s.o_proj(torch.cat(o))
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
    def angles(s, pos):
        """cosine and sine [tokens, 1, head/2] for positions [3, tokens]"""
        hd = s.c.d // s.c.h
        inv = 1 / s.c.theta ** (torch.arange(0, hd, 2, device=pos.device).float() / hd)
        f = pos.float()[..., None] * inv
        f = torch.cat([m[i] for i, m in enumerate(f.split(tuple(s.c.sect), -1))], -1)[:, None]
        return f.cos(), f.sin()
    def decode(s, ve, q):
        """merged tokens of all pairs [n, d] and a Packed -> hidden states of the rows it asks for"""
        x = torch.cat((s.embed_tokens(q.ids), ve))[q.order]; cos, sin = s.angles(q.pos)
        for l in s.layers[:-1]: x = l(x, cos, sin, q.plan)
        return s.norm(s.layers[-1](x, cos, sin, q.last, q.rows))
    def logits(s, ve, q): return F.linear(s.decode(ve, q), s.embed_tokens.weight)
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
    """The model of a checkpoint, ready for inference, and the text its tokenizer was made from."""
    z = torch.load(path, weights_only=True, map_location="cpu"); m = Model(Cfg(**z["cfg"])); m.load_state_dict(z["model"]); return m.eval(), z["words"]
