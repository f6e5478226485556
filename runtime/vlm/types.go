package vlm

import (
	"errors"
	"log/slog"
	"time"

	"github.com/edgevlm/edgevlm/npu"
	"github.com/edgevlm/edgevlm/runtime/imageproc"
	"github.com/edgevlm/edgevlm/runtime/schema"
)

// Options are for opening an Engine. The zero value is fine.
type Options struct {
	Threads int          // of the CPU; 0: one for each core
	Backend string       // "" or "auto", "cpu", or a driver's name
	Drivers []npu.Driver // what auto may choose from, the best first
	// CacheDir is for drivers' caches and repacked weights. "" keeps none of the former, and the latter beside the model.
	CacheDir             string
	NoWeightsCache       bool   // repack at every start, in memory
	Vision               string // "" or "int8": an F16 or BF16 tower is kept in 8 bits; "float": as it is
	MinPixels, MaxPixels int    // area of a picture or frame after resizing; 0: the model's own
	MaxContext           int    // tokens; 0: the model's own
	// AnswerTemperature calibrates the probabilities of yes_no and choice answers: their logarithms are divided by it. More
	// than 1 is for a model that is too sure of itself. 0: what the model's file says, else 1. See FitAnswerTemperature.
	AnswerTemperature float64
	Log               *slog.Logger // nil: silent
	// Progress, if set, is called while a method of the Engine runs, by one goroutine at a time: stage is "load" (bytes), "vision"
	// (pictures and clips), "prefill" or "decode" (tokens).
	Progress func(stage string, done, total int64)
}

// Info describes a loaded model.
type Info struct {
	Name          string // general.name, or the file's
	Arch          string // qwen2vl, qwen2 or llama
	Quant         string // the type that most of the decoder's bytes have
	Backend       string // "cpu", a driver's name, or "vulkan+cpu" where they share the work
	ContextLength int    // tokens
	Params        int64  // weights, of both files
	HasVision     bool
	LoadTime      time.Duration
}

// Media is a still or a clip.
type Media struct {
	Frames []imageproc.RGB // of one size
	// Times are the frames' capture times, as many as frames; nil: they are equally far apart. They decide the clip's
	// temporal positions.
	Times []time.Duration
	// Period is the nominal time between two frames; 0: the median of Times' differences.
	Period time.Duration
	Video  bool // false: a still, of exactly one frame
}

// Sampling is how tokens are drawn. The zero value is greedy: the likeliest token, the lowest id among equals.
type Sampling struct {
	Temperature float32 // 0: greedy
	TopP        float32 // keep the likeliest tokens that together have this probability; 0 or 1: all
	TopK        int     // keep this many; 0: all
	Seed        uint64  // equal seeds draw equal tokens
}

// Request is one question to the model.
type Request struct {
	// System is the system prompt: nil for the model's own, "" for none. Raw ignores it.
	System *string
	// Media stand in front of the prompt, in order. A Raw prompt can place them itself: each
	// <|vision_start|><|image_pad|><|vision_end|>, or <|video_pad|> for a clip, takes the next one.
	Media  []Media
	Prompt string
	// Raw gives the prompt to the model as it is, with no chat template. Special tokens are parsed in either case,
	// but those that would end the turn or place media only in a Raw prompt.
	Raw       bool
	MaxTokens int // 0: 256
	Sampling  Sampling
	// Schema, if set, makes the answer a JSON document that it allows, complete within MaxTokens.
	Schema *schema.Schema
}

// Box is an object that the model pointed at, in fractions of the picture, origin at the top left.
type Box struct {
	Label      string
	X, Y, W, H float64
}

// Timings say where the time of a Result went. Load is the Engine's, once.
type Timings struct {
	Load, Preprocess, Vision, Prefill, Decode time.Duration
}

// Result is an answer.
type Result struct {
	// Text is the answer without markup: control tokens are left out, and of grounded objects the label stays and the
	// coordinates go. It is what emit got, joined.
	Text string
	// Tokens are all that were generated, an end token included.
	Tokens []int32
	// PromptTokens are the whole prompt's, with one pad token for each embedding.
	PromptTokens []int32
	GridTHW      [][3]int // of each of Media, in patches before merging
	Boxes        []Box
	Backend      string // what computed it, as in Info
	Timings      Timings
	FinishReason string // "stop": the model ended it; "length": MaxTokens or the context was reached
}

// Errors of an Engine, wrapped.
var (
	ErrClosed  = errors.New("vlm: the engine is closed")
	ErrRequest = errors.New("vlm: bad request") // the request can't be answered as it is; trying again is no use
)
