"""Trains the demo model on the Go renderer's clips: first the vision tower on dense labels, then everything.

Data-parallel over --procs processes of one thread. All that happens follows from the options and the step number, so a run
that was stopped goes on from its last checkpoint as if it hadn't been. Each process draws its own scenes (seed*16 + rank)."""
import argparse, json, math, multiprocessing as mp, os, sys, time
from multiprocessing import shared_memory
import numpy as np
from feed import Feed, build
from tokenizer import Tokenizer, SYSTEM, BEFORE, END, after

LC, LQ = 32, 20                                        # room for prompt and answer: description, question
TOK = Tokenizer()
ids_of = lambda words: {TOK.ids[t] for w in words.split() for t in (w, "\u0120" + w) if t in TOK.ids}
MOTION = ids_of("stands moves left right comes goes closer away arrives leaves is open closed opens closes still")
HARD = ids_of("red blue green yellow white black Red Blue Green Yellow White Black person car dog parcel door gate "
              "Nothing None One Two Yes No Day Night")
DOT = TOK.encode(".")[0]


def texts(labels, questions, system):
    """ids [B, before + text], next-token labels (-100 off the answers), weight class (0 easy, 1 hard, 2 motion), len(before)"""
    pre = TOK.encode((SYSTEM if system else "") + BEFORE); k = len(pre)
    n = k + LC + (LQ if questions else 0); B = len(labels)
    ids = np.full((B, n), TOK.ids["<|endoftext|>"], np.int64); y = np.full((B, n), -100, np.int64); wc = np.zeros((B, n), np.int64)
    for b, l in enumerate(labels):
        ids[b, :k] = pre; p = k
        for q, a, room in [(l["prompt"], l["caption"], LC)] + ([(l["q"], l["a"], LQ)] if questions else []):
            x = TOK.encode(after(q)); z = TOK.encode(a + END); assert len(x) + len(z) <= room, (q, a)
            ids[b, p:p + len(x) + len(z)] = x + z
            at = p + len(x) - 1; y[b, at:at + len(z)] = z
            prev = DOT
            for i, t in enumerate(z):
                wc[b, at + i] = 2 if t in MOTION else 1 if t in HARD or prev == DOT else 0
                prev = t
            p += room
    return ids, y, wc, k


def options():
    ap = argparse.ArgumentParser(); A = ap.add_argument
    A("--run", default="runs/demo", help="folder for checkpoints and the log"); A("--seed", type=int, default=1); A("--procs", type=int, default=2)
    A("--pre_steps", type=int, default=4300, help="steps on the vision tower alone"); A("--steps", type=int, default=3700, help="steps on everything")
    A("--pre_share", type=float, default=.4, help="share of the learning-rate cosine spent on the vision tower")
    A("--B", type=int, default=8, help="scenes a step and process"); A("--lr", type=float, default=1.5e-3); A("--wd", type=float, default=.05); A("--warm", type=int, default=400)
    A("--coarse", type=float, default=.85, help="from this share of the joint steps on, weights are rounded to 4 bits in the forward pass")
    A("--empty", type=float, default=.3, help="weight of empty cells"); A("--words", default="0.2,1,2", help="loss weights of easy, hard and motion words")
    A("--pca_eps", type=float, default=.02); A("--eval_every", type=int, default=500); A("--neval", type=int, default=128); A("--save_every", type=int, default=100)
    A("--stop", type=int, default=0, help="stop after this step (for tests)")
    return ap.parse_args()


def main():
    a = options(); P, rank = a.procs, 0
    os.makedirs(a.run, exist_ok=True); ckpt = os.path.join(a.run, "last.pt")
    feed_bin = build(os.path.join(a.run, "feed")); total = a.pre_steps + a.steps
    for k in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"): os.environ[k] = "1"
    NMAX = 6_000_000; bar = mp.get_context("fork").Barrier(P)
    shm = shared_memory.SharedMemory(create=True, size=2 * P * NMAX * 4)
    for r in range(1, P):
        if os.fork() == 0: rank = r; break
    wait = lambda: bar.wait(900)                        # a lost process ends the others
    import torch, torch.nn as nn, torch.nn.functional as F
    from model import Model, Cfg, Linear
    torch.set_num_threads(1); torch.manual_seed(a.seed)
    cfg = Cfg(vocab=len(TOK.tokens)); m = Model(cfg); heads = nn.Linear(cfg.d, 5 + 6 + 5 + 3 + 4 + 2)
    params = list(m.parameters()) + list(heads.parameters())
    opt = torch.optim.AdamW([{"params": [p for p in params if p.dim() > 1]}, {"params": [p for p in params if p.dim() < 2], "weight_decay": 0}],
                            lr=a.lr, betas=(.9, .98), weight_decay=a.wd, fused=True)
    say = lambda *x: rank == 0 and (print(*x, flush=True), open(os.path.join(a.run, "log.txt"), "a").write(" ".join(map(str, x)) + "\n"))
    step = 0
    if os.path.exists(ckpt):
        z = torch.load(ckpt, weights_only=True); m.load_state_dict(z["model"]); heads.load_state_dict(z["heads"]); opt.load_state_dict(z["opt"]); step = z["step"]
        say(f"resumed at step {step}")
    else:
        whiten(m, feed_bin, a, torch)
        say(json.dumps(vars(a)), f"torch {torch.__version__} params {sum(p.numel() for p in m.parameters())}")
    def save(name):
        if rank: return
        torch.save({"model": m.state_dict(), "cfg": {k: getattr(cfg, k) for k in "px vd vl vh d L h kv inter vocab theta sect eps".split()},
                    "heads": heads.state_dict(), "opt": opt.state_dict(), "step": step}, name + ".tmp"); os.replace(name + ".tmp", name)

    # Gradients are averaged through shared memory, in rank order, so that all processes hold the same numbers.
    def views(par, r):
        t = torch.from_numpy(np.ndarray((NMAX,), np.float32, shm.buf, offset=(par * P + r) * NMAX * 4)); out, o = [], 0
        for p in params: out.append(t[o:o + p.numel()].view_as(p)); o += p.numel()
        return out
    buf = [[views(par, r) for r in range(P)] for par in range(2)]; where = {id(p): i for i, p in enumerate(params)}
    def average(par):
        live = [p for p in params if p.grad is not None]; at = [where[id(p)] for p in live]; g = [p.grad for p in live]
        torch._foreach_copy_([buf[par][rank][i] for i in at], g); wait()
        torch._foreach_copy_(g, [buf[par][0][i] for i in at])
        for r in range(1, P): torch._foreach_add_(g, [buf[par][r][i] for i in at])
        torch._foreach_mul_(g, 1 / P)

    nv = cfg.px // 28; nv *= nv; layouts = {}
    def layout(*k):
        if k not in layouts: layouts[k] = m.layout(k[0], k[1], list(k[2:]))
        return layouts[k]
    ce = lambda z, y, w=None: F.cross_entropy(z.flatten(0, -2), y.flatten(), w, ignore_index=-100)
    w5 = torch.tensor([a.empty, 1, 1, 1, 1]); w3 = torch.tensor([a.empty, 1, 1]); wt = torch.tensor([float(x) for x in a.words.split(",")])
    def dense(ve, L, O):
        z = heads(ve); on = L[..., 1] >= 0; d = L[..., 4]
        return {"cls": ce(z[..., :5], L[..., 0], w5), "col": ce(z[..., 5:11], L[..., 1]) if on.any() else z.sum() * 0,
                "step": ce(z[..., 11:16], L[..., 2]) if on.any() else z.sum() * 0, "door": ce(z[..., 16:19], L[..., 3], w3),
                "dstep": ce(z[..., 19:23], d) if (d >= 0).any() else z.sum() * 0,
                "off": .5 * (z[..., 23:][on] - O[on]).abs().mean() if on.any() else z.sum() * 0}
    test = None
    def evaluate():
        """teacher-forced on unseen backgrounds; exact is the same as greedy decoding would give"""
        nonlocal test
        if test is None: f = Feed(feed_bin, "test", seed=9001, n=a.neval); test = f.batch(a.neval); f.close()
        m.eval(); out = {}
        for name, rev in (("test", False), ("reversed", True)):
            ok = []; mot = []
            for i in range(0, a.neval, 32):
                V = test[0][i:i + 32]; lab = [{**l, "prompt": "What is happening?", "caption": l["reversed"] if rev else l["caption"]} for l in test[3][i:i + 32]]
                ids, y, wc, k = texts(lab, False, True); y, wc = y[:, k:], wc[:, k:]
                with torch.no_grad():
                    ve = m.visual(m.visual.patchify(torch.from_numpy(V[:, ::-1].copy() if rev else V))).view(len(V), -1, cfg.d)
                    h = m.decode(ve, torch.from_numpy(ids), k, layout(k, 4, LC))
                    p = F.linear(h[:, k + 4 * nv:], m.embed_tokens.weight).argmax(-1).numpy()
                ok.append(((p == y) | (y < 0)).all(1)); mot.append((p == y)[wc == 2])
            out[name] = f"exact {100 * np.concatenate(ok).mean():.1f} motion words {100 * np.concatenate(mot).mean():.1f}"
        m.train(); return "; ".join(f"{k} {v}" for k, v in out.items())

    feeds = {}
    def batch(kind, k):
        """batch number k of a kind; a feed goes on where the last step left it"""
        if kind not in feeds: feeds[kind] = Feed(feed_bin, kind=kind, seed=a.seed * 16 + rank, first=k * a.B)
        return feeds[kind].batch(a.B)
    run = {}; t0 = time.time(); s0 = step; starved = 0.0
    while step < total:
        pre = step < a.pre_steps; j = step - a.pre_steps
        pg = a.pre_share * step / max(1, a.pre_steps) if pre else a.pre_share + (1 - a.pre_share) * j / max(1, a.steps)
        lr = a.lr * min(1, (step + 1) / a.warm) * (.02 + .98 * .5 * (1 + math.cos(math.pi * pg)))
        if not pre: lr *= min(1, 2 * (j + 1) / a.warm)         # a short second warm-up when the decoder joins
        for g in opt.param_groups: g["lr"] = lr
        Linear.coarse = not pre and j >= a.coarse * a.steps
        still = not pre and j % 16 == 15                       # one step in 16 on stills, one in 8 without a system turn
        if not pre and "dense" in feeds: feeds.pop("dense").close()
        t1 = time.time(); V, L, O, lab = batch("dense", step) if pre else batch("frozen", j // 16) if still else batch("normal", j - j // 16); starved += time.time() - t1
        pairs = 4
        if still: V, L, O, pairs = np.repeat(V[:, :1], 2, 1), L[:, :nv], O[:, :nv], 1
        L = torch.from_numpy(L.astype(np.int64)); L[L < 0] = -100; O = torch.from_numpy(O)
        ve = m.visual(m.visual.patchify(torch.from_numpy(V))).view(a.B, -1, cfg.d)
        ls = dense(ve, L, O)
        if not pre:
            ids, y, wc, k = texts(lab, True, j % 8 != 3)
            h = m.decode(ve, torch.from_numpy(ids), k, layout(k, pairs, LC, LQ))
            y = torch.from_numpy(y[:, k:].reshape(-1)); on = y >= 0     # only answers reach the output layer
            lg = F.linear(h[:, k + pairs * nv:].reshape(-1, cfg.d)[on], m.embed_tokens.weight); w = wt[torch.from_numpy(wc[:, k:].reshape(-1))[on]]
            ls["cap"] = (F.cross_entropy(lg, y[on], reduction="none") * w).sum() / w.sum()
        opt.zero_grad(set_to_none=True); sum(ls.values()).backward(); average(step & 1)
        gn = nn.utils.clip_grad_norm_(params, 1.0); opt.step(); step += 1
        if not still:
            for q, v in ls.items(): run[q] = .95 * run.get(q, v.item()) + .05 * v.item()
        if step % 100 == 0 or step - s0 == 20:
            el = time.time() - t0
            say(f"step {step} scenes {step * a.B * P} {(step - s0) * a.B * P / el:.1f}/s starved {starved / el:.2f} lr {lr:.1e} gn {gn:.2f} " + " ".join(f"{q} {v:.3f}" for q, v in run.items()))
        if step % a.save_every == 0 or step == total: save(ckpt)
        if step == a.pre_steps: save(os.path.join(a.run, "vision.pt"))
        if not pre and (step % a.eval_every == 0 or step == total):
            if rank == 0: say("  ", evaluate())
            wait()
        if step == a.pre_steps or step % 500 == 0: t0, s0, starved = time.time(), step, 0.0
        if step == a.stop: save(ckpt); break
    for f in feeds.values(): f.close()
    wait()
    if rank: os._exit(0)
    say("done"); shm.close(); shm.unlink()


def whiten(m, feed_bin, a, torch):
    """Starts the patch embedding as PCA whitening of the pairs' sum and difference."""
    f = Feed(feed_bin, seed=a.seed * 16 + 15, n=96); X = torch.cat([m.visual.patchify(torch.from_numpy(f.batch(8)[0])) for _ in range(12)]); f.close()
    X = X.reshape(-1, 3, 2, 196); vd = m.c.vd; ns = round(vd * .56); rows = []
    for sign, k in ((1, ns), (-1, vd - ns)):
        Z = ((X[:, :, 0] + sign * X[:, :, 1]) / 2 ** .5).flatten(1); Z = Z - Z.mean(0)
        ev, U = torch.linalg.eigh(Z.T @ Z / len(Z)); ev, U = ev.flip(0)[:k], U.flip(1)[:, :k]
        R = (U / (ev + a.pca_eps).sqrt()).T.reshape(k, 3, 1, 196) / 2 ** .5
        rows.append(torch.cat((R, sign * R), 2).reshape(k, 1176))
    with torch.no_grad(): m.visual.patch_embed.proj.weight.copy_(torch.cat(rows))


if __name__ == "__main__": main()
