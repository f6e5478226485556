"""Lays clips and texts out as one flat list of tokens: text prefix, vision tokens, then text branches that see the prefix and the
vision tokens but not one another. Vision tokens may be left out or start late; positions are the engine's."""
import re
import numpy as np, torch
from tokenizer import SYSTEM, BEFORE, END, after

BOX = re.compile(r"<\|object_ref_start\|>(\w+)<\|object_ref_end\|><\|box_start\|>\((\d+),(\d+)\),\((\d+),(\d+)\)<\|box_end\|>")
EASY = "A a The the in is are It There . , and or <|im_end|>".split()
MOTION = "stands moves left right comes goes closer away still arrives leaves crosses opens closes open closed takes out arriving leaving opening closing".split()


class Words:
    """The tokenizer, and how much each answer token weighs in the loss."""
    def __init__(self, tok, easy=.2, hard=1., motion=2., digit=.6, yes=1., order=1.):
        self.tok, self.easy, self.hard, self.digit, self.order = tok, easy, hard, digit, order
        both = lambda names: [tok.ids[t] for w in names for t in (w, "\u0120" + w) if t in tok.ids]
        self.w = np.full(len(tok.tokens), hard, np.float32); self.w[both(EASY)] = easy; self.w[both(MOTION)] = motion; self.w[both(["Yes", "No"])] = yes
        self.dot = tok.encode(".")[0]; self.cache = {}; self.digits = set(tok.encode("0123456789"))
        self.prefix = {s: tok.encode((SYSTEM if s else "") + BEFORE) for s in (True, False)}

    def branch(self, q, a):
        """(prompt ids, answer ids with the end token, weights, of a box where its numbers begin and its edges, else None)"""
        x = self.cache.get(q)
        if x is None: x = self.cache[q] = self.tok.encode(after(q))
        z = self.tok.encode(a + END); w = self.w[z]
        place = None
        if m := BOX.search(a):                          # hundreds matter most, and every number ends in 0
            w = np.full(len(z), self.easy, np.float32); first = []; k = 0
            for i, t in enumerate(z):
                k = k + 1 if t in self.digits else 0
                if k: w[i] = self.digit * (4, 1.5, .3)[min(k, 3) - 1]
                if k == 1: first.append(i)
            place = first, [int(v) / 1000 for v in m.groups()[1:]]
        else:
            for i in range(1, len(z)):                  # what follows a sentence says how many there are
                if z[i - 1] == self.dot: w[i] = max(w[i], self.hard)
            if q.startswith("What came first"): w = w * self.order
        return x, z, w, place


class Seq:
    """One clip's sequence. keep: bool [pairs, cells], ts: time index of each pair, late: free positions before the text, past: cells of
    whole pairs that came before; the clip's cells have seen them, the branches don't. cells: [pairs, cells] vision tokens, else those from `first` on."""
    def __init__(self, pre, first, keep, branches, ts=None, late=0, past=None, cells=None):
        self.pre, self.keep, self.branches, self.late, self.past = pre, keep, branches, late, past; n = keep.shape[1]
        self.cells = first + np.arange(keep.size).reshape(-1, n) if cells is None else cells
        self.ts = np.arange(len(keep)) if ts is None else ts
    def before(self, g):
        """What comes before the texts of a picture of g x g cells: text tokens (-1 where there is none), vision tokens (likewise), positions [3, n], which of
        them sees which (None: what came before), which each branch sees, and where each branch starts."""
        k, ts = len(self.pre), self.ts; cell = np.arange(g * g); h = 0 if self.past is None else len(self.past) // (g * g); t = np.arange(h).repeat(g * g); c = np.tile(cell, h)
        past = np.zeros(0, int) if self.past is None else self.past; old = np.stack((t + ts[0], c // g, c % g)) + k; ts = ts + h
        t, c = np.nonzero(self.keep); n = h * g * g + len(t); sees = np.ones((len(self.branches), k + n), bool); sees[:, k:k + h * g * g] = False
        pos = np.concatenate((np.broadcast_to(np.arange(k), (3, k)), old, np.stack((ts[t], c // g, c % g)) + k), 1); start = k + max(int(ts[-1]), g - 1) + 1 + self.late
        return np.concatenate((self.pre, np.full(n, -1))), np.concatenate((np.full(k, -1), past, self.cells[t, c])), pos, None, sees, [(start,) * 3] * len(self.branches)


class Packed:
    """Sequences for Model.decode. Rows are the places that predict an answer token (y, w say which), or with `open` each branch's end. boxes: rows that
    predict the beginning of a box's numbers, edges: that box, 0 to 1."""
    def __init__(self, cfg, seqs, open=False, device="cpu"):
        ids, order, pos, rows, y, w, plan, last, owner, boxes, edges = [], [], [], [], [], [], [], [], [], [], []; n = nid = nrow = 0; made = [s.before(cfg.grid) for s in seqs]
        total = sum(int((t >= 0).sum()) for t, *_ in made) + sum(len(x) + (0 if open else len(z) - 1) for s in seqs for x, z, *_ in s.branches)
        mask = lambda v: None if v is None else torch.from_numpy(v).to(device)
        for si, (s, (text, cells, p, inner, sees, starts)) in enumerate(zip(seqs, made)):
            a, k = n, len(text); is_text = text >= 0; o = total + cells; o[is_text] = nid + np.arange(is_text.sum()); ids += text[is_text].tolist(); nid += int(is_text.sum()); order.append(o); pos.append(p); n += k
            b = n; seg, local = [], []
            for i, (x, z, wt, place) in enumerate(s.branches):
                m = len(x) + (0 if open else len(z) - 1); ids += x if open else x + z[:-1]; order.append(np.arange(nid, nid + m)); nid += m
                pos.append(np.arange(m) + np.array(starts[i])[:, None]); seg += [i] * m
                r = np.arange(m - 1, m) if open else np.arange(len(x) - 1, m)
                if place and not open: boxes += [len(owner) + j for j in place[0]]; edges += [place[1]] * len(place[0])
                local.append(n - b + r); n += m; owner += [(si, i)] * len(r)
                if not open: y += z; w.append(wt)
            seg = np.array(seg); local = np.concatenate(local); at = np.arange(n - b)
            see = np.concatenate((sees[seg], (at[:, None] >= at) & (seg[:, None] == seg)), 1)
            plan += [(a, b, a, b, mask(inner)), (b, n, a, n, mask(see))]
            last.append((nrow, nrow + len(local), a, n, mask(see[local]))); nrow += len(local); rows.append(b + local)
        T = lambda v: torch.as_tensor(v, device=device)
        self.ids, self.order, self.pos, self.rows = T(ids), T(np.concatenate(order)), T(np.concatenate(pos, 1)), T(np.concatenate(rows))
        self.plan, self.last, self.owner = plan, last, owner                # owner: (sequence, branch) of each row
        if not open: self.y, self.w, self.boxes, self.edges = T(y), T(np.concatenate(w)), T(np.array(boxes, np.int64)), T(np.array(edges, np.float32).reshape(-1, 4))


def blocks(patches):
    """mean colour of each 7x7 pixels, [pairs, cells, values], of patches [pairs, 4*cells, 1176]"""
    P, N, _ = patches.shape
    return patches.view(P, N, 6, 2, 7, 2, 7).mean((4, 6)).view(P, N // 4, 96).cpu().numpy()


def unchanged(b, factor=5., share=1., rng=None, most=8 / 60):
    """keep [pairs, cells] without the cells whose blocks stayed as they were when last kept. A block changed if it moved by more than
    `factor` times the clip's usual change from pair to pair; of the unchanged, `share` are dropped."""
    keep = np.ones(b.shape[:2], bool)
    if len(b) < 2: return keep
    limit = min(most, max(1 / 60, factor * float(np.median(np.abs(b[1:] - b[:-1])))))
    ref = b[0].copy()
    for i in range(1, len(b)):
        k = np.abs(b[i] - ref).max(1) > limit
        if share < 1: k |= rng.random(len(k)) >= share
        keep[i] = k; ref[k] = b[i][k]
    return keep


def vary(rng, b, pairs):
    """What a stream does to a clip: (keep, time indices, late, whether a pair is missing)"""
    keep = np.ones((pairs, b.shape[1]), bool); ts = np.arange(pairs); gone = []
    if pairs >= 4 and rng.random() < .1: gone = rng.choice(np.arange(1, pairs - 1), 1 + (pairs >= 8 and rng.random() < .5), replace=False)
    there = np.setdiff1d(ts, gone)
    if rng.random() < .6: keep[there] = unchanged(b[there], rng.uniform(4, 9), min(1, rng.uniform(.3, 1.7)), rng)
    keep[gone] = False
    if rng.random() < .3: ts = ts + int(rng.integers(1, 49))
    return keep, ts, int(rng.integers(1, 17)) if rng.random() < .3 else 0, len(gone) > 0
