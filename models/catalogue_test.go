package models

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestTheCatalogueIsSound(t *testing.T) {
	all, err := Catalogue()
	if err != nil {
		t.Fatal(err)
	}
	if all[0].Name != "qwen2-vl-2b" || all[0].Bytes() == 0 {
		t.Errorf("first is %+v", all[0])
	}
	for _, m := range all {
		for _, f := range m.Files {
			// An address that can change must not stand beside a hash, and a hash not beside no size.
			pinned := !strings.Contains(f.URL, "/main/")
			if (f.SHA256 != "") != pinned || (f.Size > 0) != pinned {
				t.Errorf("%s, %s: pinned %v, size %d, hash %q", m.Name, f.Name, pinned, f.Size, f.SHA256)
			}
		}
	}
}

func TestAWrongCatalogueIsNotRead(t *testing.T) {
	good := "models: [{ name: a, title: t, licence: l, licence_url: u, files: [" +
		"{ role: text, name: a.gguf, url: 'https://h/a' }, { role: mmproj, name: b.gguf, url: 'https://h/b' }] }]"
	if _, err := parseCatalogue([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{"name: a,", "name: ../a,"}, {"name: a,", "name: demo,"}, {"role: mmproj", "role: text"}, {"role: mmproj", "role: tower"},
		{"a.gguf", "../a.gguf"}, {"https://h/a", "http://h/a"}, {"title: t", "titel: t"}, {"title: t", "title: ''"},
		{"url: 'https://h/a'", "url: 'https://h/a', sha256: abc"}, {"url: 'https://h/a'", "url: 'https://h/a', size: -1"},
	} {
		if _, err := parseCatalogue([]byte(strings.Replace(good, change[0], change[1], 1))); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q for %q: %v", change[1], change[0], err)
		}
	}
}

func TestAStoredModelIsFoundByName(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "tiny")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	dirs := []string{filepath.Join(root, "none"), root}
	if _, err := Locate("tiny", dirs); !errors.Is(err, ErrNotStored) || !strings.Contains(err.Error(), "`edgevlm pull` lists") {
		t.Errorf("without a manifest: %v", err)
	}
	if _, err := Locate("qwen2-vl-2b", dirs); !errors.Is(err, ErrNotStored) || !strings.Contains(err.Error(), "edgevlm pull qwen2-vl-2b") {
		t.Errorf("one of the catalogue: %v", err)
	}
	m := Manifest{Name: "tiny"}
	for _, role := range []string{RoleText, RoleMMProj} {
		if err := os.WriteFile(filepath.Join(dir, role), []byte("12345"), 0o600); err != nil {
			t.Fatal(err)
		}
		m.Files = append(m.Files, ManifestFile{Role: role, Name: role, Size: 5})
	}
	if err := WriteManifest(dir, m); err != nil {
		t.Fatal(err)
	}
	s, err := Locate("tiny", dirs)
	if err != nil || s.Text != filepath.Join(dir, "text") || s.MMProj != filepath.Join(dir, "mmproj") || s.Bytes != 10 {
		t.Errorf("%+v, %v", s, err)
	}
	if err := os.Truncate(s.Text, 3); err != nil {
		t.Fatal(err)
	}
	if _, err := Locate("tiny", dirs); err == nil || errors.Is(err, ErrNotStored) || !strings.Contains(err.Error(), "edgevlm pull tiny") {
		t.Errorf("a file is cut: %v", err)
	}
	if _, err := Locate("../tiny", dirs); err == nil {
		t.Error("a name left the folder")
	}
}

func TestFoldersFollowWhoAsks(t *testing.T) {
	env := func(pairs ...string) func(string) string {
		return func(key string) string {
			if i := slices.Index(pairs, key); i >= 0 {
				return pairs[i+1]
			}
			return ""
		}
	}
	if got := DefaultDir(env("HOME", "/root"), 0); got != "/var/lib/edgevlm/models" {
		t.Errorf("root: %s", got)
	}
	if got := DefaultDir(env("HOME", "/home/a"), 1000); got != "/home/a/.local/share/edgevlm/models" {
		t.Errorf("a user: %s", got)
	}
	if got := Dirs(env("STATE_DIRECTORY", "/var/lib/x", "XDG_DATA_HOME", "/data")); !slices.Equal(got,
		[]string{"/var/lib/x/models", "/data/edgevlm/models", "/var/lib/edgevlm/models"}) {
		t.Errorf("%q", got)
	}
}

func TestAMirrorHoldsTheOriginalsPathsOrTheFiles(t *testing.T) {
	m := Model{Name: "tiny"}
	f := File{Name: "a.gguf", URL: "https://huggingface.co/x/y/resolve/main/a.gguf"}
	for mirror, want := range map[string][]string{
		"":                    {f.URL},
		"https://mirror/base": {"https://mirror/base/x/y/resolve/main/a.gguf", "https://mirror/base/tiny/a.gguf", "https://mirror/base/a.gguf"},
		"/media/usb":          {"/media/usb/tiny/a.gguf", "/media/usb/a.gguf"},
	} {
		if got, err := Sources(m, f, mirror); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v", mirror, got, err)
		}
	}
	if _, err := Sources(m, f, "https://"); err == nil {
		t.Error("an empty address is a mirror")
	}
}
