#!/usr/bin/env python3
"""Writes quant_k.bin: weights of four kinds, and the squared error that llama.cpp's own encoder leaves on each in Q4_K and Q6_K.

    pip install gguf==0.19.0 numpy==2.4.6 llama-cpp-python==0.3.36
    python3 quant/testdata/make_k_goldens.py

Per kind: uint32 weights, the weights as float16, then float64 squared error in Q4_K and in Q6_K.
"""
import ctypes
import pathlib
import struct

import gguf
import llama_cpp
import numpy as np

lib = ctypes.CDLL(str(pathlib.Path(llama_cpp.__file__).parent / "lib" / "libggml-base.so"))
lib.ggml_quantize_chunk.restype = ctypes.c_size_t
lib.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p]
here = pathlib.Path(__file__).parent
rng = np.random.default_rng(5)
n = 256 * 16
kinds = [
    rng.standard_normal(n) * .02,                                                        # a trained matrix
    rng.standard_t(3, n) * .02,                                                          # outliers
    rng.uniform(-.01, .09, n),                                                           # off centre
    rng.standard_normal(n) * .02 * 2.0 ** rng.integers(-3, 4, n // 32).repeat(32),       # blocks of unlike sizes
]
out = b""
for x in kinds:
    x = x.astype(np.float16)
    f = np.ascontiguousarray(x.astype(np.float32))
    out += struct.pack("<I", n) + x.tobytes()
    for t in (gguf.GGMLQuantizationType.Q4_K, gguf.GGMLQuantizationType.Q6_K):
        length, size = gguf.GGML_QUANT_SIZES[t]
        enc = np.zeros(n // length * size, np.uint8)
        lib.ggml_quantize_chunk(t.value, f.ctypes.data, enc.ctypes.data, 0, 1, n, None)
        d = gguf.quants.dequantize(enc.reshape(1, -1), t).ravel()
        out += struct.pack("<d", float(((d.astype(np.float64) - f) ** 2).sum()))
(here / "quant_k.bin").write_bytes(out)
