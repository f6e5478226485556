"""Turns clips into what the model takes: patches, cell labels and, with text, a Packed."""
import copy
import numpy as np, torch
from heads import LIGHTS, WEATHERS
from sequence import Packed, Seq, blocks, unchanged, vary

PROMPTS = ["What is happening?", "Describe the clip.", "Describe what you see."]
T = torch.from_numpy


class Batch:
    """p: patches of all pairs; pairs, spans, starts: each clip's number of pairs, which they are, and its first cell. echoes: {clip: pairs},
    that many pairs of the clip played backwards up to its beginning; their patches follow those of the clips, echo says where."""
    def __init__(self, m, clips, device="cpu", backwards=False, echoes={}):
        self.clips, self.device = clips, device
        v = np.concatenate([c.frames[::-1] if backwards else c.frames for c in clips] + [clips[i].frames[:2 * n][::-1] for i, n in echoes.items()])
        self.p = m.visual.patchify(T(v).to(device)); g = m.c.grid; self.pairs = [len(c.frames) // 2 for c in clips]
        at = np.cumsum([0] + self.pairs); self.spans = [slice(x, y) for x, y in zip(at, at[1:])]; self.starts = at[:-1] * g * g
        self.cells_n = int(at[-1]) * g * g; self.echo = {}; n = self.cells_n
        for i, k in echoes.items(): self.echo[i] = np.arange(n, n + k * g * g); n += k * g * g
    def some(self, which):
        """the same patches, but only some of the clips"""
        b = copy.copy(self); b.clips, b.pairs, b.spans, b.starts = ([x[i] for i in which] for x in (self.clips, self.pairs, self.spans, self.starts)); return b
    def cells(self):
        lab = np.concatenate([np.concatenate((c.labels, np.full((*c.labels.shape[:2], 2), (LIGHTS.index(c.info["light"]), WEATHERS.index(c.info["weather"])), np.int8)), 2) for c in self.clips])
        places = np.concatenate([c.places for c in self.clips])
        return T(lab.reshape(-1, lab.shape[-1]).astype(np.int64)).to(self.device), T(places.reshape(-1, places.shape[-1])).to(self.device)


def echoes(rng, clips, share=.25):
    """{clip: pairs} for Batch: some of the clips come after their own beginning played backwards"""
    return {i: int(rng.integers(1, min(8, len(c.frames) // 2) + 1)) for i, c in enumerate(clips) if rng.random() < share}


def teach(m, b, words, rng, system, tasks):
    """The Packed of a training step: the description and up to `tasks` tasks a clip, varied as a stream would. Some clips come after
    pairs that the texts don't see, as when a rolling window has let go of them: their own echo, or the end of another clip."""
    bl = blocks(b.p); seqs = []; g = m.c.grid ** 2
    for i, c in enumerate(b.clips):
        keep, ts, late, missing = vary(rng, bl[b.spans[i]], b.pairs[i])
        ask = [t for t in c.info["tasks"] if not (missing and t["kind"] == "order")]
        if len(ask) > tasks:                                     # order is the rarest kind: always asked
            p = [(t["kind"] != "order", r, j) for j, (t, r) in enumerate(zip(ask, rng.random(len(ask))))]; ask = [ask[j] for *_, j in sorted(p)[:tasks]]
        br = [words.branch(c.info["prompt"], c.info["caption"])] + [words.branch(t["q"], t["a"]) for t in ask]
        past = b.echo.get(i)
        if past is None and rng.random() < .15: j = int(rng.integers(len(b.clips))); n = int(rng.integers(1, min(8, b.pairs[j]) + 1)); past = b.starts[j] + np.arange((b.pairs[j] - n) * g, b.pairs[j] * g)
        seqs.append(Seq(words.prefix[system], b.starts[i], keep, br, ts, late, past))
    return Packed(m.c, seqs, device=b.device)


def ask(m, b, words, questions, share=0., seed=0, times=None, open=False, answers=None):
    """The Packed for evaluation. questions: for each clip a list of (question, answer); share: of the unchanged tokens, how many are
    dropped; times: None, "equal" or "reversed"; open: the prompts alone, with answers[i][j] token ids to go on from."""
    seqs = []; bl = blocks(b.p) if share else None
    for i, qs in enumerate(questions):
        P = b.pairs[i]; keep = np.ones((P, m.c.grid ** 2), bool)
        if share: keep = unchanged(bl[b.spans[i]], 5., share, np.random.default_rng([seed, b.clips[i].info["i"]]))
        ts = np.arange(P); late = 0
        if times: start = max(P, m.c.grid); ts = ts * 0 if times == "equal" else ts[::-1]; late = start - 1 - max(int(ts[-1]), m.c.grid - 1)
        br = [words.branch(q, a) for q, a in qs]
        if open: br = [(x + answers[i][j], [], None, None) for j, (x, *_) in enumerate(br)]
        seqs.append(Seq(words.prefix[True], b.starts[i], keep, br, ts, late))
    return Packed(m.c, seqs, open, b.device)


def judge(logits, q, questions):
    """Teacher-forced: for each clip and question, how many answer tokens the greedy answer gets right before its first mistake, and of how many"""
    ok = (logits.argmax(-1) == q.y).cpu().numpy(); out = [[[0, 0, True] for _ in qs] for qs in questions]
    for o, (s, b) in zip(ok, q.owner):
        r = out[s][b]; r[1] += 1; r[2] &= bool(o); r[0] += r[2]
    return [[(r[0], r[1]) for r in rs] for rs in out]
