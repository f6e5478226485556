"""Greedy evaluation of a checkpoint in F32 on the same clips as demo/eval: python evaluate.py runs/demo/last.pt [n] [seed] [q4]

With q4 the weights are rounded as in the 4-bit file."""
import sys
import numpy as np, torch, torch.nn.functional as F
from feed import Feed, build
from model import load, q4_0, Linear
from tokenizer import Tokenizer, SYSTEM, BEFORE, after

CLASSES = ["person", "car", "dog", "parcel"]; COLOURS = ["red", "blue", "green", "yellow", "white", "black"]
MOTIONS = ["stands still", "moves left", "moves right", "comes closer", "goes away", "arrives", "leaves"]; REV_M = [0, 2, 1, 4, 3, 6, 5]
DOORS = ["", "door", "gate"]; STATES = ["is closed", "is open", "opens", "closes"]; REV_D = [0, 1, 3, 2]
TOK = Tokenizer()


@torch.no_grad()
def generate(m, V, questions, most=40):
    """one answer a clip; clips with the same question go together"""
    out = [None] * len(V); pre = TOK.encode(SYSTEM + BEFORE); end = TOK.ids["<|im_end|>"]; k = len(pre)
    for i in range(0, len(V), 50):
        ve = m.visual(m.visual.patchify(torch.from_numpy(V[i:i + 50]))).view(len(V[i:i + 50]), -1, m.c.d); groups = {}
        for b in range(len(ve)): groups.setdefault(questions[i + b], []).append(b)
        for q, bs in groups.items():
            ids = torch.tensor([pre + TOK.encode(after(q))] * len(bs)); n0 = ids.shape[1]; live = torch.ones(len(bs), dtype=torch.bool)
            for _ in range(most):
                h = m.decode(ve[bs], ids, k, m.layout(k, 4, [ids.shape[1] - k])); n = F.linear(h[:, -1], m.embed_tokens.weight).argmax(-1)
                ids = torch.cat((ids, n[:, None]), 1); live &= n != end
                if not live.any(): break
            for b, row in zip(bs, ids[:, n0:].tolist()): out[i + b] = TOK.decode(row[:row.index(end)] if end in row else row)
    return out


def parse(text):
    o = {}
    for s in text.split("."):
        w = s.split()
        if len(w) > 4 and w[0] == "A" and w[2] == "in": o[w[1]] = (w[3], " ".join(w[4:]))
        elif len(w) > 3 and w[0] == "A": o[w[2]] = (w[1], " ".join(w[3:]))
        elif len(w) > 2 and w[0] == "The": o[w[1]] = ("", " ".join(w[2:]))
    return o


def score(m, binary, split, n, seed):
    f = Feed(binary, split, seed=seed, n=n); V, _, _, L = f.batch(n); f.close()
    what = "What is happening?"
    fw = generate(m, V, [what] * n); bw = generate(m, V[:, ::-1].copy(), [what] * n); qa = generate(m, V, [l["q"] for l in L])
    st = {k: [] for k in ("exact description", "motion direction", "reversed clip flips", "left/right", "closer/away", "arrives/leaves", "opens/closes",
                          "exact, reversed clip", "object and colour", "door or gate and state", "answer to a question")}
    for l, a, b, q in zip(L, fw, bw, qa):
        st["exact description"].append(a == l["caption"]); st["exact, reversed clip"].append(b == l["reversed"]); st["answer to a question"].append(q == l["a"])
        A, B = parse(a), parse(b)
        for c, o, mo in l["objects"]:
            x, y = A.get(CLASSES[c], ("", "")), B.get(CLASSES[c], ("", "")); ok = x[1] == MOTIONS[mo]
            st["object and colour"].append(x[0] == COLOURS[o])
            if mo:
                flip = ok and y[1] == MOTIONS[REV_M[mo]]
                st["motion direction"].append(ok); st["reversed clip flips"].append(flip); st[["left/right", "closer/away", "arrives/leaves"][(mo - 1) // 2]].append(flip)
        if l["door"][0]:
            k, d = DOORS[l["door"][0]], l["door"][1]; ok = A.get(k, ("", ""))[1] == STATES[d]; st["door or gate and state"].append(ok)
            if d >= 2:
                flip = ok and B.get(k, ("", ""))[1] == STATES[REV_D[d]]; st["opens/closes"].append(flip); st["reversed clip flips"].append(flip)
    print(f"{split}, {n} clips, seed {seed}")
    for k, v in st.items(): print(f"  {k:26s} {100 * np.mean(v):5.1f} %  {sum(v)}/{len(v)}", flush=True)
    return fw


if __name__ == "__main__":
    torch.set_num_threads(1); m = load(sys.argv[1]); n = int(sys.argv[2]) if len(sys.argv) > 2 else 500; seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    if "q4" in sys.argv:
        with torch.no_grad():
            for x in m.modules():
                if isinstance(x, Linear): x.weight.copy_(q4_0(x.weight))
    b = build("/tmp/edgevlm-feed"); score(m, b, "test", n, seed); score(m, b, "held", n // 2, seed)
