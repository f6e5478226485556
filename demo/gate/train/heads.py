"""Linear heads on the merged vision tokens: what is in each cell. They steer the vision tower and are left out of the export."""
import numpy as np, torch, torch.nn as nn, torch.nn.functional as F
from sequence import BOX

PARTS = (("cls", 7), ("col", 8), ("step", 5), ("door", 3), ("dstep", 4), ("carry", 2), ("partly", 2), ("off", 2), ("box", 4), ("light", 3), ("weather", 3), ("at", 2))
CLASSES = "person car dog cat bicycle parcel".split(); DOORS = ["door", "gate"]; LIGHTS = "day dusk night".split(); WEATHERS = "clear raining foggy".split()


class Heads(nn.Linear):
    def __init__(s, d, empty=.3, grid=4):
        super().__init__(d, sum(n for _, n in PARTS)); s.grid = grid
        s.register_buffer("w7", torch.tensor([empty] + [1.] * 6), False); s.register_buffer("w3", torch.tensor([empty, 1., 1.]), False)
    def parts(s, ve): return dict(zip((k for k, _ in PARTS), s(ve).split([n for _, n in PARTS], -1)))
    def loss(s, ve, lab, off, box=None):
        """ve [n, d], lab [n, 9] (below 0: not scored; the last two are the light and the weather of the clip), off [n, 2], box: (rows,
        edges [k, 4] as distances from the cell's centre). Clips are whole, so that a cell's number says where it is."""
        z = s.parts(ve); out = {}; zero = ve.sum() * 0
        for i, (k, n) in enumerate(PARTS[:7]):
            y = lab[:, i]; on = y >= 0; w = s.w7 if k == "cls" else s.w3 if k == "door" else None
            out[k] = F.cross_entropy(z[k][on], y[on], w) if on.any() else zero
        for i, k in ((7, "light"), (8, "weather")): out[k] = .3 * F.cross_entropy(z[k], lab[:, i])
        n = s.grid; cell = torch.arange(len(lab), device=lab.device) % (n * n)                 # without it nothing asks the tower for absolute places, which boxes need
        out["at"] = .3 * (z["at"] - torch.stack((cell % n, cell // n), 1) / n).abs().mean()
        out["carry"] = .5 * out["carry"]; out["partly"] = .3 * out["partly"]
        on = lab[:, 1] >= 0; out["off"] = .5 * (z["off"][on] - off[on]).abs().mean() if on.any() else zero
        if box is not None: out["box"] = .5 * (z["box"][box[0]] - box[1]).abs().mean() if len(box[0]) else zero
        return out
    def start(s, old):
        """from the state of heads that may have had fewer parts"""
        with torch.no_grad(): s.weight[:len(old["weight"])] = old["weight"]; s.bias[:len(old["bias"])] = old["bias"]
    @torch.no_grad()
    def right(s, ve, lab, off):
        """(right, of) by part; classes and doors only where there are any; off: within a quarter of a cell in both directions"""
        z = s.parts(ve); out = {}
        for i, (k, _) in enumerate(PARTS[:7]):
            y = lab[:, i]; on = y >= (1 if k in ("cls", "door") else 0); out[k] = ((z[k].argmax(-1) == y)[on].sum().item(), on.sum().item())
        for i, k in ((7, "light"), (8, "weather")): out[k] = ((z[k].argmax(-1) == lab[:, i]).sum().item(), len(lab))
        y = lab[:, 0]; on = y == 0; out["empty"] = ((z["cls"].argmax(-1) == 0)[on].sum().item(), on.sum().item())
        on = lab[:, 1] >= 0; out["off"] = (((z["off"] - off).abs().amax(-1) < .25)[on].sum().item(), on.sum().item()); return out


def box_targets(clips, starts, grid):
    """rows and edge distances for the boxes that the clips' tasks tell, on the last pair's cells of that object"""
    rows, edges = [np.zeros(0, np.int64)], [np.zeros((0, 4), np.float32)]; cell = np.arange(grid * grid); mid = np.stack((cell % grid, cell // grid), 1) + .5
    for c, s in zip(clips, starts):
        for t in c.info["tasks"]:
            m = BOX.search(t["a"])
            if not m: continue
            part, value = (0, 1 + CLASSES.index(m[1])) if m[1] in CLASSES else (3, 1 + DOORS.index(m[1]))
            at = np.nonzero(c.labels[-1, :, part] == value)[0]; e = np.array([int(x) for x in m.groups()[1:]], np.float32) * grid / 1000
            rows.append(s + (len(c.labels) - 1) * grid * grid + at); edges.append((e[None] - np.tile(mid[at], 2)).astype(np.float32))
    return np.concatenate(rows), np.concatenate(edges)
