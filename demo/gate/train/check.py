"""Quick checks on the test split while training runs, shared out over its processes."""
import torch
from batch import Batch, PROMPTS, ask, judge
from feed import Feed

KINDS = "describe yesno choice number boxes order free".split()
PARTS = "cls col step door dstep carry partly empty off box dbox light weather".split()


class Checker:
    """n clips of the test split; add sums a list of numbers over the processes"""
    def __init__(self, binary, n, rank, procs, add, device): self.binary, self.n, self.rank, self.procs, self.add, self.device, self.kept = binary, n, rank, procs, add, device, {}
    def clips(self, kind):
        if kind not in self.kept:
            f = Feed(self.binary, "test", kind, seed=9001, n=self.n); self.kept[kind] = [f.clip() for _ in range(self.n)][self.rank::self.procs]; f.close()
        return self.kept[kind]
    def batches(self, kind, n=16):
        c = sorted(self.clips(kind), key=lambda x: len(x.frames)); return [c[i:i + n] for i in range(0, len(c), n)]
    def table(self, count, names):
        x = self.add([v for k in names for v in count.get(k, (0, 0))])
        return "  ".join(f"{k} {100 * x[2 * i] / x[2 * i + 1]:.1f}" for i, k in enumerate(names) if x[2 * i + 1])
    @torch.no_grad()
    def cells(self, m, heads):
        count = {}
        for c in self.batches("dense"):
            b = Batch(m, c, self.device)
            for k, (r, n) in heads.right(m.visual(b.p).view(-1, m.c.d), *b.cells()).items(): x = count.get(k, (0, 0)); count[k] = (x[0] + r, x[1] + n)
        yield "test cells: " + self.table(count, PARTS)
    @torch.no_grad()
    def texts(self, m, words):
        """teacher-forced, which for "all of it right" is the same as greedy decoding"""
        count = {}
        def note(k, ok): x = count.get(k, (0, 0)); count[k] = (x[0] + ok, x[1] + 1)
        for c in self.batches("normal"):
            for name, back, share in (("", False, 0), ("reversed", True, 0), ("dropped", False, 1)):
                b = Batch(m, c, self.device, back)
                qs = [[(PROMPTS[0], x.info["reversed" if back else "caption"])] + ([] if name else [(t["q"], t["a"]) for t in x.info["tasks"]]) for x in c]
                q = ask(m, b, words, qs, share); res = judge(m.logits(m.visual(b.p).view(-1, m.c.d), q), q, qs)
                for x, rs in zip(c, res):
                    for t, (r, n) in zip([name or "describe"] + ([] if name else [t["kind"] for t in x.info["tasks"]]), rs): note(t, r == n)
        yield "test, exact: " + self.table(count, KINDS + ["reversed", "dropped"])
