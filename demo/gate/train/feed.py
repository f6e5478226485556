"""Reads the clips that the Go renderer writes (demo/gate/feed): both sides see the same pixels."""
import atexit, fcntl, json, os, shutil, struct, subprocess, tempfile
import numpy as np

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))


def build(out=""):
    """Builds the renderer, unless it is there already; returns its path. Without one it is there until the program ends."""
    if not out: d = tempfile.mkdtemp(); atexit.register(shutil.rmtree, d, True); out = os.path.join(d, "feed")
    out = os.path.abspath(out)
    if not os.path.exists(out): subprocess.run(["go", "build", "-o", out, "./demo/gate/feed"], cwd=ROOT, check=True)
    return out


def words(binary):
    """Every sentence form of the world once: the tokenizer's corpus."""
    return subprocess.run([binary, "-words"], check=True, capture_output=True, text=True).stdout


class Clip:
    """frames u8 [T, H, W, 3]; labels i8 [T/2, cells, 7]; places f32 [T/2, cells, 10], NaN is not scored; info: the feed's JSON"""
    def __init__(self, frames, labels, places, info): self.frames, self.labels, self.places, self.info = frames, labels, places, info


class Feed:
    """Clips of one split, kind and seed from scene `first` on."""
    def __init__(self, binary, split="train", kind="normal", seed=1, first=0, n=-1, more=0, frames=0):
        self.p = subprocess.Popen([binary, "-split", split, "-kind", kind, "-seed", str(seed), "-first", str(first), "-n", str(n), "-more", str(more), "-frames", str(frames)],
                                  stdout=subprocess.PIPE, env={**os.environ, "GOMAXPROCS": "1"})
        try: fcntl.fcntl(self.p.stdout, 1031, 1 << 20)         # F_SETPIPE_SZ: let it render ahead
        except OSError: pass
        if self.read(8) != b"EVFEED3\n": raise ValueError("the renderer speaks another format: build it again")
        self.size, self.grid, self.nlab = struct.unpack("<3I", self.read(12))

    def read(self, n):
        b = self.p.stdout.read(n)
        if len(b) != n: raise EOFError("the renderer ended early")
        return b

    def clip(self):
        (n,) = struct.unpack("<I", self.read(4)); info = json.loads(self.read(n)); T, s = info["frames"], self.size
        v = np.frombuffer(self.read(T * s * s * 3), np.uint8).reshape(T, s, s, 3); cells = self.grid * self.grid; c = T // 2 * cells
        lab = np.frombuffer(self.read(c * self.nlab), np.int8).reshape(T // 2, cells, self.nlab)
        return Clip(v, lab, np.frombuffer(self.read(c * 40), "<f4").reshape(T // 2, cells, 10), info)

    def close(self):
        self.p.stdout.close(); self.p.terminate(); self.p.wait()


class Batches:
    """Batches of B clips by number. Clips come in pools of B*8 that are dealt out by length, so that batches cost about the same."""
    DEAL = 8
    def __init__(self, binary, B, k, **kw):
        self.B, self.k, self.pool = B, k, []
        self.feed = Feed(binary, first=k // self.DEAL * self.DEAL * B, **kw)

    def next(self):
        at = self.k % self.DEAL
        if not self.pool:
            c = [self.feed.clip() for _ in range(self.B * self.DEAL)]; c.sort(key=lambda x: -len(x.frames))       # stable: the order is the stream's
            self.pool = [[] for _ in range(self.DEAL)]
            for i, x in enumerate(c):                                   # there and back: long ones meet short ones
                r, j = divmod(i, self.DEAL); self.pool[j if r % 2 == 0 else self.DEAL - 1 - j].append(x)
        out = self.pool[at]; self.k += 1
        if self.k % self.DEAL == 0: self.pool = []
        return out

    def close(self): self.feed.close()
