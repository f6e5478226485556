package models

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// systemDir is where the packages' daemon looks and where root puts models.
const systemDir = "/var/lib/edgevlm/models"

// Dirs are the folders that models are looked for in, in this order: systemd's
// state directory, the user's data directory, and the system's. env is os.Getenv.
func Dirs(env func(string) string) []string {
	var dirs []string
	if state := env("STATE_DIRECTORY"); state != "" {
		dirs = append(dirs, filepath.Join(state, "models"))
	}
	if data := userData(env); data != "" {
		dirs = append(dirs, filepath.Join(data, "edgevlm", "models"))
	}
	return append(dirs, systemDir)
}

func userData(env func(string) string) string {
	if data := env("XDG_DATA_HOME"); filepath.IsAbs(data) {
		return data
	}
	if home := env("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "share")
	}
	return ""
}

// DefaultDir is where a model is put without `--to`: root's go where the daemon
// finds them, everybody else's into the user's data directory.
func DefaultDir(env func(string) string, uid int) string {
	if uid == 0 {
		return systemDir
	}
	if data := userData(env); data != "" {
		return filepath.Join(data, "edgevlm", "models")
	}
	return systemDir
}

// Stored is a model on the disk.
type Stored struct {
	Dir          string
	Text, MMProj string // paths
	Bytes        int64  // of both
}

// ErrNotStored says that a model is in none of the folders.
var ErrNotStored = errors.New("is not on this machine")

// manifestName is the file that makes a folder a model. It is written last.
const manifestName = "model.json"

// Manifest says what a model's folder holds and how far it was checked.
type Manifest struct {
	Name    string         `json:"name"`
	Licence string         `json:"licence"`
	Pulled  time.Time      `json:"pulled"`
	Files   []ManifestFile `json:"files"`
}

// ManifestFile is one file of a Manifest.
type ManifestFile struct {
	Role   string  `json:"role"`
	Name   string  `json:"name"`
	Size   int64   `json:"size"`
	SHA256 string  `json:"sha256"` // as computed here
	From   string  `json:"from"`
	Check  Checked `json:"checked_against"`
}

// WriteManifest makes dir a model's folder.
func WriteManifest(dir string, m Manifest) error {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("models: %w", err)
	}
	tmp := filepath.Join(dir, "."+manifestName)
	if err := os.WriteFile(tmp, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("models: %w", err)
	}
	if err := os.Rename(tmp, filepath.Join(dir, manifestName)); err != nil {
		return fmt.Errorf("models: %w", err)
	}
	return nil
}

// Locate finds a model that was pulled. Its error is ErrNotStored where no folder
// has it.
func Locate(name string, dirs []string) (Stored, error) {
	if !ValidName(name) {
		return Stored{}, fmt.Errorf("models: `%s` is no model's name", name)
	}
	for _, dir := range dirs {
		s, err := open(filepath.Join(dir, name))
		switch {
		case err == nil:
			return s, nil
		case !errors.Is(err, fs.ErrNotExist):
			return Stored{}, fmt.Errorf("models: %s in %s: %w; `edgevlm pull %s` puts it right", name, dir, err, name)
		}
	}
	hint := "`edgevlm pull` lists what can be fetched"
	if _, ok, _ := Find(name); ok {
		hint = "`edgevlm pull " + name + "` fetches it"
	}
	return Stored{}, fmt.Errorf("models: %s %w (looked in %s); %s", name, ErrNotStored, strings.Join(dirs, ", "), hint)
}

// ReadManifest reads that of a model's folder.
func ReadManifest(dir string) (m Manifest, err error) {
	data, err := os.ReadFile(filepath.Join(dir, manifestName))
	if err == nil {
		if jerr := json.Unmarshal(data, &m); jerr != nil {
			err = fmt.Errorf("%s: %v", manifestName, jerr)
		}
	}
	return m, err
}

// open reads a model's folder. A folder without a manifest doesn't exist.
func open(dir string) (Stored, error) {
	m, err := ReadManifest(dir)
	if err != nil {
		return Stored{}, err
	}
	s := Stored{Dir: dir}
	for _, f := range m.Files {
		if f.Name == "" || f.Name != filepath.Base(f.Name) {
			return Stored{}, fmt.Errorf("%s: `%s` is no file name", manifestName, f.Name)
		}
		path := filepath.Join(dir, f.Name)
		st, err := os.Stat(path)
		if err != nil || st.Size() != f.Size {
			return Stored{}, fmt.Errorf("%s is gone or not %d bytes long", f.Name, f.Size)
		}
		s.Bytes += f.Size
		switch f.Role {
		case RoleText:
			s.Text = path
		case RoleMMProj:
			s.MMProj = path
		}
	}
	if s.Text == "" || s.MMProj == "" {
		return Stored{}, fmt.Errorf("%s names no text or no mmproj file", manifestName)
	}
	return s, nil
}
