"""Trains the gate model on the Go renderer's clips: first the vision tower on dense labels, then everything.

    python train.py --run runs/gate

Two streams of scenes, seeded seed*16 and seed*16+1: on a CPU each has a process of one thread, on a GPU one process takes both. All
that happens follows from the options and the step number, so a run that was stopped goes on from its last checkpoint as if
it hadn't been."""
import argparse, json, math, multiprocessing as mp, os, platform, signal, sys, time
from multiprocessing import shared_memory
import numpy as np

STREAMS = 2


def options(argv=None):
    ap = argparse.ArgumentParser(); A = ap.add_argument
    A("--run", default="runs/gate", help="folder for checkpoints and the log"); A("--seed", type=int, default=1)
    A("--procs", type=int, default=2, help="processes on a CPU: 1 or 2"); A("--cpu", action="store_true", help="even if there is a GPU")
    A("--bf16", choices=("auto", "yes", "no"), default="auto", help="products in bfloat16; auto: where the processor multiplies it")
    A("--pre_steps", type=int, default=12000, help="steps on the vision tower alone"); A("--steps", type=int, default=20000, help="steps on everything")
    A("--pre_share", type=float, default=.4, help="share of the learning-rate cosine spent on the vision tower")
    A("--B", type=int, default=8, help="scenes a step and stream"); A("--tasks", type=int, default=8, help="tasks a scene, besides the description"); A("--more", type=int, default=4, help="yes/no questions a scene, beside those of an evaluation")
    A("--teacher", default="", help="the model as --from takes it whose fresh windows rolling ones are to agree with (rolling.py)"); A("--agree", type=float, default=1., help="weight of that")
    A("--long", type=int, default=2, help="parts of clips of 32 frames a step and stream for it")
    A("--lr", type=float, default=1.5e-3); A("--wd", type=float, default=.05); A("--warm", type=int, default=400)
    A("--coarse", type=float, default=.87, help="from this share of the joint steps on, weights are rounded to 4 bits in the forward pass")
    A("--empty", type=float, default=.3, help="weight of empty cells"); A("--words", default="0.2,1,2,1,3", help="loss weights of easy, hard and motion words, of digits, of yes and no, and a factor for answers on the order of events")
    A("--late", default="0.2,1,3,2,1.5,3", help="the same from joint step --turn on"); A("--turn", type=int, default=15000)
    A("--pca_eps", type=float, default=.02); A("--eval_every", type=int, default=500); A("--neval", type=int, default=128)
    A("--save_minutes", type=float, default=5); A("--stop", type=int, default=0, help="stop after this step (for tests)")
    A("--model", default="{}", help="JSON: other sizes than model.Cfg's"); A("--from", default="", dest="start", help="go on from an exported model (a folder: ../../model is the committed one) or from another run's checkpoint, with a schedule of its own")
    return ap.parse_args(argv)


class Together:
    """The processes of a run: they meet at barriers and average in rank order, so that all hold the same numbers. A pause of any
    length does no harm; if one process dies the others end too."""
    ROOM = 12_000_000
    def __init__(self, P):
        self.P, self.rank, ctx = P, 0, mp.get_context("fork"); self.bar = ctx.Barrier(P)
        self.shm = shared_memory.SharedMemory(create=True, size=2 * P * self.ROOM * 4); kids = []; parent = os.getpid()
        for r in range(1, P):
            pid = os.fork()
            if pid == 0:
                self.rank = r; kids = []
                import ctypes; ctypes.CDLL(None).prctl(1, signal.SIGKILL)              # die with the parent
                if os.getppid() != parent: os._exit(1)
                break
            kids.append(pid)
        def lost(*_):
            for k in kids:
                if os.waitpid(k, os.WNOHANG)[0]: print("a process of the run died", file=sys.stderr); self.shm.unlink(); os._exit(1)
        self.kids = kids
        if kids: signal.signal(signal.SIGCHLD, lost)
    def wait(self):
        if self.P > 1: self.bar.wait()
    def view(self, half, r): return np.ndarray((self.ROOM,), np.float32, self.shm.buf, offset=(half * self.P + r) * self.ROOM * 4)
    def sum(self, x):
        """the sum over processes of a short list of numbers"""
        self.wait(); self.view(0, self.rank)[:len(x)] = x; self.wait()
        out = sum(self.view(0, r)[:len(x)] for r in range(self.P)).tolist(); self.wait(); return out
    def end(self):
        self.wait()
        if self.rank: os._exit(0)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for k in self.kids: os.waitpid(k, 0)
        self.shm.close(); self.shm.unlink()


class Averager:
    def __init__(self, torch, team, params):
        self.torch, self.team, self.params = torch, team, params; self.half = 0
        def views(half, r):
            t = torch.from_numpy(team.view(half, r)); out, o = [], 0
            for p in params: out.append(t[o:o + p.numel()].view_as(p)); o += p.numel()
            assert o <= team.ROOM; return out
        self.buf = [[views(h, r) for r in range(team.P)] for h in range(2)]
    def __call__(self):
        """averages the gradients; two halves in turn, so that one barrier a step is enough"""
        if self.team.P == 1: return
        at = [i for i, p in enumerate(self.params) if p.grad is not None]; g = [self.params[i].grad for i in at]; buf = self.buf[self.half]; self.half ^= 1
        self.torch._foreach_copy_([buf[self.team.rank][i] for i in at], g); self.team.wait()
        self.torch._foreach_copy_(g, [buf[0][i] for i in at])
        for r in range(1, self.team.P): self.torch._foreach_add_(g, [buf[r][i] for i in at])
        self.torch._foreach_mul_(g, 1 / self.team.P)


def rate(a, step):
    """the learning rate: one cosine over both phases, with a short second warm-up when the decoder joins"""
    pre = step < a.pre_steps; j = step - a.pre_steps
    at = a.pre_share * step / max(1, a.pre_steps) if pre else a.pre_share + (1 - a.pre_share) * j / max(1, a.steps)
    lr = a.lr * min(1, (step + 1) / a.warm) * (.02 + .98 * .5 * (1 + math.cos(math.pi * at)))
    return lr if pre else lr * min(1, 2 * (j + 1) / a.warm)


def main():
    a = options(); os.makedirs(a.run, exist_ok=True); ckpt = os.path.join(a.run, "last.pt")
    for k in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"): os.environ[k] = "1"
    from feed import Batches, build, words as corpus
    binary = build(os.path.join(a.run, "feed")); gpu = not a.cpu and os.path.exists("/dev/nvidiactl")
    team = Together(1 if gpu else a.procs); rank = team.rank
    import torch, torch.nn as nn, torch.nn.functional as F
    from batch import Batch, echoes, teach
    from check import Checker
    from heads import Heads
    from model import Cfg, Linear, Model
    from restore import restore
    from rolling import agree, part, windows
    from sequence import Words
    from tokenizer import Tokenizer
    dev = "cuda" if gpu and torch.cuda.is_available() else "cpu"; torch.set_num_threads(1); torch.manual_seed(a.seed)
    bf16 = a.bf16 == "yes" or a.bf16 == "auto" and (dev == "cuda" or torch.cpu._is_avx512_bf16_supported())
    old = torch.load(ckpt, weights_only=True) if os.path.exists(ckpt) else None
    text = old["words"] if old else corpus(binary)
    tok = Tokenizer(text); words, late = (Words(tok, *[float(x) for x in w.split(",")]) for w in (a.words, a.late))
    m = Model(Cfg(vocab=len(tok.tokens), **json.loads(a.model))); heads = Heads(m.c.d, a.empty, m.c.grid); step = 0
    def say(*x):
        if rank: return
        print(*x, flush=True)
        with open(os.path.join(a.run, "log.txt"), "a") as f: f.write(" ".join(map(str, x)) + "\n")
    if not old:
        if a.start:
            given, z = restore(a.start); m.load_state_dict(given.state_dict())
            if z: heads.start(z)
        else: whiten(m, binary, a, torch)
        say(json.dumps(vars(a)), json.dumps(m.c.dict()), f"params {sum(p.numel() for p in m.parameters())} words {len(tok.words)}",
            f"python {platform.python_version()} torch {torch.__version__} numpy {np.__version__} {dev} {platform.machine()} {'bfloat16' if bf16 else 'float32'}")
    teacher = restore(a.teacher)[0].to(dev).eval() if a.teacher else None
    m.to(dev); heads.to(dev); params = list(m.parameters()) + list(heads.parameters())
    opt = torch.optim.AdamW([{"params": [p for p in params if p.dim() > 1]}, {"params": [p for p in params if p.dim() < 2], "weight_decay": 0}],
                            lr=a.lr, betas=(.9, .98), weight_decay=a.wd, fused=True)
    if old: m.load_state_dict(old["model"]); heads.load_state_dict(old["heads"]); opt.load_state_dict(old["opt"]); step = old["step"]; say(f"resumed at step {step}"); old = None
    def save(name):
        if rank == 0:
            torch.save({"model": m.state_dict(), "cfg": m.c.dict(), "words": text, "heads": heads.state_dict(), "opt": opt.state_dict(), "step": step}, name + ".tmp"); os.replace(name + ".tmp", name)
    average = Averager(torch, team, params); checker = Checker(binary, a.neval, rank, team.P, team.sum, dev)
    streams = [s for s in range(STREAMS) if s % team.P == rank]; feeds = {}
    def take(kind, k):
        """batch number k of a kind, of all streams of this process; a feed goes on where the last step left it"""
        if kind not in feeds:                                    # short clips are the hardest: a pair shows a motion's beginning
            B, name, frames, other = {"frozen": (1, kind, 0, 0), "short": (4, "normal", 2, 8), "long": (a.long, "normal", 32, 12)}.get(kind, (a.B, kind, 0, 0))
            feeds[kind] = [Batches(binary, B, k, kind=name, frames=frames, seed=a.seed * 16 + other + s, more=0 if kind == "dense" else a.more) for s in streams]
        return [c for f in feeds[kind] for c in f.next()]
    half = lambda: torch.autocast(dev, torch.bfloat16, enabled=bf16)
    total = a.pre_steps + a.steps; run = {}; t0 = saved = time.time(); s0 = step; starved = 0.
    while step < total:
        pre = step < a.pre_steps; j = step - a.pre_steps; lr = rate(a, step)
        for g in opt.param_groups: g["lr"] = lr
        Linear.coarse = not pre and j >= a.coarse * a.steps
        if j >= a.turn: words = late
        if not pre and "dense" in feeds:
            for f in feeds.pop("dense"): f.close()
        t1 = time.time()
        clips = take("dense", step) if pre else take("normal", j) + take("frozen" if j % 2 else "short", j // 2); starved += time.time() - t1
        rng = np.random.default_rng([a.seed, step, rank]); b = Batch(m, clips, dev, echoes={} if pre else echoes(rng, clips))
        with half(): ve = m.visual(b.p).view(-1, m.c.d)
        ve = ve.float(); ls = heads.loss(ve[:b.cells_n], *b.cells())
        if not pre:                                              # one step in 8 without a system turn
            q = teach(m, b, words, rng, j % 8 != 3, a.tasks)
            with half(): h = m.decode(ve, q); z = F.linear(h, m.embed_tokens.weight)
            ls["told"] = heads.told(h[q.boxes].float(), q.edges)
            if teacher:
                b = Batch(m, [part(rng, c) for c in take("long", j)], dev); both, fresh = windows(m, b, words, rng, j % 8 != 3)
                with half(): z2 = F.linear(m.decode(m.visual(b.p).view(-1, m.c.d).float(), both), m.embed_tokens.weight)
                with half(), torch.no_grad(): taught = teacher.logits(teacher.visual(b.p).view(-1, m.c.d).float(), fresh)
                loss, same, of = agree(z2, taught, both); ls["agree"] = a.agree * loss; run["same"] = .99 * run.get("same", same / of) + .01 * same / of
            ls["text"] = (F.cross_entropy(z.float(), q.y, reduction="none") * q.w).sum() / q.w.sum()
        opt.zero_grad(set_to_none=True); sum(ls.values()).backward(); average()
        gn = nn.utils.clip_grad_norm_(params, 1.0); opt.step(); step += 1
        for k, v in ls.items(): run[k] = .95 * run.get(k, v.item()) + .05 * v.item()
        if step % 100 == 0 or step - s0 == 20:
            n = (step - s0) * a.B * STREAMS; el = time.time() - t0
            say(f"step {step} {n / el:.1f} scenes/s starved {starved / el:.2f} lr {lr:.1e} gn {gn:.2f} " + " ".join(f"{k} {v:.3f}" for k, v in run.items()))
        if step == a.pre_steps: save(os.path.join(a.run, "vision.pt"))
        if step % a.eval_every == 0 or step == total:
            for line in checker.cells(m, heads) if pre else checker.texts(m, words): say("  ", line)
        if step % 500 == 0 or step == a.pre_steps: t0, s0, starved = time.time(), step, 0.
        if time.time() - saved > 60 * a.save_minutes or step in (a.pre_steps, total, a.stop): save(ckpt); saved = time.time()
        if step == a.stop: break
    for f in sum(feeds.values(), []): f.close()
    say("done" if step == total else "stopped"); team.end()


def whiten(m, binary, a, torch):
    """Starts the patch embedding as PCA whitening of the pairs' sum and difference."""
    from feed import Feed
    f = Feed(binary, seed=a.seed * 16 + 15, n=96); X = torch.cat([m.visual.patchify(torch.from_numpy(f.clip().frames[:8].copy())).flatten(0, 1) for _ in range(96)]); f.close()
    X = X.reshape(-1, 3, 2, 196); vd = m.c.vd; ns = round(vd * .56); rows = []
    for sign, k in ((1, ns), (-1, vd - ns)):
        Z = ((X[:, :, 0] + sign * X[:, :, 1]) / 2 ** .5).flatten(1); Z = Z - Z.mean(0)
        ev, U = torch.linalg.eigh(Z.T @ Z / len(Z)); ev, U = ev.flip(0)[:k], U.flip(1)[:, :k]
        R = (U / (ev + a.pca_eps).sqrt()).T.reshape(k, 3, 1, 196) / 2 ** .5
        rows.append(torch.cat((R, sign * R), 2).reshape(k, 1176))
    with torch.no_grad(): m.visual.patch_embed.proj.weight.copy_(torch.cat(rows))


if __name__ == "__main__": main()
