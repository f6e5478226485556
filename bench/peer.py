"""llama.cpp's side of the comparison: the same work as `edgevlm bench`, with the same JSON keys, through llama-cpp-python.

  load_s, vision[{size,s}], prefill_tps (256 tokens), decode_tps (64 tokens after them), rss_bytes, isa

Usage: python peer.py --model T.gguf [--mmproj P.gguf] [--threads N] [--prefill 256] [--decode 64] [--vision-sizes 448x448,644x364]
"""
import argparse
import ctypes
import json
import resource
import sys
import time

import numpy as np


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--model", required=True)
    ap.add_argument("--mmproj")
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--prefill", type=int, default=256)
    ap.add_argument("--decode", type=int, default=64)
    ap.add_argument("--vision-sizes", default="448x448,644x364")
    ap.add_argument("--vision-repeats", type=int, default=1)
    a = ap.parse_args()

    import llama_cpp as lc
    from llama_cpp import mtmd_cpp as mt

    quiet = lc.llama_log_callback(lambda level, text, data: None)
    lc.llama_log_set(quiet, ctypes.c_void_p(0))
    mt.mtmd_log_set(quiet, ctypes.c_void_p(0))
    mt.mtmd_helper_log_set(quiet, ctypes.c_void_p(0))
    lc.llama_backend_init()
    out = {}

    t0 = time.perf_counter()
    mp = lc.llama_model_default_params()
    mp.n_gpu_layers = 0
    model = lc.llama_model_load_from_file(a.model.encode(), mp)
    if not model:
        sys.exit(f"llama.cpp could not load {a.model}")
    cp = lc.llama_context_default_params()
    cp.n_ctx = 2048
    cp.n_batch = 2048
    cp.n_ubatch = 512
    cp.n_threads = cp.n_threads_batch = a.threads
    ctx = lc.llama_init_from_model(model, cp)
    out["load_s"] = time.perf_counter() - t0
    vocab = lc.llama_vocab_n_tokens(lc.llama_model_get_vocab(model))

    rng = np.random.default_rng(7)

    def run(tokens):
        arr = (lc.llama_token * len(tokens))(*tokens)
        if lc.llama_decode(ctx, lc.llama_batch_get_one(arr, len(tokens))):
            sys.exit("llama.cpp could not decode")

    tokens = [int(x) for x in rng.integers(1000, vocab - 1000, a.prefill)]
    run(tokens[:8])                                     # warm up: pages, threads
    lc.llama_memory_clear(lc.llama_get_memory(ctx), True)
    t0 = time.perf_counter()
    run(tokens)
    out["prefill_tps"] = a.prefill / (time.perf_counter() - t0)
    t0 = time.perf_counter()
    for _ in range(a.decode):
        run([int(rng.integers(1000, vocab - 1000))])
        np.ctypeslib.as_array(lc.llama_get_logits_ith(ctx, -1), (vocab,)).argmax()
    out["decode_tps"] = a.decode / (time.perf_counter() - t0)

    if a.mmproj:
        vp = mt.mtmd_context_params_default()
        vp.use_gpu = False
        vp.n_threads = a.threads
        vp.print_timings = False
        vp.warmup = False
        vctx = mt.mtmd_init_from_file(a.mmproj.encode(), model, vp)
        if not vctx:
            sys.exit(f"llama.cpp could not load {a.mmproj}")
        out["vision"] = []
        for size in a.vision_sizes.split(","):
            w, h = map(int, size.split("x"))
            pix = rng.integers(0, 256, w * h * 3, dtype=np.uint8)
            bm = mt.mtmd_bitmap_init(w, h, pix.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8)))
            chunks = mt.mtmd_input_chunks_init()
            text = mt.mtmd_input_text()
            text.text = mt.mtmd_default_marker()
            text.text_len = len(text.text)
            text.add_special = False
            text.parse_special = True
            if mt.mtmd_tokenize(vctx, chunks, ctypes.byref(text), (mt.mtmd_bitmap_p_ctypes * 1)(bm), 1):
                sys.exit("llama.cpp could not tokenize the image")
            for i in range(mt.mtmd_input_chunks_size(chunks)):
                c = mt.mtmd_input_chunks_get(chunks, i)
                if mt.mtmd_input_chunk_get_type(c) != 1:   # MTMD_INPUT_CHUNK_TYPE_IMAGE
                    continue
                for _ in range(a.vision_repeats):
                    t0 = time.perf_counter()
                    if mt.mtmd_encode_chunk(vctx, c):
                        sys.exit("llama.cpp could not encode the image")
                    out["vision"].append({"size": size, "s": time.perf_counter() - t0, "tokens": mt.mtmd_input_chunk_get_n_tokens(c)})
            mt.mtmd_input_chunks_free(chunks)
            mt.mtmd_bitmap_free(bm)

    out["rss_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    out["isa"] = lc.llama_print_system_info().decode()
    out["threads"] = a.threads
    print(json.dumps(out))


if __name__ == "__main__":
    main()
