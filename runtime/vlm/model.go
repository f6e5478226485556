package vlm

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/edgevlm/edgevlm/npu"
	"github.com/edgevlm/edgevlm/runtime/gguf"
)

// model is what drivers see of the files.
type model struct {
	arch        string
	files       []*gguf.File
	path        string // of the text model, "" in memory
	fingerprint func() string
}

var _ npu.Model = (*model)(nil)

func newModel(text, mmproj *source) *model {
	m := &model{arch: text.file.Arch(), files: []*gguf.File{text.file}, path: text.path}
	if mmproj != nil {
		m.files = append(m.files, mmproj.file)
	}
	m.fingerprint = sync.OnceValue(m.hash)
	return m
}

func (m *model) Arch() string { return m.arch }

func (m *model) Tensor(name string) (raw []byte, format string, shape []int, ok bool) {
	for _, f := range m.files {
		if t, ok := f.Tensor(name); ok {
			return t.Data, t.Type.String(), t.Shape, true
		}
	}
	return nil, "", nil, false
}

// Sidecar looks beside the text model: M.gguf has M.rkllm.
func (m *model) Sidecar(kind string) (string, bool) {
	if m.path == "" {
		return "", false
	}
	p := strings.TrimSuffix(m.path, ".gguf") + kind
	_, err := os.Stat(p)
	return p, err == nil
}

func (m *model) Fingerprint() string { return m.fingerprint() }

// hash reads the head and some of the data of every tensor: all of it would be gigabytes.
func (m *model) hash() string {
	const sample = 256
	h := sha256.New()
	for _, f := range m.files {
		for _, t := range f.Tensors() {
			fmt.Fprintf(h, "%q %v %v\n", t.Name, t.Type, t.Shape)
			h.Write(t.Data[:min(sample, len(t.Data))])
			h.Write(t.Data[len(t.Data)-min(sample, len(t.Data)):])
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
