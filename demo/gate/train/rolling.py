"""What a rolling window remembers: its pairs' keys and values have seen pairs that it has let go of since, so its texts tell what a fresh run over its
frames can't know. Here long clips are seen both ways, and the rolling window is taught to say what the fresh one says. That needs no true texts, but
a teacher, the model as it was: without one both views agreed on less and less that was true (82 % of descriptions after 2,800 steps, of 98 %)."""
import numpy as np, torch, torch.nn.functional as F
from feed import Clip
from sequence import Packed, Seq


class Rolling:
    """One clip as runtime/stream's rolling mode sees it: windows of `size` pairs, moved back to position 0 with every pair. cells: [pairs, cells] vision
    tokens; branches: {window: texts}, of those windows' first pairs. Here pairs keep their places and the prefix moves along: a copy of it for every place
    comes to the same, since positions are relative."""
    def __init__(self, pre, cells, size, branches): self.pre, self.cells, self.size, self.windows = pre, cells, size, branches; self.branches = [x for w in sorted(branches) for x in branches[w]]
    def before(self, g):
        k, (n, c) = len(self.pre), self.cells.shape; most = n - self.size; copy = np.arange(most + 1).repeat(k); pair = np.arange(n).repeat(c); cell = np.tile(np.arange(c), n); i = np.tile(np.arange(k), most + 1)
        ids = np.concatenate((np.tile(self.pre, most + 1), np.full(n * c, -1))); cells = np.concatenate((np.full(len(copy), -1), self.cells.reshape(-1)))
        pos = np.concatenate((np.stack((i + copy, i, i)), np.stack((pair, cell // g, cell % g)) + k), 1)
        of = np.concatenate((copy, np.maximum(0, pair - self.size + 1))); at = np.concatenate((np.full(len(copy), -1), pair)); m = np.arange(len(of))
        def sees(window, newest): return np.where(at < 0, of == window, (at > newest - self.size) & (at <= newest))
        inner = np.stack([sees(o, p) if p >= 0 else (at < 0) & (of == o) for o, p in zip(of, at)]) & (m[:, None] >= m)
        where = [w for w in sorted(self.windows) for _ in self.windows[w]]; start = k + max(self.size, g)
        return ids, cells, pos, inner, np.stack([sees(w, w + self.size - 1) for w in where]), [(start + w, start, start) for w in where]


def part(rng, c, pairs=10):
    """some of a long clip's pairs, in a row: what a window remembers is mostly what left it last"""
    at = int(rng.integers(max(1, len(c.labels) - pairs + 1))); return Clip(c.frames[2 * at:2 * (at + pairs)], c.labels[at:at + pairs], c.places[at:at + pairs], c.info)


def windows(m, b, words, rng, system, each=3, tasks=2):
    """The Packed of both views of a batch of long clips, first all fresh windows, then the same texts' rolling ones; and that of the fresh ones alone. Of each
    clip `each` windows of one size that have let go of a pair at least; nearly half of the clips follow another one's beginning. What came
    first is not asked: where a window doesn't show it, to agree on it would only teach to look at less."""
    fresh, rolled = [], []; g = m.c.grid ** 2
    for i, c in enumerate(b.clips):
        cells = (b.starts[i] + np.arange(b.pairs[i] * g)).reshape(-1, g); n = len(cells); size = int(rng.choice([2, 3, 4, 4, 4, 5, 6, 8])); size = min(size, n - 1)
        if rng.random() < .45: j = int(rng.integers(len(b.clips))); cut = min(int(rng.integers(1, n)), b.pairs[j]); cells = np.concatenate(((b.starts[j] + np.arange(cut * g)).reshape(-1, g), cells[:n - cut]))
        ask = [t for t in c.info["tasks"] if t["kind"] != "order"]; ask = [ask[k] for k in rng.permutation(len(ask))[:tasks]]
        br = [words.branch(c.info["prompt"], c.info["caption"])] + [words.branch(t["q"], t["a"]) for t in ask]; at = sorted(rng.permutation(np.arange(1, n - size + 1))[:each].tolist()); pre = words.prefix[system]
        fresh += [Seq(pre, 0, np.ones((size, g), bool), br, cells=cells[w:w + size]) for w in at]; rolled.append(Rolling(pre, cells, size, {w: br for w in at}))
    return Packed(m.c, fresh + rolled, device=b.device), Packed(m.c, fresh, device=b.device)


def agree(logits, taught, q):
    """The loss of a Packed from windows(): the fresh view is to say what the teacher says of it, and the rolling one what the fresh one says. Also how many texts are
    the same in both, and of how many"""
    n = len(taught); f, r = logits[:n].float(), logits[n:].float(); w = q.w[:n]; kl = lambda t, z: (t.exp() * (t - z.log_softmax(-1))).sum(-1)
    loss = kl(taught.float().log_softmax(-1), f) + 2 * kl(f.detach().log_softmax(-1), r)
    same = (f.argmax(-1) == r.argmax(-1)).cpu().numpy(); texts = {}
    for o, s in zip(q.owner[:n], same): texts[o] = texts.get(o, True) and bool(s)
    return (loss * w).sum() / w.sum(), sum(texts.values()), len(texts)
