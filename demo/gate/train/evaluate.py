"""Greedy evaluation of a checkpoint in F32 on the clips of demo/gate/eval, row by row the same; --json writes its Reference.

    python evaluate.py runs/gate/last.pt --n 1000 --seed 1 --json f32.json

A text is decoded by checking the true answer first: as long as the greedy token is the true one, both are the same. Only wrong
answers are then generated token by token."""
import argparse, json
import numpy as np, torch
from batch import Batch, PROMPTS, ask
from feed import Feed, build
from model import Linear, load, q4_0
from sequence import BOX, Words
from tokenizer import END, Tokenizer

MOST = 80
MOTIONS = "still left right closer away arrives leaves crosses puts takes enters exits isput istaken".split()
CLASSES = "person car dog cat bicycle parcel".split()
FLIPS = {"left": "left/right", "closer": "closer/away", "arrives": "arrives/leaves", "puts": "leaves/takes a parcel", "enters": "goes in/comes out"}
OPPOSITE = {"right": "left", "away": "closer", "leaves": "arrives", "takes": "puts", "exits": "enters"}
TASKS = {"yesno": "yes/no", "choice": "choice", "number": "number", "boxes": "boxes, IoU >= 0.5", "order": "order of events", "free": "free questions"}
ORDER = ["exact description", "motion direction", "reversed clip flips", *("flips: " + v for v in FLIPS.values()), "flips: opens/closes", "yes/no", "yes/no where it is no", "choice",
         "number", "boxes, IoU >= 0.5", "order of events", "order, temporal indices equal", "order, temporal indices reversed", "free questions",
         "exact, 60 % of unchanged tokens dropped", "exact, all unchanged tokens dropped", "exact, reversed clip", "exact, 2 frames", "exact, 4 to 6 frames", "exact, 8 frames",
         "exact, 10 to 16 frames", "exact, 18 to 32 frames", "object and colour", "door or gate and state"]


@torch.no_grad()
def answers(m, words, b, questions, **how):
    """what the model says to each clip's (question, true answer) pairs"""
    ve = m.visual(b.p).view(-1, m.c.d); q = ask(m, b, words, questions, **how); z = m.logits(ve, q).argmax(-1)
    res = by_question(z, q, questions); end = words.tok.ids[END]; said = [[None] * len(qs) for qs in questions]; open_ = []
    for i, qs in enumerate(questions):
        for j, (_, a) in enumerate(qs):
            true = words.tok.encode(a + END); got = res[i][j]; n = next((k for k in range(len(true)) if got[k] != true[k]), len(true))
            said[i][j] = true[:-1] if n == len(true) else got[:n + 1]
            if n < len(true) and got[n] != end: open_.append((i, j))
    for _ in range(MOST):                                   # the wrong ones go on token by token
        if not open_: break
        which = sorted({i for i, _ in open_}); js = [[j for k, j in open_ if k == i] for i in which]
        q = ask(m, b.some(which), words, [[questions[i][j] for j in jj] for i, jj in zip(which, js)], open=True, answers=[[said[i][j] for j in jj] for i, jj in zip(which, js)], **how)
        open_ = []
        for t, (s, k) in zip(m.logits(ve, q).argmax(-1).tolist(), q.owner):
            i, j = which[s], js[s][k]
            if t != end: said[i][j] = said[i][j] + [t]; open_.append((i, j))
        open_ = [x for x in open_ if len(said[x[0]][x[1]]) < MOST]
    return [[words.tok.decode([t for t in s if t != end]) for s in ss] for ss in said]


def by_question(z, q, questions):
    out = [[[] for _ in qs] for qs in questions]
    for t, (i, j) in zip(z.tolist(), q.owner): out[i][j].append(t)
    return out


def parse(text):
    """what a description claims: {thing: (colour, what it does)}"""
    out = {}
    for s in text.split("."):
        w = s.split()
        if len(w) < 3: continue
        if w[0] in ("A", "An") and len(w) > 4 and w[2] == "in": out[w[1]] = (w[3], " ".join(w[4:]))
        elif w[0] in ("A", "An") and len(w) > 3: out[w[2]] = (w[1], " ".join(w[3:]))
        elif w[0] == "The": out[w[1]] = ("", " ".join(w[2:]))
    return out


def does(phrase, truth, motion):
    """whether the phrase says so; a parcel is left or taken whatever parcel is meant"""
    return phrase.startswith({"puts": "leaves a", "takes": "takes a"}[motion]) if motion in ("puts", "takes") else phrase == truth


def iou(truth, got):
    a, b = BOX.search(truth), BOX.findall(got)
    if len(b) != 1 or a[1] != b[0][0]: return 0.
    a, b = [int(x) for x in a.groups()[1:]], [int(x) for x in b[0][1:]]
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1]); area = lambda r: (r[2] - r[0]) * (r[3] - r[1])
    return 0. if w <= 0 or h <= 0 else w * h / (area(a) + area(b) - w * h)


def length_row(n):
    return f"exact, {n} frames" if n in (2, 8) else "exact, 4 to 6 frames" if n <= 6 else "exact, 10 to 16 frames" if n <= 16 else "exact, 18 to 32 frames"


class Score:
    def __init__(self): self.rows, self.misses, self.tokens = {}, [], [0, 0, 0]
    def note(self, row, ok): r = self.rows.setdefault(row, [0, 0]); r[0] += bool(ok); r[1] += 1
    def same(self, row, c, q, truth, got):
        self.note(row, got == truth)
        if got != truth: self.misses.append({"i": c.info["i"], "row": row, "q": q, "truth": truth, "got": got})
    def clip(self, c, fwd, back, some, none, said, equal, rev):
        x = c.info; P = PROMPTS[0]; cap = x["caption"]
        self.same("exact description", c, P, cap, fwd); self.same("exact, reversed clip", c, P, x["reversed"], back); self.note(length_row(x["frames"]), fwd == cap)
        self.same("exact, 60 % of unchanged tokens dropped", c, P, cap, some); self.same("exact, all unchanged tokens dropped", c, P, cap, none)
        F, B, TF, TB = parse(fwd), parse(back), parse(cap), parse(x["reversed"]); nothing = ("", "")
        for ci, _, mi in x["objects"]:
            mo, name = MOTIONS[mi], CLASSES[ci]
            if mo in ("isput", "istaken"): continue
            got = F.get(name, nothing); self.note("object and colour", name in F and got[0] == TF[name][0])
            if mo == "still": continue
            ok = does(got[1], TF[name][1], mo); self.note("motion direction", ok)
            if mo == "crosses": continue
            flip = ok and does(B.get(name, nothing)[1], TB[name][1], OPPOSITE.get(mo, "takes" if mo == "puts" else mo)); self.note("reversed clip flips", flip)
            self.note("flips: " + FLIPS[OPPOSITE.get(mo, mo)], flip)
        for name in ("door", "gate"):
            if name not in TF: continue
            ok = F.get(name, nothing)[1] == TF[name][1]; self.note("door or gate and state", ok)
            if TF[name][1] in ("opens", "closes"): flip = ok and B.get(name, nothing)[1] == TB[name][1]; self.note("reversed clip flips", flip); self.note("flips: opens/closes", flip)
        k = 0
        for t, a in zip(x["tasks"], said):
            row = TASKS[t["kind"]]
            if t["kind"] == "boxes":
                ok = iou(t["a"], a) >= .5; self.note(row, ok)
                if not ok: self.misses.append({"i": x["i"], "row": row, "q": t["q"], "truth": t["a"], "got": a})
                continue
            self.same(row, c, t["q"], t["a"], a)
            if t["a"] == "No.": self.note("yes/no where it is no", a == t["a"])
            if t["kind"] == "order": self.note("order, temporal indices equal", equal[k] == t["a"]); self.note("order, temporal indices reversed", rev[k] == t["a"]); k += 1


def part(m, words, binary, split, kind, n, seed, batch=24):
    f = Feed(binary, split, kind, seed=seed, n=n); clips = [f.clip() for _ in range(n)]; f.close(); clips.sort(key=lambda c: len(c.frames)); s = Score()
    for i in range(0, n, batch):
        cs = clips[i:i + batch]; b = Batch(m, cs); cap = [[(PROMPTS[0], c.info["caption"])] for c in cs]
        full = answers(m, words, b, [a + [(t["q"], t["a"]) for t in c.info["tasks"]] for a, c in zip(cap, cs)])
        back = answers(m, words, Batch(m, cs, backwards=True), [[(PROMPTS[0], c.info["reversed"])] for c in cs])
        some, none = (answers(m, words, b, cap, share=x, seed=seed) for x in (.6, 1.))
        od = [(k, [(t["q"], t["a"]) for t in c.info["tasks"] if t["kind"] == "order"]) for k, c in enumerate(cs)]; od = [x for x in od if x[1]]; eq, rv = {}, {}
        if od:
            b2 = Batch(m, [cs[k] for k, _ in od])
            for out, times in ((eq, "equal"), (rv, "reversed")): out.update(zip((k for k, _ in od), answers(m, words, b2, [q for _, q in od], times=times)))
        for k, c in enumerate(cs): s.clip(c, full[k][0], back[k][0], some[k][0], none[k][0], full[k][1:], eq.get(k), rv.get(k))
    return s


def main():
    ap = argparse.ArgumentParser(); A = ap.add_argument; A("checkpoint"); A("--n", type=int, default=1000); A("--seed", type=int, default=1); A("--feed", default="", help="the renderer, if it is built already")
    A("--q4", action="store_true", help="with weights rounded as in the 4-bit file"); A("--json", default=""); A("--misses", default="", help="write wrong answers to this file")
    a = ap.parse_args(); torch.set_num_threads(1); m, text = load(a.checkpoint); words = Words(Tokenizer(text)); binary = build(a.feed)
    if a.q4:
        with torch.no_grad():
            for x in m.modules():
                if isinstance(x, Linear): x.weight.copy_(q4_0(x.weight))
    test = part(m, words, binary, "test", "normal", a.n, a.seed); rows = {k: test.rows[k] for k in ORDER if k in test.rows}
    held = part(m, words, binary, "held", "normal", (a.n + 3) // 4, a.seed); still = part(m, words, binary, "test", "frozen", (a.n + 9) // 10, a.seed)
    rows |= {"held-out combinations: " + k: held.rows[k] for k in ORDER[:3] if k in held.rows}; rows["exact, still pictures"] = still.rows["exact description"]
    for k, (r, n) in rows.items(): print(f"{k:48s} {100 * r / n:5.1f} %  {r}/{n}")
    note = f"PyTorch {torch.__version__.split('+')[0]}, " + ("linear weights rounded to Q4_0" if a.q4 else "F32 weights")
    if a.json:
        with open(a.json, "w") as f: json.dump({"note": note, "n": a.n, "seed": a.seed, "rows": rows}, f, indent=1); f.write("\n")
    if a.misses:
        with open(a.misses, "w") as f: f.writelines(json.dumps({"part": p} | x) + "\n" for p, s in (("test", test), ("held", held), ("still", still)) for x in s.misses)


if __name__ == "__main__": main()
