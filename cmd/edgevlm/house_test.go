package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const modulePath = "github.com/edgevlm/edgevlm/"

// goPackage is what `go list -json` says of one.
type goPackage struct {
	Dir, ImportPath string
	GoFiles         []string
	Deps            []string
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-json=Dir,ImportPath,GoFiles,Deps", "./...")
	cmd.Dir = filepath.Join("..", "..")
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("go list: %v", err)
	}
	var all []goPackage
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		p.ImportPath = strings.TrimPrefix(p.ImportPath, modulePath)
		all = append(all, p)
	}
}

// within says whether a package is one of the trees, or inside of one.
func within(path string, trees ...string) bool {
	return slices.ContainsFunc(trees, func(tree string) bool { return path == tree || strings.HasPrefix(path, tree+"/") })
}

// TestWhoMayImportWhom holds the layers: below the pipeline nobody knows the
// network, below the model nobody knows anybody.
func TestWhoMayImportWhom(t *testing.T) {
	// Of a tree, which of ours it may depend on beside itself.
	may := map[string][]string{
		"quant":             {},
		"capture":           {},
		"mqtt":              {},
		"systemd":           {},
		"board":             {},
		"models":            {},
		"metrics":           {},
		"runtime/imageproc": {},
		"runtime/compute":   {},
		"runtime/kvcache":   {},
		"runtime/gguf":      {"quant"},
		"runtime/token":     {"quant", "runtime/gguf"},
		"runtime/weights":   {"quant", "runtime/gguf"},
		"runtime/schema":    {},
		"runtime/watch":     {},
		"runtime/qwen2vl":   {"quant", "runtime/gguf", "runtime/compute", "runtime/kvcache"},
		"runtime/quantize":  {"quant", "runtime/gguf", "runtime/compute", "runtime/kvcache", "runtime/qwen2vl", "runtime/token"},
		"runtime/vlm": {"quant", "npu", "runtime/gguf", "runtime/weights", "runtime/compute", "runtime/kvcache", "runtime/qwen2vl",
			"runtime/imageproc", "runtime/token", "runtime/schema"},
		"npu": {},
		"runtime/stream": {"quant", "npu", "runtime/vlm", "runtime/gguf", "runtime/weights", "runtime/compute", "runtime/kvcache",
			"runtime/qwen2vl", "runtime/imageproc", "runtime/token", "runtime/schema"},
		"runtime/pipeline": {"capture", "quant", "npu", "runtime/vlm", "runtime/gguf", "runtime/weights", "runtime/compute",
			"runtime/kvcache", "runtime/qwen2vl", "runtime/imageproc", "runtime/token", "runtime/schema", "runtime/watch", "runtime/stream"},
	}
	// Only these wire everything. A package that is in neither list is one that nobody thought about.
	wiring := []string{"cmd", "hwtest", "demo", "bench"}
	for _, p := range packages(t) {
		known := within(p.ImportPath, wiring...)
		for tree, allowed := range may {
			if !within(p.ImportPath, tree) {
				continue
			}
			known = true
			for _, dep := range p.Deps {
				dep, ours := strings.CutPrefix(dep, modulePath)
				if ours && !within(dep, append(allowed, tree)...) {
					t.Errorf("%s depends on %s", p.ImportPath, dep)
				}
			}
		}
		if !known {
			t.Errorf("%s is in no list: say what it may import", p.ImportPath)
		}
	}
}

func TestOnlyMQTTImportsPahoAndOnlyItsBrokerMochi(t *testing.T) {
	for _, p := range packages(t) {
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range f.Imports {
				path := strings.Trim(i.Path.Value, `"`)
				if strings.HasPrefix(path, "github.com/eclipse/paho") && !within(p.ImportPath, "mqtt") ||
					strings.HasPrefix(path, "github.com/mochi-mqtt") && !within(p.ImportPath, "mqtt/broker") {
					t.Errorf("%s/%s imports %s", p.ImportPath, name, path)
				}
			}
		}
	}
}

func TestEveryPackageHasOneComment(t *testing.T) {
	for _, p := range packages(t) {
		var comments []string
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.PackageClauseOnly)
			if err != nil {
				t.Fatal(err)
			}
			if f.Doc != nil && !isDirective(f.Doc) {
				comments = append(comments, name)
			}
		}
		if len(p.GoFiles) > 0 && len(comments) != 1 {
			t.Errorf("%s: package comments in %d files: %q", p.ImportPath, len(comments), comments)
		}
	}
}

// A package named runtime would shadow the standard library's.
func TestRuntimeHasNoGoFileOfItsOwn(t *testing.T) {
	if files, _ := filepath.Glob(filepath.Join("..", "..", "runtime", "*.go")); len(files) > 0 {
		t.Errorf("%q: put them into a package below", files)
	}
}

// isDirective says whether a comment is only for tools.
func isDirective(c *ast.CommentGroup) bool { return strings.TrimSpace(c.Text()) == "" }
