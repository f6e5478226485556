#!/usr/bin/env python3
"""A stand-in for the Go renderer that speaks its format, for tests: one coloured rectangle on grey noise."""
import argparse, json, struct, sys
import numpy as np

CLASSES = "person car dog cat bicycle parcel".split()
RGB = {"red": (205, 35, 35), "blue": (40, 70, 215), "green": (35, 165, 60), "white": (238, 238, 238)}
MOVES = ["stands still", "moves left", "moves right"]


def box(c, x0, y0, x1, y1):
    r = lambda v: int(round(v * 100 / 112)) * 10
    return f"<|object_ref_start|>{c}<|object_ref_end|><|box_start|>({r(x0)},{r(y0)}),({r(x1)},{r(y1)})<|box_end|>"


def words():
    out = ["What is happening? Describe the clip. Describe what you see.", "Nothing is there.", "Yes. No. One. Two. What came first: the car leaving or the car arriving?"]
    for c in CLASSES: out += [f"A {k} {c} {m}." for k in RGB for m in MOVES] + [f"Where is the {c}?", f"What does the {c} do? It {MOVES[1]}.", box(c, 0, 0, 9, 9), f"Is there a {c}?"]
    return "\n".join(out)


def clip(seed, i, kind, frames=0):
    r = np.random.default_rng([seed, i]); T = frames or 8 if kind == "dense" else frames or 2 if kind == "frozen" else int(r.choice([2, 4, 6, 8, 10, 12, 16, 24, 32], p=[.1, .12, .12, .35, .1, .1, .06, .03, .02]))
    ci, co, mo = int(r.integers(6)), list(RGB)[r.integers(4)], 0 if kind == "frozen" else int(r.integers(3)); w, h = 16 + 4 * ci, 40 - 5 * ci; x, y = int(r.integers(35, 42)), int(r.integers(0, 112 - h))
    V = np.repeat(r.integers(90, 150, (1, 112, 112, 3)), T, 0); lab = np.zeros((T // 2, 16, 7), np.int8); off = np.full((T // 2, 16, 10), np.nan, np.float32); lab[..., 1:3] = -1; lab[..., 4:] = -1
    for t in range(T):
        xx = x + (0, -1, 1)[mo] * t; V[t, y:y + h, xx:xx + w] = RGB[co]
        if t % 2 == 0:
            for c in range(16):
                cx, cy = (c % 4) * 28, c // 4 * 28
                if min(cx + 28, xx + w) - max(cx, xx) > 8 and min(cy + 28, y + h) - max(cy, y) > 8:
                    lab[t // 2, c, :3] = 1 + ci, list(RGB).index(co), mo; lab[t // 2, c, 6] = 0; e = (np.array([xx, y, xx + w, y + h]) - np.array([cx, cy, cx, cy]) - 14) / 28; off[t // 2, c, :6] = *(e[:2] + e[2:]) / 2, *e
    V = np.clip(V + r.normal(0, 2, V.shape), 0, 255).astype(np.uint8); c = CLASSES[ci]; cap = lambda m: f"A {co} {c} {MOVES[m]}."
    tasks = [{"kind": "free", "q": f"What does the {c} do?", "a": f"It {MOVES[mo]}."}, {"kind": "boxes", "q": f"Where is the {c}?", "a": box(c, xx, y, xx + w, y + h)},
             {"kind": "yesno", "q": f"Is there a {CLASSES[(ci + i % 2) % 6]}?", "a": "No." if i % 2 else "Yes."}]
    if kind == "dense": tasks = []
    info = {"i": i, "frames": T, "fps": 1, "caption": "" if kind == "dense" else cap(mo), "reversed": cap((0, 2, 1)[mo]), "prompt": "What is happening?", "tasks": tasks, "objects": [[ci, 0, mo]], "jitter": False, "light": "day", "weather": "clear"}
    return info, V, lab, off


def main():
    ap = argparse.ArgumentParser(prefix_chars="-")
    for k, d in (("split", "train"), ("kind", "normal"), ("seed", 1), ("first", 0), ("n", -1), ("more", 0), ("frames", 0)): ap.add_argument("-" + k, default=d, type=type(d))
    ap.add_argument("-words", action="store_true"); a = ap.parse_args()
    if a.words: print(words()); return
    o = sys.stdout.buffer; o.write(b"EVFEED3\n" + struct.pack("<3I", 112, 4, 7)); i = a.first
    while a.n < 0 or i < a.first + a.n:
        info, V, lab, off = clip(a.seed + (1 << 20) * (a.split != "train"), i, a.kind, a.frames); j = json.dumps(info).encode(); i += 1
        o.write(struct.pack("<I", len(j)) + j + V.tobytes() + lab.tobytes() + off.astype("<f4").tobytes())


if __name__ == "__main__":
    try: main()
    except BrokenPipeError: pass
