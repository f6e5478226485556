// Package npu is the seam between the model code and what runs it: the CPU, a GPU or an NPU.
//
// A Delegate takes whole stages, not operators: the vision encoder, and the decoder as a session that rows are appended
// to. Select probes drivers, checks a delegate's numbers against the CPU and its speed, and says in a Report why each
// was taken or not. Resilient keeps a delegate's work repeatable: whatever fails in it, the CPU continues with the same
// tokens.
//
// Drivers are given as lists; nothing registers itself.
package npu

import (
	"context"
	"errors"
	"iter"
	"log/slog"
)

// Stage is a set of the jobs that a delegate can take over.
type Stage uint8

const (
	StageVision   Stage = 1 << iota // pixels to image embeddings
	StageDecoder                    // prefill and decode steps; the host samples
	StageGenerate                   // an opaque loop that samples itself (RKLLM, HailoRT genai), see Generator
)

// String lists the stages: "vision+decoder", "none".
func (s Stage) String() string {
	out := ""
	for i, name := range [...]string{"vision", "decoder", "generate"} {
		if s&(1<<i) != 0 {
			if out != "" {
				out += "+"
			}
			out += name
		}
	}
	if out == "" {
		return "none"
	}
	return out
}

// Device describes what a driver found.
type Device struct {
	Driver        string // the driver's Name
	ID            string // tells two devices of a driver apart
	Name          string // for people
	DriverVersion string
	UMA           bool   // memory is shared with the CPU
	Software      bool   // a CPU that poses as a device (lavapipe): taken only when asked for by name
	Memory        uint64 // bytes
	MaxBuffer     uint64 // bytes
	Stages        Stage
	Formats       []string // weight formats that it takes: "Q4_0", "Q8_0", "rkllm:w8a8", "hef:a8w4"
	MaxContext    int      // tokens, 0: the model's
	VisionInt8    bool     // the vision encoder computes in 8 bits, so the self-check allows it more
}

// Driver finds and opens devices of one kind.
type Driver interface {
	Name() string
	// Probe lists the devices that are there, allocating nothing on them. A library or device node that is missing is
	// no error but an empty list.
	Probe(ctx context.Context) ([]Device, error)
	// Open uploads the model's weights. It returns ErrUnsupported if it can't run this model.
	Open(ctx context.Context, d Device, m Model, o Options) (Delegate, error)
}

// Model is the weights as a driver sees them: GGUF tensors (text and vision files together), or a converted file.
type Model interface {
	Arch() string
	// Tensor returns a tensor's bytes, its format ("Q4_0") and its shape in ggml's order: shape[0] is the contiguous
	// axis. The bytes stay the model's.
	Tensor(name string) (raw []byte, format string, shape []int, ok bool)
	// Sidecar returns the path of a converted artefact of the kind (".rkllm", ".rknn", ".hef", ".engine").
	Sidecar(kind string) (path string, ok bool)
	// Fingerprint identifies the weights, for caches.
	Fingerprint() string
}

// Options are for opening and checking a delegate.
type Options struct {
	MaxTokens int          // longest session, 0: the model's context
	CacheDir  string       // for pipeline caches and self-check verdicts; "" keeps none
	Log       *slog.Logger // nil: silent
}

// Delegate runs stages of one model on one device. Its methods may be called from several goroutines.
type Delegate interface {
	Device() Device
	// Supports says which stages it takes; only these may be called.
	Supports() Stage
	// EncodeVision turns patches into embeddings: dst is [t*h*w/4, hidden], row-major, and wholly written.
	EncodeVision(ctx context.Context, in VisionInput, dst []float32) error
	// NewSession starts an empty sequence of at most maxTokens rows.
	NewSession(ctx context.Context, maxTokens int) (Session, error)
	// Close frees the device. Sessions must be closed before.
	Close() error
}

// VisionInput is what imageproc makes of a picture or clip.
type VisionInput struct {
	Patches []float32 // [t*h*w, 3*2*14*14], row-major, merge groups contiguous
	GridTHW [3]int    // in patches, before merging
}

// Chunk is rows for a session: either tokens or embeddings.
type Chunk struct {
	Tokens []int32
	Embeds []float32  // [rows, hidden], row-major
	Pos    [][3]int32 // M-RoPE t, h, w of each row
}

// Rows is the number of rows.
func (c Chunk) Rows() int { return len(c.Pos) }

// Session is one sequence in a delegate's memory. It is used by one goroutine at a time.
type Session interface {
	// Append adds rows. logits is nil or [vocab] and takes the logits of the last row. When ctx ends meanwhile, the
	// session keeps the rows it had before; after other errors it may be of no more use.
	Append(ctx context.Context, c Chunk, logits []float32) error
	// Truncate drops the rows from n on.
	Truncate(n int) error
	// Len is the number of rows.
	Len() int
	Close() error
}

// Forker is a Session that can be copied cheaply.
type Forker interface {
	// Fork returns an independent session of the same rows.
	Fork(ctx context.Context) (Session, error)
}

// Generator is implemented by delegates of StageGenerate.
type Generator interface {
	Generate(ctx context.Context, prompt []Chunk, p SampleParams) iter.Seq2[int32, error]
}

// SampleParams is how a Generator samples.
type SampleParams struct {
	Temp, TopP float32
	TopK, Max  int
}

// Errors that delegates and Select return, wrapped.
var (
	ErrUnsupported = errors.New("npu: unsupported")
	ErrDeviceLost  = errors.New("npu: device lost")         // fence timeout, worker exit, VK_ERROR_DEVICE_LOST, CUDA_ERROR_*
	ErrNumeric     = errors.New("npu: self-check mismatch") // results differ from the CPU's
	ErrNoDevice    = errors.New("npu: no such device")      // the backend asked for by name is not there
	ErrFull        = errors.New("npu: session is full")     // more rows than maxTokens
)
