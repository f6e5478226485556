// Package qwen2vl runs models of the Qwen2-VL family on the CPU: the vision tower with its merger, and the text
// decoder. The decoder also runs plain qwen2 and llama text models.
//
// Weights come from GGUF files as llama.cpp writes them and stay in their quantized form. Positions are explicit
// everywhere: a Session keeps keys and values, never a notion of time; MRoPEPositions computes the positions of a
// prompt. The reference for every formula is transformers 4.57 (modeling_qwen2_vl.py); testdata/make_goldens.py makes
// the numbers that the tests compare with.
package qwen2vl
