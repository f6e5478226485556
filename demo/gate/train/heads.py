"""Linear heads on the merged vision tokens: what is in each cell; and one on the decoder, where a box is. They steer the training and are
left out of the export."""
import torch, torch.nn as nn, torch.nn.functional as F

PARTS = (("cls", 7), ("col", 8), ("step", 5), ("door", 3), ("dstep", 4), ("carry", 2), ("partly", 2), ("off", 2), ("box", 4), ("light", 3), ("weather", 3), ("at", 2), ("dbox", 4))
PLACES = (("off", slice(0, 2), .5), ("box", slice(2, 6), 1.), ("dbox", slice(6, 10), .5))
LIGHTS = "day dusk night".split(); WEATHERS = "clear raining foggy".split()


class Heads(nn.Linear):
    def __init__(s, d, empty=.3, grid=4):
        super().__init__(d, sum(n for _, n in PARTS)); s.grid = grid; s.place = nn.Linear(d, 4)
        s.register_buffer("w7", torch.tensor([empty] + [1.] * 6), False); s.register_buffer("w3", torch.tensor([empty, 1., 1.]), False)
    def parts(s, ve): return dict(zip((k for k, _ in PARTS), s(ve).split([n for _, n in PARTS], -1)))
    def loss(s, ve, lab, places):
        """ve [n, d], lab [n, 9] (below 0: not scored; the last two are the light and the weather of the clip), places [n, 10] (NaN: not
        scored). Clips are whole, so that a cell's number says where it is."""
        z = s.parts(ve); out = {}; zero = ve.sum() * 0
        for i, (k, n) in enumerate(PARTS[:7]):
            y = lab[:, i]; on = y >= 0; w = s.w7 if k == "cls" else s.w3 if k == "door" else None
            out[k] = F.cross_entropy(z[k][on], y[on], w) if on.any() else zero
        for i, k in ((7, "light"), (8, "weather")): out[k] = .3 * F.cross_entropy(z[k], lab[:, i])
        n = s.grid; cell = torch.arange(len(lab), device=lab.device) % (n * n)                 # without it nothing asks the tower for absolute places, which boxes need
        out["at"] = .3 * (z["at"] - torch.stack((cell % n, cell // n), 1) / n).abs().mean()
        out["carry"] = .5 * out["carry"]; out["partly"] = .3 * out["partly"]
        for k, at, w in PLACES:
            y = places[:, at]; on = ~y[:, 0].isnan(); out[k] = w * (z[k][on] - y[on]).abs().mean() if on.any() else zero
        return out
    def told(s, h, edges):
        """The decoder's hidden states h [n, d] before a box's numbers tell its edges [n, 4]: digits alone teach it slowly where things are,
        a guess from the size and the class is right too often."""
        return 2 * (s.place(h) - edges).abs().mean() if len(h) else s.place.weight.sum() * 0
    def start(s, old):
        """from the state of heads that may have had fewer parts"""
        with torch.no_grad():
            s.weight[:len(old["weight"])] = old["weight"]; s.bias[:len(old["bias"])] = old["bias"]
            if "place.weight" in old: s.place.weight.copy_(old["place.weight"]); s.place.bias.copy_(old["place.bias"])
    @torch.no_grad()
    def right(s, ve, lab, places):
        """(right, of) by part; classes and doors only where there are any; places: all numbers within a quarter of a cell"""
        z = s.parts(ve); out = {}
        for i, (k, _) in enumerate(PARTS[:7]):
            y = lab[:, i]; on = y >= (1 if k in ("cls", "door") else 0); out[k] = ((z[k].argmax(-1) == y)[on].sum().item(), on.sum().item())
        for i, k in ((7, "light"), (8, "weather")): out[k] = ((z[k].argmax(-1) == lab[:, i]).sum().item(), len(lab))
        y = lab[:, 0]; on = y == 0; out["empty"] = ((z["cls"].argmax(-1) == 0)[on].sum().item(), on.sum().item())
        for k, at, _ in PLACES: y = places[:, at]; on = ~y[:, 0].isnan(); out[k] = (((z[k] - y).abs().amax(-1) < .25)[on].sum().item(), on.sum().item())
        return out
