"""Reads the clips that the Go renderer writes (demo/feed): both sides see the same pixels."""
import fcntl, json, os, struct, subprocess
import numpy as np

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))


def build(out):
    """Builds the renderer once; returns its path."""
    subprocess.run(["go", "build", "-o", out, "./demo/feed"], cwd=ROOT, check=True)
    return out


class Feed:
    """Clips of one split, kind and seed from scene `first` on, batch by batch."""
    def __init__(self, binary, split="train", kind="normal", seed=1, first=0, n=-1):
        self.p = subprocess.Popen([binary, "-split", split, "-kind", kind, "-seed", str(seed), "-first", str(first), "-n", str(n)],
                                  stdout=subprocess.PIPE, env={**os.environ, "GOMAXPROCS": "1"})
        try: fcntl.fcntl(self.p.stdout, 1031, 1 << 20)         # F_SETPIPE_SZ: let it render ahead
        except OSError: pass
        assert self.read(8) == b"EVFEED1\n"
        self.T, self.H, self.W, self.G = struct.unpack("<4I", self.read(16))

    def read(self, n):
        b = self.p.stdout.read(n)
        if len(b) != n: raise EOFError("the renderer ended early")
        return b

    def clip(self):
        (n,) = struct.unpack("<I", self.read(4)); label = json.loads(self.read(n))
        v = np.frombuffer(self.read(self.T * self.H * self.W * 3), np.uint8).reshape(self.T, self.H, self.W, 3)
        c = self.T // 2 * self.G * self.G
        return v, np.frombuffer(self.read(c * 6), np.int8).reshape(c, 6), np.frombuffer(self.read(c * 8), "<f4").reshape(c, 2), label

    def batch(self, n):
        """video u8 [n, T, H, W, 3], labels i8 [n, cells, 6], offsets f32 [n, cells, 2], dicts"""
        v, l, o, d = zip(*(self.clip() for _ in range(n)))
        return np.stack(v), np.stack(l), np.stack(o), list(d)

    def close(self):
        self.p.stdout.close(); self.p.terminate(); self.p.wait()
