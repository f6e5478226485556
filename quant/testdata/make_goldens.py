#!/usr/bin/env python3
"""Writes the goldens of package quant: what the Python package gguf makes of the same bytes.

    pip install gguf==0.19.0 numpy==2.4.6
    python3 quant/testdata/make_goldens.py

dequant_<type>.bin: uint32 weights, the encoded bytes, then the weights as float32.
quant_<type>.bin:   uint32 weights, the weights as float32, then the encoded bytes.
"""
import pathlib
import struct

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as T
from gguf.quants import dequantize, quantize

here = pathlib.Path(__file__).parent
rng = np.random.default_rng(1)

# where the fp16 scales of a block are; random bytes there would be NaNs and infinities
SCALES = {
    T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0],
    T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208],
}


def weights(n):
    """Blocks of many sizes, with zeros, ties, equal magnitudes of both signs, tiny values."""
    x = rng.standard_normal(n).astype(np.float32).reshape(-1, 32)
    x *= (2.0 ** rng.integers(-12, 8, size=(len(x), 1))).astype(np.float32)
    x[0] = 0
    x[1] = np.linspace(-1, 1, 32)
    x[2] = 0.75
    x[3] = np.where(np.arange(32) % 2 == 0, -2, 2)
    x[4] = np.float32(1e-30)  # its fp16 scale is 0
    x[5] = np.arange(32) - 15.5
    x[6, 3:] = 0
    x[7] = np.abs(x[7])
    return x.reshape(1, -1)


for t in [T.F32, T.F16, T.BF16, T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1, T.Q8_0, T.Q4_K, T.Q5_K, T.Q6_K]:
    length, size = GGML_QUANT_SIZES[t]
    n = 2048
    if t in SCALES:
        raw = rng.integers(0, 256, size=(n // length, size), dtype=np.uint8)
        for off in SCALES[t]:
            d = (rng.standard_normal(n // length) * 2.0 ** rng.integers(-22, 4, n // length)).astype(np.float16)
            d[0] = 0
            raw[:, off:off + 2] = d.view(np.uint8).reshape(-1, 2)
        raw = raw.reshape(1, -1)
    else:
        raw = np.atleast_2d(quantize(weights(n), t)).view(np.uint8)
    if t == T.F16:  # every exponent
        raw = (np.arange(n, dtype=np.uint32) * 31 % 0x7c00 | (np.arange(n, dtype=np.uint32) & 1) << 15)
        raw = raw.astype(np.uint16).view(np.uint8).reshape(1, -1)
    out = dequantize(raw, t).astype("<f4")
    assert out.size == n, (t, out.size)
    (here / f"dequant_{t.name.lower()}.bin").write_bytes(struct.pack("<I", n) + raw.tobytes() + out.tobytes())

for t in [T.F16, T.BF16, T.Q8_0, T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1]:
    x = weights(2048)
    out = np.ascontiguousarray(quantize(x, t)).view(np.uint8)
    (here / f"quant_{t.name.lower()}.bin").write_bytes(struct.pack("<I", x.size) + x.astype("<f4").tobytes() + out.tobytes())
