package commands

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/edgevlm/edgevlm/mqtt"
)

// maxSettings bounds the file of settings, in bytes.
const maxSettings = 4 << 20

// loadSettings reads what saveSettings wrote; no file is no settings. What is not valid any more is left out.
func loadSettings(path string) (map[string]Settings, error) {
	out := map[string]Settings{}
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return out, nil
	}
	if err != nil {
		return out, fmt.Errorf("commands: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSettings))
	if err != nil {
		return out, fmt.Errorf("commands: %w", err)
	}
	var raw map[string]Settings
	if err := json.Unmarshal(b, &raw); err != nil {
		return out, fmt.Errorf("commands: %s: %w", path, err)
	}
	for camera, s := range raw {
		if mqtt.ValidateCamera(camera) != nil {
			continue
		}
		if s.FPS != nil && !(*s.FPS >= MinFPS && *s.FPS <= MaxFPS) {
			s.FPS = nil
		}
		if s.Prompt != nil && checkText("prompt", *s.Prompt, true) != nil {
			s.Prompt = nil
		}
		if s.Mode != nil && *s.Mode != ModeDescribe && *s.Mode != ModeQuestions {
			s.Mode = nil
		}
		out[camera] = s
	}
	return out, nil
}

// saveSettings replaces the file in one step that outlasts a power cut.
func saveSettings(path string, all map[string]Settings) error {
	b, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".settings-*")
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
