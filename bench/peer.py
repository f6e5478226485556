"""llama.cpp's side of the comparison: the same work as `edgevlm bench`, with the same JSON keys, through llama-cpp-python.

  load_s, vision[{size,s}], prefill_tps, decode_tps (after the prefill's tokens), description{size,s}, rss_bytes, isa

Usage: python peer.py --model T.gguf [--mmproj P.gguf] [--threads N] [--prefill 256] [--decode 64] [--describe N] [--size 448x448,644x364]

0 tokens leave a stage out. With --describe the first picture is encoded as part of a whole description of N tokens.
"""
import argparse
import ctypes
import json
import resource
import sys
import time

import llama_cpp as lc
import numpy as np
from llama_cpp import mtmd_cpp as mt

BEFORE, AFTER = 15, 19  # prompt tokens around a description's picture, as in bench/stages.go
IMAGE_CHUNK = 1         # MTMD_INPUT_CHUNK_TYPE_IMAGE


class Peer:
    def __init__(self, a):
        self.threads = a.threads
        mp = lc.llama_model_default_params()
        mp.n_gpu_layers = 0
        self.model = lc.llama_model_load_from_file(a.model.encode(), mp)
        if not self.model:
            sys.exit(f"llama.cpp could not load {a.model}")
        cp = lc.llama_context_default_params()
        cp.n_ctx = max(2048, a.prefill + a.decode + 64)
        cp.n_batch = 2048
        cp.n_ubatch = 512
        cp.n_threads = cp.n_threads_batch = a.threads
        self.ctx = lc.llama_init_from_model(self.model, cp)
        self.vocab = lc.llama_vocab_n_tokens(lc.llama_model_get_vocab(self.model))
        self.rng = np.random.default_rng(7)

    def load_vision(self, path):
        vp = mt.mtmd_context_params_default()
        vp.use_gpu = False
        vp.n_threads = self.threads
        vp.print_timings = False
        vp.warmup = False
        self.vision = mt.mtmd_init_from_file(path.encode(), self.model, vp)
        if not self.vision:
            sys.exit(f"llama.cpp could not load {path}")

    def clear(self):
        lc.llama_memory_clear(lc.llama_get_memory(self.ctx), True)

    def run(self, n):
        while n > 2048:  # n_batch
            self.run(2048)
            n -= 2048
        tokens = [int(x) for x in self.rng.integers(1000, self.vocab - 1000, n)]
        array = (lc.llama_token * n)(*tokens)  # a name of its own: the batch only points to it
        if lc.llama_decode(self.ctx, lc.llama_batch_get_one(array, n)):
            sys.exit("llama.cpp could not decode")

    def best(self):
        return int(np.ctypeslib.as_array(lc.llama_get_logits_ith(self.ctx, -1), (self.vocab,)).argmax())

    def picture(self, size):
        """Chunks of a picture of random pixels; free them."""
        w, h = map(int, size.split("x"))
        pix = self.rng.integers(0, 256, w * h * 3, dtype=np.uint8)
        bm = mt.mtmd_bitmap_init(w, h, pix.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8)))
        chunks = mt.mtmd_input_chunks_init()
        text = mt.mtmd_input_text()
        text.text = mt.mtmd_default_marker()
        text.text_len = len(text.text)
        text.add_special = False
        text.parse_special = True
        if mt.mtmd_tokenize(self.vision, chunks, ctypes.byref(text), (mt.mtmd_bitmap_p_ctypes * 1)(bm), 1):
            sys.exit("llama.cpp could not tokenize the image")
        mt.mtmd_bitmap_free(bm)
        return chunks

    def image_chunk(self, chunks):
        for i in range(mt.mtmd_input_chunks_size(chunks)):
            c = mt.mtmd_input_chunks_get(chunks, i)
            if mt.mtmd_input_chunk_get_type(c) == IMAGE_CHUNK:
                return c
        sys.exit("llama.cpp made no image of the picture")

    def encode(self, size, chunk):
        t0 = time.perf_counter()
        if mt.mtmd_encode_chunk(self.vision, chunk):
            sys.exit("llama.cpp could not encode the image")
        return {"size": size, "s": time.perf_counter() - t0, "tokens": mt.mtmd_input_chunk_get_n_tokens(chunk)}

    def describe(self, size, tokens):
        self.clear()
        chunks = self.picture(size)
        chunk = self.image_chunk(chunks)
        t0 = time.perf_counter()
        self.run(BEFORE)
        vision = self.encode(size, chunk)
        past = lc.llama_pos(0)
        if mt.mtmd_helper_decode_image_chunk(self.vision, self.ctx, chunk, mt.mtmd_get_output_embd(self.vision), BEFORE, 0, 2048, ctypes.byref(past),
                                             mt.mtmd_helper_post_decode_callback(0), None):
            sys.exit("llama.cpp could not decode the image")
        self.run(AFTER)
        self.best()
        for _ in range(tokens - 1):
            self.run(1)
            self.best()
        took = time.perf_counter() - t0
        mt.mtmd_input_chunks_free(chunks)
        return vision, {"size": size, "prompt_tokens": BEFORE + vision["tokens"] + AFTER, "tokens": tokens, "s": took}


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--model", required=True)
    ap.add_argument("--mmproj")
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--prefill", type=int, default=256)
    ap.add_argument("--decode", type=int, default=64)
    ap.add_argument("--describe", type=int, default=0)
    ap.add_argument("--size", default="448x448,644x364")
    a = ap.parse_args()

    quiet = lc.llama_log_callback(lambda level, text, data: None)
    lc.llama_log_set(quiet, ctypes.c_void_p(0))
    mt.mtmd_log_set(quiet, ctypes.c_void_p(0))
    mt.mtmd_helper_log_set(quiet, ctypes.c_void_p(0))
    lc.llama_backend_init()
    out = {"prefill_tps": 0, "decode_tps": 0, "vision": []}

    t0 = time.perf_counter()
    p = Peer(a)
    if a.mmproj:
        p.load_vision(a.mmproj)
    out["load_s"] = time.perf_counter() - t0

    p.run(8)  # warm up: pages, threads
    p.clear()
    if a.prefill:
        t0 = time.perf_counter()
        p.run(a.prefill)
        out["prefill_tps"] = a.prefill / (time.perf_counter() - t0)
    if a.decode:
        t0 = time.perf_counter()
        for _ in range(a.decode):
            p.run(1)
            p.best()
        out["decode_tps"] = a.decode / (time.perf_counter() - t0)
    if a.mmproj:
        sizes = a.size.split(",")
        if a.describe:
            vision, out["description"] = p.describe(sizes.pop(0), a.describe)
            out["vision"].append(vision)
        for size in sizes:
            chunks = p.picture(size)
            out["vision"].append(p.encode(size, p.image_chunk(chunks)))
            mt.mtmd_input_chunks_free(chunks)

    out["rss_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    out["isa"] = lc.llama_print_system_info().decode()
    out["threads"] = a.threads
    print(json.dumps(out))


if __name__ == "__main__":
    main()
