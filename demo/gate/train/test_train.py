"""Tests of the training code against a stand-in for the renderer: python -m unittest -v"""
import os, subprocess, sys, tempfile, unittest, unittest.mock
import numpy as np, torch, torch.nn.functional as F
import evaluate, export, fake
from average import average
from batch import Batch, ask, judge, teach
from check_hf import difference
from feed import Batches, Clip, Feed
from heads import Heads
from model import Cfg, Model
from restore import restore
from rolling import Rolling, agree, windows
from sequence import Packed, Seq, Words, unchanged
from tokenizer import Tokenizer

HERE = os.path.dirname(os.path.abspath(__file__)); SMALL = '{"vd":64,"vl":1,"vh":2,"d":64,"L":2,"h":2,"kv":1,"inter":64}'
TOK = Tokenizer(fake.words()); WORDS = Words(TOK)
torch.set_num_threads(1)


def clips(n, kind="normal"): return [Clip(V, l, o, i) for i, V, l, o in (fake.clip(7, k, kind) for k in range(n))]


def model(L=2):
    torch.manual_seed(3); m = Model(Cfg(vocab=len(TOK.tokens), vd=64, vl=2, vh=2, d=64, L=L, h=2, kv=1, inter=96)).eval()
    with torch.no_grad():
        for p in m.parameters(): p.add_(.05 * torch.randn_like(p))
    return m


def binary(folder):
    path = os.path.join(folder, "feed")
    with open(path, "w") as f: f.write(f'#!/bin/sh\nexec {sys.executable} {HERE}/fake.py "$@"\n')
    os.chmod(path, 0o755); return path


def questions(cs): return [[("What is happening?", c.info["caption"])] + [(t["q"], t["a"]) for t in c.info["tasks"]] for c in cs]


class Logits(unittest.TestCase):
    @torch.no_grad()
    def test_branches_and_clips_do_not_touch(self):
        m = model(); cs = clips(5); qs = questions(cs); b = Batch(m, cs); q = ask(m, b, WORDS, qs); all_ = m.logits(m.visual(b.p).view(-1, m.c.d), q)
        for i in range(5):
            for j in range(len(qs[i])):
                b1 = Batch(m, [cs[i]]); one = m.logits(m.visual(b1.p).view(-1, m.c.d), ask(m, b1, WORDS, [[qs[i][j]]]))
                rows = [k for k, o in enumerate(q.owner) if o == (i, j)]; self.assertLess((all_[rows] - one).abs().max(), 1e-4)

    def test_same_logits_as_transformers(self):
        cs = sorted(clips(40), key=lambda c: len(c.frames)); cs = [cs[0], cs[20], cs[-1]]; d, s = difference(model(), TOK, cs, questions(cs)); self.assertGreater(s, .1); self.assertLess(d, 1e-3)

    @torch.no_grad()
    def test_open_prompts_go_on_as_taught(self):
        m = model(); cs = clips(3); b = Batch(m, cs); ve = m.visual(b.p).view(-1, m.c.d); qs = [[("What is happening?", "")] for _ in cs]; said = [[[]] for _ in cs]
        for _ in range(3):
            z = m.logits(ve, ask(m, b, WORDS, qs, open=True, answers=said)).argmax(-1).tolist()
            for s, t in zip(said, z): s[0].append(t)
        texts = [[("What is happening?", TOK.decode(s[0]))] for s in said]; q = ask(m, b, WORDS, texts); res = judge(m.logits(ve, q), q, texts)
        for s, r in zip(said, res):
            if TOK.encode(TOK.decode(s[0])) == s[0]: self.assertGreaterEqual(r[0][0], 3)

    def test_dropped_tokens_leave_the_sequence(self):
        m = model(); cs = clips(4); b = Batch(m, cs); full = ask(m, b, WORDS, questions(cs)); less = ask(m, b, WORDS, questions(cs), share=1)
        self.assertLess(len(less.order), len(full.order)); self.assertEqual(full.y.tolist(), less.y.tolist())
        taught = teach(m, b, WORDS, np.random.default_rng(1), False, 2); self.assertEqual(len(taught.y), len(taught.w)); self.assertEqual(len(taught.y), len(taught.rows))

    @torch.no_grad()
    def test_texts_do_not_see_a_past(self):
        m = model(1); cs = clips(3); b = Batch(m, cs); ve = m.visual(b.p).view(-1, m.c.d); br = [WORDS.branch(*x) for x in questions(cs)[0]]; g = m.c.grid ** 2; keep = np.ones((b.pairs[0], g), bool)
        past = b.starts[1] + np.arange(g); one = lambda ts, **k: m.logits(ve, Packed(m.c, [Seq(WORDS.prefix[True], 0, keep, br, ts, **k)]))
        self.assertLess((one(np.arange(len(keep)) + 1) - one(None, past=past)).abs().max(), 1e-4)         # with one layer keys and values have seen nothing yet


class Windows(unittest.TestCase):
    """fresh and rolling windows of the same frames"""
    @torch.no_grad()
    def both(self, L, at):
        m = model(L); cs = [Clip(V, l, o, i) for i, V, l, o in (fake.clip(7, k, "normal", 16) for k in range(2))]; b = Batch(m, cs); ve = m.visual(b.p).view(-1, m.c.d); g = m.c.grid ** 2
        br = [WORDS.branch(*x) for x in questions(cs)[0]]; cells = np.arange(8 * g).reshape(-1, g); pre = WORDS.prefix[True]
        fresh = m.logits(ve, Packed(m.c, [Seq(pre, 0, np.ones((3, g), bool), br, cells=cells[w:w + 3]) for w in at]))
        return (fresh - m.logits(ve, Packed(m.c, [Rolling(pre, cells, 3, {w: br for w in at})]))).abs().max()
    def test_positions_are_those_of_a_fresh_run(self): self.assertLess(self.both(1, [0, 1, 4, 5]), 1e-4)     # with one layer nothing remembers
    def test_the_first_window_has_let_go_of_nothing(self): self.assertLess(self.both(3, [0]), 1e-4)
    def test_later_windows_remember(self): self.assertGreater(self.both(3, [2]), 1e-3)

    def test_there_is_no_loss_where_all_agree(self):
        m = model(); cs = [Clip(V, l, o, i) for i, V, l, o in (fake.clip(7, k, "normal", 12) for k in range(3))]; q, fresh = windows(m, Batch(m, cs), WORDS, np.random.default_rng(1), True); n = len(fresh.y)
        self.assertEqual(q.y.tolist(), 2 * fresh.y.tolist()); self.assertEqual(q.owner[:n], fresh.owner); z = F.one_hot(q.y, len(TOK.tokens)) * 50.
        loss, same, of = agree(z, z[:n], q); self.assertLess(loss, 1e-6); self.assertEqual(same, of)
        other = z.clone(); other[n] = other[n].roll(1); loss, same, _ = agree(other, z[:n], q); self.assertGreater(loss, .01); self.assertEqual(same, of - 1)
        self.assertGreater(agree(z, z[:n].roll(1, -1), q)[0], 1)


class Files(unittest.TestCase):
    def test_an_exported_model_comes_back(self):
        with tempfile.TemporaryDirectory() as d:
            m = model(); export.files(m, fake.words(), d, "f16", export.Q.F16)
            back, heads = restore(d); self.assertEqual(back.c.dict(), m.c.dict()); self.assertIsNone(heads)
            for k, v in m.state_dict().items(): self.assertTrue(torch.allclose(v, back.state_dict()[k], atol=1e-3), k)

    def test_one_of_4_bits_comes_back_to_the_bit(self):
        with tempfile.TemporaryDirectory() as d:
            m = model(); twice = os.path.join(d, "twice"); os.mkdir(twice)
            first = export.files(m, fake.words(), d, "q4_0", export.Q.Q4_0); back, _ = restore(d); self.assertEqual(back.c.dict(), m.c.dict())
            for pair in zip(first, export.files(back, fake.words(), twice, "q4_0", export.Q.Q4_0)): self.assertEqual(*(open(x, "rb").read() for x in pair))

    def test_an_average_lies_between(self):
        with tempfile.TemporaryDirectory() as d:
            paths = [os.path.join(d, f"{i}.pt") for i in range(3)]
            for i, p in enumerate(paths): torch.save({"model": {"w": torch.full((2,), float(i))}, "heads": {"h": torch.tensor([2. * i])}, "cfg": {}, "words": "a" if i < 2 else "b"}, p)
            z = average(paths[:2]); self.assertEqual(z["model"]["w"].tolist(), [.5, .5]); self.assertEqual(z["heads"]["h"].item(), 1)
            self.assertRaises(ValueError, average, paths)


class Unchanged(unittest.TestCase):
    def test_only_what_changed_since_it_was_kept(self):
        b = np.zeros((5, 3, 4), np.float32); b += np.random.default_rng(0).normal(0, .01, b.shape); b[2:, 1] += 1; b[3, 2] += 1
        keep = unchanged(b); self.assertEqual(keep.tolist(), [[True] * 3, [False] * 3, [False, True, False], [False, False, True], [False, False, True]])

    def test_slow_change_is_kept_in_the_end(self):
        b = np.arange(20, dtype=np.float32)[:, None, None] * np.array([0, 0, .02])[None, :, None] * np.ones((1, 1, 4), np.float32)
        k = unchanged(b); self.assertEqual(k[1:, :2].sum(), 0); self.assertGreater(k[1:, 2].sum(), 1)


class Weights(unittest.TestCase):
    def test_a_boxes_numbers_weigh_by_their_place(self):
        _, z, w, (first, edges) = Words(TOK, digit=1.).branch("Where is the car?", fake.box("car", 0, 56, 112, 112)); self.assertEqual(edges, [0, .5, 1, 1])
        self.assertEqual([TOK.decode([z[i]]) for i in first], ["0", "5", "1", "1"]); self.assertEqual([round(float(w[i + k]), 1) for i, n in zip(first, (1, 3, 4, 4)) for k in range(n)], [4, 4, 1.5, .3, 4, 1.5, .3, .3, 4, 1.5, .3, .3])
        self.assertIsNone(WORDS.branch("Where is the car?", "No.")[3])


class Scores(unittest.TestCase):
    def test_parse(self):
        self.assertEqual(evaluate.parse("A person in red leaves a blue parcel. An orange dog goes away. The gate opens."),
                         {"person": ("red", "leaves a blue parcel"), "dog": ("orange", "goes away"), "gate": ("", "opens")})
        self.assertTrue(evaluate.does("leaves an orange parcel", "leaves a blue parcel", "puts")); self.assertFalse(evaluate.does("leaves", "leaves a blue parcel", "puts"))

    def test_iou(self):
        a = fake.box("car", 0, 0, 56, 56); self.assertEqual(evaluate.iou(a, a), 1); self.assertEqual(evaluate.iou(a, fake.box("dog", 0, 0, 56, 56)), 0); self.assertEqual(evaluate.iou(a, "No."), 0)
        self.assertAlmostEqual(evaluate.iou(a, fake.box("car", 0, 0, 56, 112)), .5)

    def test_perfect_answers_score_full(self):
        s = evaluate.Score(); x = {"i": 1, "frames": 8, "caption": "A person in red leaves a blue parcel. A dog moves left.", "reversed": "A person in red takes a blue parcel. A dog moves right.",
                                   "objects": [[0, 0, 8], [5, 1, 12]], "tasks": [{"kind": "order", "q": "?", "a": "The car leaving."}, {"kind": "yesno", "q": "?", "a": "No."}]}
        s.clip(Clip(None, None, None, x), x["caption"], x["reversed"], x["caption"], x["caption"], ["The car leaving.", "No."], ["The car leaving."], ["The dog."])
        wrong = {k for k, (r, n) in s.rows.items() if r < n}; self.assertEqual(wrong, {"order, temporal indices reversed"}); self.assertIn("flips: leaves/takes a parcel", s.rows)


class Run(unittest.TestCase):
    def test_batches_go_on_where_they_stopped(self):
        with tempfile.TemporaryDirectory() as d:
            f = binary(d); a = Batches(f, 2, 0, kind="dense"); one = [[c.info["i"] for c in a.next()] for _ in range(10)]; a.close()
            b = Batches(f, 2, 5, kind="dense"); two = [[c.info["i"] for c in b.next()] for _ in range(5)]; b.close()
            self.assertEqual(one[5:], two); self.assertEqual(sorted(sum(one[:8], [])), list(range(16)))

    def test_a_resumed_run_is_the_same_run(self):
        def train(d, *more):
            subprocess.run([sys.executable, os.path.join(HERE, "train.py"), "--cpu", "--run", d, "--pre_steps", "3", "--steps", "4", "--B", "2", "--eval_every", "5", "--neval", "8", "--model", SMALL, *more],
                           check=True, stdout=subprocess.DEVNULL)
            return torch.load(os.path.join(d, "last.pt"), weights_only=True)
        with tempfile.TemporaryDirectory() as x, tempfile.TemporaryDirectory() as y:
            binary(x); binary(y); a = train(x)
            for stop in (2, 5, 0): b = train(y, "--stop", str(stop))
            self.assertEqual(a["step"], b["step"]); self.assertEqual(a["words"], b["words"])
            for k in a["model"]: self.assertTrue(torch.equal(a["model"][k], b["model"][k]), k)


if __name__ == "__main__": unittest.main()
