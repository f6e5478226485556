// Package models knows where models are published and fetches them: a catalogue,
// downloads that survive a bad line and are checked before anything else sees
// them, and the folders that they are kept in.
package models

import (
	"bytes"
	_ "embed"
	"encoding/hex"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml"
)

// Model is an entry of the catalogue.
type Model struct {
	Name       string `yaml:"name"` // as in `edgevlm pull NAME` and `model: { name: NAME }`
	Title      string `yaml:"title"`
	Licence    string `yaml:"licence"` // SPDX
	LicenceURL string `yaml:"licence_url"`
	Source     string `yaml:"source"` // the page of whoever publishes it
	Files      []File `yaml:"files"`
}

// The roles of a model's files.
const (
	RoleText   = "text"
	RoleMMProj = "mmproj"
)

// File is one of a model's files.
type File struct {
	Role   string `yaml:"role"`
	Name   string `yaml:"name"` // its name on the disk
	URL    string `yaml:"url"`
	Size   int64  `yaml:"size"`   // bytes; 0: not known
	SHA256 string `yaml:"sha256"` // hexadecimal; "": not known
}

// Bytes is the size of all files; 0 if that of one isn't known.
func (m Model) Bytes() int64 {
	var sum int64
	for _, f := range m.Files {
		if f.Size == 0 {
			return 0
		}
		sum += f.Size
	}
	return sum
}

// MemoryNeeded is about what a model with files of so many bytes takes while it
// works: its weights, a quarter of them again for the context and the work on a
// large picture, and the daemon itself. Bytes 0 is the embedded demo model.
func MemoryNeeded(bytes int64) int64 {
	const daemon = 256 << 20
	return bytes + bytes/4 + daemon
}

//go:embed catalogue.yaml
var catalogue []byte

// Catalogue is the embedded catalogue.
func Catalogue() ([]Model, error) { return parseCatalogue(catalogue) }

// Find is the catalogue's entry of that name.
func Find(name string) (m Model, ok bool, err error) {
	all, err := Catalogue()
	for _, m := range all {
		if m.Name == name {
			return m, true, nil
		}
	}
	return Model{}, false, err
}

// validName is what a model may be called: it becomes a folder's name.
var validName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// ValidName says whether a model can have that name.
func ValidName(name string) bool { return validName.MatchString(name) }

func parseCatalogue(data []byte) ([]Model, error) {
	var c struct {
		Models []Model `yaml:"models"`
	}
	if err := yaml.NewDecoder(bytes.NewReader(data), yaml.Strict()).Decode(&c); err != nil {
		return nil, fmt.Errorf("models: catalogue: %s", strings.Join(strings.Fields(err.Error()), " "))
	}
	seen := map[string]bool{}
	for _, m := range c.Models {
		if err := m.check(); err != nil {
			return nil, fmt.Errorf("models: catalogue: %s: %w", m.Name, err)
		}
		if seen[m.Name] {
			return nil, fmt.Errorf("models: catalogue: %s stands there twice", m.Name)
		}
		seen[m.Name] = true
	}
	return c.Models, nil
}

func (m Model) check() error {
	if !ValidName(m.Name) || m.Name == "demo" {
		return fmt.Errorf("a name is lower case letters, digits, `.`, `_` and `-`, and not demo")
	}
	if m.Licence == "" || m.LicenceURL == "" || m.Title == "" {
		return fmt.Errorf("title, licence and licence_url must be there")
	}
	roles := map[string]bool{}
	for _, f := range m.Files {
		if err := f.check(); err != nil {
			return fmt.Errorf("file %s: %w", f.Name, err)
		}
		if roles[f.Role] {
			return fmt.Errorf("two files are the %s", f.Role)
		}
		roles[f.Role] = true
	}
	if !roles[RoleText] || !roles[RoleMMProj] {
		return fmt.Errorf("a model that sees has a text and an mmproj file")
	}
	return nil
}

func (f File) check() error {
	u, err := url.Parse(f.URL)
	switch {
	case f.Role != RoleText && f.Role != RoleMMProj:
		return fmt.Errorf("role `%s` is neither text nor mmproj", f.Role)
	case f.Name == "" || f.Name != filepath.Base(f.Name) || strings.HasPrefix(f.Name, "."):
		return fmt.Errorf("name `%s` is no file name", f.Name)
	case err != nil || u.Scheme != "https":
		return fmt.Errorf("url must be https://")
	case f.Size < 0:
		return fmt.Errorf("size must not be negative")
	}
	return CheckSHA256(f.SHA256)
}

// CheckSHA256 accepts a hash in hexadecimal and "".
func CheckSHA256(s string) error {
	if b, err := hex.DecodeString(s); err != nil || len(b) != 0 && len(b) != 32 {
		return fmt.Errorf("`%s` is no SHA-256: that is 64 hexadecimal digits", s)
	}
	return nil
}
