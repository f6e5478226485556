package npu

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
)

// verdict is a self-check's figures as they are kept in Options.CacheDir. Faults are not kept: a device that was lost
// may be well tomorrow.
type verdict struct {
	Key             string // what they hold for, in words
	Vision, Decoder StageCheck
}

// verdictVersion changes with the self-check.
const verdictVersion = 1

// verdictKey holds all that a verdict depends on: device, driver, model and this program.
func (s *selection) verdictKey(dev Device) string {
	build := ""
	if b, ok := debug.ReadBuildInfo(); ok {
		build = b.Main.Version
		for _, kv := range b.Settings {
			if kv.Key == "vcs.revision" || kv.Key == "GOARCH" {
				build += " " + kv.Value
			}
		}
	}
	return fmt.Sprintf("%d %q %q %q %q cpu %q model %q build %q", verdictVersion, dev.Driver, dev.ID, dev.Name, dev.DriverVersion,
		s.cpu.Device().Name, s.model.Fingerprint(), build)
}

func (s *selection) verdictPath(key string) string {
	h := sha256.Sum256([]byte(key))
	return filepath.Join(s.o.CacheDir, "npu-"+hex.EncodeToString(h[:12])+".json")
}

// cached returns an earlier verdict, nil if there is none that can be read.
func (s *selection) cached(dev Device) *verdict {
	if s.o.CacheDir == "" {
		return nil
	}
	key := s.verdictKey(dev)
	data, err := os.ReadFile(s.verdictPath(key))
	var v verdict
	if err != nil || json.Unmarshal(data, &v) != nil || v.Key != key || !(v.Vision.Checked || v.Decoder.Checked) {
		return nil
	}
	return &v
}

// keep writes a verdict. A cache that can't be written costs time at the next start, so that is only logged.
func (s *selection) keep(dev Device, a *Attempt) {
	if s.o.CacheDir == "" || !a.Vision.Checked && !a.Decoder.Checked {
		return
	}
	key := s.verdictKey(dev)
	data, err := json.MarshalIndent(verdict{key, finite(a.Vision), finite(a.Decoder)}, "", " ")
	if err == nil {
		err = writeAtomic(s.verdictPath(key), data)
	}
	if err != nil {
		s.o.Log.Warn("npu: the self-check's verdict can't be kept, it is repeated at the next start", "err", err)
	}
}

// finite replaces what JSON can't hold. A check with such a figure failed, which its Err says.
func finite(c StageCheck) StageCheck {
	for _, f := range []*float64{&c.NMSE, &c.Cosine} {
		if *f-*f != 0 {
			*f = -1
		}
	}
	return c
}

// writeAtomic replaces a file so that a reader, or a power cut, sees the old content or the new.
func writeAtomic(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".npu-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
