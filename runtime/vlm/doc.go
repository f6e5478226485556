// Package vlm answers questions about pictures and clips. It puts a vision-language model's parts together: tokenizer,
// picture preprocessing, vision tower and decoder, on the CPU or on an accelerator behind package npu.
//
// Engine.Generate answers one request. Sequence is the level below: what a model has seen so far, to be appended to,
// forked and generated from.
package vlm
