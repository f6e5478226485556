"""The mean of several runs' weights, of runs that began at the same ones. Whether it is better than each of them has to be measured.

    python average.py OUT.pt RUN1/last.pt RUN2/last.pt ..."""
import argparse, torch


def average(paths):
    """a checkpoint whose weights are the mean; the rest is the first one's"""
    out, *others = [torch.load(p, weights_only=True, map_location="cpu") for p in paths]; n = 1 + len(others)
    for o in others:
        if o["cfg"] != out["cfg"] or o["words"] != out["words"]: raise ValueError("these checkpoints are of different models")
    for part in ("model", "heads"):
        for k, v in out[part].items(): out[part][k] = sum([o[part][k] for o in others], v) / n
    return out


if __name__ == "__main__":
    ap = argparse.ArgumentParser(); ap.add_argument("out"); ap.add_argument("checkpoints", nargs="+"); a = ap.parse_args(); torch.save(average(a.checkpoints), a.out)
