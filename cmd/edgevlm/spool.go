package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/edgevlm/edgevlm/mqtt"
)

// spoolCmd is for the administrator: what waits for the broker.
type spoolCmd struct {
	Ls     spoolLsCmd     `cmd:"" help:"List the events that the broker does not have."`
	Export spoolExportCmd `cmd:"" help:"Write them out, one JSON object a line."`
	Purge  spoolPurgeCmd  `cmd:"" help:"Give them up. The daemon must not be running."`
}

// spoolFlags say which queue is meant.
type spoolFlags struct {
	Dir string `placeholder:"DIR" help:"The queue's folder; without it the configuration's (--config)."`
}

// find is the queue's folder. One that is not there is wrong usage: nothing here
// makes one.
func (f spoolFlags) find(e *env) (string, error) {
	dir := f.Dir
	if dir == "" {
		if e.Config == "" {
			return "", usagef("which queue? give --dir DIR or --config FILE")
		}
		cfg, err := e.loadConfig(e.Config)
		if err != nil {
			return "", err
		}
		if dir = spoolDir(cfg.Spool); dir == "" {
			return "", usagef("the configuration has no spool.dir: its queue is in the daemon's memory; give --dir DIR")
		}
	}
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return "", codeError{exitUsage, fmt.Errorf("spool: %w; give --dir DIR", err)}
	case !info.IsDir():
		return "", usagef("spool %s: not a folder", dir)
	}
	return dir, nil
}

type spoolLsCmd struct {
	spoolFlags
	JSON bool `name:"json" help:"Print JSON."`
}

// spoolList is what ls --json prints.
type spoolList struct {
	Dir     string      `json:"dir"`
	Bytes   int64       `json:"bytes"` // of the folder
	Events  []spoolItem `json:"events"`
	Corrupt []string    `json:"corrupt"` // files that were set aside
}

type spoolItem struct {
	Seq        uint64    `json:"seq"`
	ID         string    `json:"id"`
	Camera     string    `json:"camera"`
	CapturedAt time.Time `json:"captured_at"`
	Text       string    `json:"text"`
}

func (c spoolLsCmd) Run(e *env) error {
	dir, err := c.find(e)
	if err != nil {
		return err
	}
	list := spoolList{Dir: dir, Events: []spoolItem{}, Corrupt: []string{}}
	err = mqtt.ReadSpool(dir, func(x mqtt.Event) error {
		list.Events = append(list.Events, spoolItem{x.Seq, x.ID, x.Camera, x.CapturedAt.Last, mqtt.ShortState(x.Text)})
		return e.ctx.Err()
	})
	if err != nil {
		return err
	}
	if err := list.addFiles(); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(e.stdout, list)
	}
	return list.print(e)
}

func (l *spoolList) addFiles() error {
	entries, err := os.ReadDir(l.Dir)
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	for _, x := range entries {
		if info, err := x.Info(); err == nil && info.Mode().IsRegular() { // it may be gone by now
			l.Bytes += info.Size()
		}
		if filepath.Ext(x.Name()) == ".corrupt" {
			l.Corrupt = append(l.Corrupt, x.Name())
		}
	}
	return nil
}

func (l *spoolList) print(e *env) error {
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	if len(l.Events) > 0 {
		fmt.Fprintf(w, "SEQ\tCAMERA\tCAPTURED\tTEXT\n")
	}
	for _, x := range l.Events {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\n", x.Seq, x.Camera, x.CapturedAt.UTC().Format(time.RFC3339), oneLine(x.Text))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "%d events wait in %s, %d KiB on disk\n", len(l.Events), l.Dir, (l.Bytes+1023)/1024)
	for _, name := range l.Corrupt {
		fmt.Fprintf(e.stdout, "damaged, set aside: %s\n", filepath.Join(l.Dir, name))
	}
	return nil
}

type spoolExportCmd struct {
	spoolFlags
	JSON bool   `name:"json" help:"One JSON object a line; the only form there is."`
	Out  string `placeholder:"FILE" help:"Write there; it must not exist. Without it: standard output."`
}

func (c spoolExportCmd) Run(e *env) (err error) {
	dir, err := c.find(e)
	if err != nil {
		return err
	}
	out := e.stdout
	if c.Out != "" {
		f, err := os.OpenFile(c.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
		if err != nil {
			return fmt.Errorf("spool: export: %w", err)
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		out = f
	}
	w := json.NewEncoder(out)
	n := 0
	if err := mqtt.ReadSpool(dir, func(x mqtt.Event) error {
		n++
		return errors.Join(e.ctx.Err(), w.Encode(x))
	}); err != nil {
		return err
	}
	if c.Out != "" {
		fmt.Fprintf(e.stdout, "%d events written to %s\n", n, c.Out)
	}
	return nil
}

type spoolPurgeCmd struct {
	spoolFlags
	JSON bool `name:"json" help:"Print JSON."`
}

func (c spoolPurgeCmd) Run(e *env) error {
	dir, err := c.find(e)
	if err != nil {
		return err
	}
	n, err := mqtt.PurgeSpool(dir)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(e.stdout, map[string]any{"dir": dir, "purged": n})
	}
	fmt.Fprintf(e.stdout, "%d events given up in %s\n", n, dir)
	return nil
}
