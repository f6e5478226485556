package main

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/edgevlm/edgevlm/hwtest"
	"github.com/edgevlm/edgevlm/models"
	"github.com/edgevlm/edgevlm/runtime/gguf"
)

type pullCmd struct {
	What   string `arg:"" optional:"" name:"name|url" help:"A model of the catalogue, or the address of one file; without it the catalogue is listed."`
	SHA256 string `name:"sha256" placeholder:"HEX" help:"What the file of an address must hash to."`
	To     string `type:"path" placeholder:"DIR" help:"Folder that models are kept in; without it the one where the daemon looks (root) or your data directory."`
	Mirror string `placeholder:"URL|DIR" help:"Fetch from there: a mirror's address, or a folder filled by another pull's --to."`
}

func (c *pullCmd) Run(e *env) error {
	dir := c.To
	if dir == "" {
		dir = models.DefaultDir(os.Getenv, os.Getuid())
	}
	if c.What == "" {
		return c.list(e)
	}
	if err := models.CheckSHA256(c.SHA256); err != nil {
		return usagef("--sha256: %w", err)
	}
	if strings.Contains(c.What, "://") {
		return c.pullURL(e, dir)
	}
	m, ok, err := models.Find(c.What)
	switch {
	case err != nil:
		return err
	case !ok:
		return usagef("pull: no model is called `%s`; `edgevlm pull` lists them", c.What)
	case c.SHA256 != "":
		return usagef("pull: --sha256 is for an address; %s has hashes of its own", c.What)
	}
	return c.pullModel(e, m, filepath.Join(dir, m.Name))
}

// list prints the catalogue.
func (c *pullCmd) list(e *env) error {
	all, err := models.Catalogue()
	if err != nil {
		return err
	}
	for _, m := range all {
		state := ""
		if s, err := models.Locate(m.Name, c.dirs()); err == nil {
			state = ", here: " + s.Dir
		}
		fmt.Fprintf(e.stdout, "%-22s%s\n%-22s%s, %s%s\n", m.Name, m.Title, "", sizeText(m.Bytes()), m.Licence, state)
	}
	return nil
}

func (c *pullCmd) dirs() []string {
	dirs := models.Dirs(os.Getenv)
	if c.To != "" {
		dirs = append([]string{c.To}, dirs...)
	}
	return dirs
}

func sizeText(n int64) string {
	if n == 0 {
		return "size not known"
	}
	return models.Bytes(n)
}

func (c *pullCmd) pullModel(e *env, m models.Model, dir string) error {
	sources := make([][]string, len(m.Files))
	for i, f := range m.Files {
		var err error
		if sources[i], err = models.Sources(m, f, c.Mirror); err != nil {
			return usagef("%w", err)
		}
	}
	fmt.Fprintf(e.stdout, "%s: %s\n", m.Name, m.Title)
	fmt.Fprintf(e.stdout, "licence   %s, %s\n", m.Licence, m.LicenceURL)
	fmt.Fprintf(e.stdout, "from      %s, %s\n", from(m.Source, c.Mirror), sizeText(m.Bytes()))
	fmt.Fprintf(e.stdout, "to        %s\n", dir)
	e.compareMemory(m.Bytes())
	had := map[string]string{} // hashes of an earlier pull, by file
	if old, err := models.ReadManifest(dir); err == nil {
		for _, f := range old.Files {
			had[f.Name] = f.SHA256
		}
	}
	done := models.Manifest{Name: m.Name, Licence: m.Licence, Pulled: time.Now().UTC().Truncate(time.Second)}
	for i, f := range m.Files {
		if f.SHA256 == "" {
			fmt.Fprintf(e.stderr, "edgevlm: the catalogue has no hash of %s: what the server says is all there is to check it with\n", f.Name)
		}
		r, err := e.download(models.Download{
			URLs: sources[i], Dest: filepath.Join(dir, f.Name), Size: f.Size, SHA256: f.SHA256, Have: had[f.Name],
		}, f.Role)
		if err != nil {
			return err
		}
		done.Files = append(done.Files, models.ManifestFile{Role: f.Role, Name: f.Name, Size: r.Size, SHA256: r.SHA256, From: r.From, Check: r.Check})
	}
	if err := models.WriteManifest(dir, done); err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "\nIn the configuration:\n\n    %s\n", c.use(m, dir))
	return nil
}

// use is the configuration's line for a model: by its name where that is found.
func (c *pullCmd) use(m models.Model, dir string) string {
	if s, err := models.Locate(m.Name, models.Dirs(os.Getenv)); err == nil && s.Dir == dir {
		return "model: { name: " + m.Name + " }"
	}
	paths := map[string]string{}
	for _, f := range m.Files {
		paths[f.Role] = filepath.Join(dir, f.Name)
	}
	return fmt.Sprintf("model: { text: %q, mmproj: %q }", paths[models.RoleText], paths[models.RoleMMProj])
}

func from(source, mirror string) string {
	if mirror != "" {
		return models.Redact(mirror)
	}
	return source
}

// compareMemory says what the model takes and what the board has.
func (e *env) compareMemory(size int64) {
	if size == 0 {
		return
	}
	need := models.MemoryNeeded(size)
	free, total, err := hwtest.Memory("")
	if err != nil {
		fmt.Fprintf(e.stdout, "memory    about %s are needed\n", models.Bytes(need))
		return
	}
	fmt.Fprintf(e.stdout, "memory    about %s are needed; this machine has %s, %s of it free\n", models.Bytes(need), models.Bytes(total), models.Bytes(free))
	switch {
	case need > total:
		fmt.Fprintf(e.stderr, "edgevlm: this machine is too small for the model; fetching it all the same\n")
	case need > free:
		fmt.Fprintf(e.stderr, "edgevlm: other programs hold too much memory at present for the model to run\n")
	}
}

// pullURL fetches one file.
func (c *pullCmd) pullURL(e *env, dir string) error {
	u, err := url.Parse(c.What)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return usagef("pull: give an http:// or https:// address")
	}
	if u.Scheme == "http" && c.SHA256 == "" {
		fmt.Fprintln(e.stderr, "edgevlm: over http anybody on the way can change the file; give --sha256 if you know it")
	}
	f := models.File{Name: filepath.Base(u.Path), URL: c.What}
	if f.Name == "/" || strings.HasPrefix(f.Name, ".") {
		return usagef("pull: the address ends in no file's name")
	}
	sources, err := models.Sources(models.Model{}, f, c.Mirror)
	if err != nil {
		return usagef("%w", err)
	}
	path := filepath.Join(dir, f.Name)
	fmt.Fprintf(e.stdout, "from      %s\nto        %s\nlicence   not known: look at where the file comes from\n", from(models.Redact(c.What), c.Mirror), path)
	_, err = e.download(models.Download{URLs: sources, Dest: path, SHA256: c.SHA256}, "file")
	return err
}

// download fetches one file with a bar on a terminal, and looks whether it is a
// model.
func (e *env) download(d models.Download, label string) (models.Result, error) {
	b := newBar(e.stderr, filepath.Base(d.Dest))
	d.Progress = b.update
	client := models.Client{UserAgent: "edgevlm/" + version(), Notice: func(format string, args ...any) {
		b.clear()
		fmt.Fprintln(e.stderr, "edgevlm:", oneLine(fmt.Sprintf(format, args...)))
	}}
	r, err := client.Get(e.ctx, d)
	b.clear()
	if err != nil {
		return r, err
	}
	if strings.HasSuffix(d.Dest, ".gguf") {
		f, err := gguf.Open(d.Dest)
		if err != nil {
			return r, fmt.Errorf("pull: %s came as it is published, and is no model that can be read: %w", filepath.Base(d.Dest), err)
		}
		if err := f.Close(); err != nil {
			return r, err
		}
	}
	what := map[models.Checked]string{
		models.CheckedHash: "SHA-256 is right", models.CheckedServer: "SHA-256 is the server's, " + r.SHA256, models.CheckedSize: "unchecked, SHA-256 " + r.SHA256,
	}[r.Check]
	if r.Already {
		what = "was here, " + what
	}
	fmt.Fprintf(e.stdout, "%-10s%s, %s, %s\n", label, d.Dest, models.Bytes(r.Size), what)
	return r, nil
}
