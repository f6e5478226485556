#!/usr/bin/env python3
"""Writes fixture.gguf: every metadata type and several tensor types, as the Python package gguf writes them.

    pip install gguf==0.19.0 numpy==2.4.6
    python3 runtime/gguf/testdata/make_fixture.py
"""
import pathlib

import numpy as np
from gguf import GGMLQuantizationType as T, GGUFWriter
from gguf.quants import quantize

w = GGUFWriter(pathlib.Path(__file__).parent / "fixture.gguf", "qwen2vl")
w.add_uint8("t.uint8", 200)
w.add_int8("t.int8", -100)
w.add_uint16("t.uint16", 60000)
w.add_int16("t.int16", -30000)
w.add_uint32("t.uint32", 4000000000)
w.add_int32("t.int32", -2000000000)
w.add_uint64("t.uint64", 2**63 + 5)
w.add_int64("t.int64", -(2**62))
w.add_float32("t.float32", 1.5)
w.add_float64("t.float64", 0.1)
w.add_bool("t.bool", True)
w.add_string("t.string", "a ünïcode string")
w.add_array("t.strings", ["a", "", "日本"])
w.add_array("t.ints", [16, 24, 24, 0])
w.add_array("t.floats", [0.5, 0.25])
w.add_array("t.bools", [True, False])
x = (np.arange(96, dtype=np.float32) - 40).reshape(3, 32) / 8
w.add_tensor("f32", x)
w.add_tensor("f16", x.astype(np.float16))
for t in (T.Q4_0, T.Q4_1, T.Q8_0, T.BF16):
    w.add_tensor(t.name.lower(), quantize(x, t), raw_dtype=t)
w.write_header_to_file()
w.write_kv_data_to_file()
w.write_tensors_to_file()
w.close()
