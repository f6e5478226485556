package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/term"

	"github.com/edgevlm/edgevlm/cmd/edgevlm/internal/config"
	"github.com/edgevlm/edgevlm/mqtt"
)

type initCmd struct {
	Out          string   `type:"path" placeholder:"FILE" help:"Where to write the configuration; root's is /etc/edgevlm/config.yaml, others' edgevlm.yaml."`
	Device       string   `placeholder:"NAME" help:"The board's name; without it the host's."`
	Camera       []string `sep:"none" placeholder:"SOURCE" help:"A camera's source, instead of those found; may be given several times."`
	Broker       string   `placeholder:"URL" help:"The MQTT broker, instead of one found."`
	MQTTUser     string   `name:"mqtt-user" placeholder:"NAME" help:"Who we are to the broker."`
	PasswordFile string   `placeholder:"FILE" help:"File with the broker's password in its first line."`
	Model        string   `placeholder:"NAME" help:"The model, instead of one that was pulled."`
	Yes          bool     `short:"y" help:"Ask nothing."`
	Force        bool     `help:"Overwrite a configuration that is there."`
}

func (c *initCmd) Run(e *env) error {
	var ask *asker
	if term.IsTerminal(int(os.Stdin.Fd())) && !c.Yes {
		ask = &asker{in: bufio.NewReader(os.Stdin), out: e.stdout}
	}
	return c.run(e, newFinder(), ask)
}

// run finds, asks what was not found, writes, and says what to do next. ask nil:
// nobody is there to answer.
func (c *initCmd) run(e *env, f *finder, ask *asker) error {
	out := c.Out
	if out == "" {
		out = "edgevlm.yaml"
		if os.Getuid() == 0 {
			out = systemConfig
		}
	}
	if _, err := os.Lstat(out); err == nil && !c.Force {
		return usagef("init: %s is there already; --force overwrites it, --out writes another", out)
	}
	s := setup{Device: c.Device, User: c.MQTTUser, PasswordFile: c.PasswordFile, System: out == systemConfig}
	if s.Device == "" {
		s.Device = f.deviceName()
	}
	if err := mqtt.ValidateName(s.Device); err != nil {
		return usagef("init: --device %s: %w", s.Device, err)
	}
	fmt.Fprintf(e.stdout, "device    %s\n", s.Device)
	if err := c.cameras(e, f, ask, &s); err != nil {
		return err
	}
	if err := c.broker(e, f, ask, &s); err != nil {
		return err
	}
	s.Model, s.ModelWhat, s.Pulled = f.model(c.Model)
	fmt.Fprintf(e.stdout, "model     %s, %s\n", s.Model, s.ModelWhat)
	data := s.yaml()
	if _, err := config.Parse(out, data); err != nil {
		return fmt.Errorf("init: what it would write is no configuration, and nothing was written: %w", err)
	}
	if err := writeConfig(out, data, c.Force); err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "written   %s\n\nNext:\n", out)
	for _, step := range s.next(out) {
		fmt.Fprintf(e.stdout, "    %s\n", step)
	}
	return nil
}

// systemConfig is what edgevlm.service reads.
const systemConfig = "/etc/edgevlm/config.yaml"

func (c *initCmd) cameras(e *env, f *finder, ask *asker, s *setup) error {
	for _, source := range c.Camera {
		s.add(found{source: source, what: "given to `edgevlm init`"})
	}
	if len(s.Cameras) == 0 {
		all, notes := f.cameras(e.ctx)
		for _, n := range notes {
			fmt.Fprintf(e.stdout, "          %s\n", oneLine(n))
		}
		for _, cam := range all {
			s.add(cam)
		}
	}
	if len(s.Cameras) == 0 && ask != nil {
		source, err := ask.line("No camera was found. Its source (rtsp://…, http://…, exec:COMMAND, files:DIR)", "")
		if err != nil {
			return err
		}
		if source != "" {
			s.add(found{source: source, what: "as answered"})
		}
	}
	if len(s.Cameras) == 0 {
		return codeError{exitNoDevice, errors.New("init: no camera was found; plug one in, or name one with --camera rtsp://… (see `edgevlm init --help`)")}
	}
	for _, cam := range s.Cameras {
		fmt.Fprintf(e.stdout, "camera    %s: %s, %s\n", cam.Name, config.Redact(cam.Source), oneLine(cam.What))
	}
	return nil
}

func (c *initCmd) broker(e *env, f *finder, ask *asker, s *setup) error {
	s.Broker = c.Broker
	if s.Broker != "" {
		s.BrokerWhat = "given to `edgevlm init`"
		if err := f.check(e.ctx, mqtt.Config{URL: s.Broker, User: s.User, PasswordFile: s.PasswordFile}); err != nil {
			s.BrokerWhat += "; it did not answer when this was written"
			fmt.Fprintf(e.stderr, "edgevlm: %s\n", oneLine(err.Error()))
		}
	} else if url, login := f.broker(e.ctx, s.User, s.PasswordFile); url != "" {
		s.Broker, s.BrokerWhat = url, "found"
		if login {
			s.BrokerWhat = "found; it wants a user and a password"
			if err := c.login(ask, s); err != nil {
				return err
			}
		}
	} else {
		s.Broker, s.BrokerWhat = "mqtt://127.0.0.1:1883", "none was found: this one is a guess"
		if ask != nil {
			url, err := ask.line("No MQTT broker was found. Its address", s.Broker)
			if err != nil {
				return err
			}
			if url != s.Broker {
				s.Broker, s.BrokerWhat = url, "as answered"
			}
		}
	}
	fmt.Fprintf(e.stdout, "broker    %s, %s\n", config.Redact(s.Broker), s.BrokerWhat)
	return nil
}

// login asks for the broker's user. The password's file is left to the user: it
// does not go through here.
func (c *initCmd) login(ask *asker, s *setup) (err error) {
	if s.User == "" && ask != nil {
		if s.User, err = ask.line("The broker wants a login. User", ""); err != nil {
			return err
		}
	}
	if s.User != "" && s.PasswordFile == "" {
		s.PasswordFile = "mqtt-password"
		if s.System {
			s.PasswordFile = "credential:mqtt-password"
		}
		s.NeedsPassword = true
	}
	return nil
}

// asker asks on a terminal.
type asker struct {
	in  *bufio.Reader
	out io.Writer
}

// line asks for one line; an empty answer is fallback.
func (a *asker) line(question, fallback string) (string, error) {
	if fallback != "" {
		question += " [" + fallback + "]"
	}
	fmt.Fprint(a.out, question, ": ")
	text, err := a.in.ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("init: %w", err)
	}
	if text = strings.TrimSpace(text); text == "" {
		text = fallback
	}
	return text, nil
}

// writeConfig writes the file whole or not at all. The system's one can be read
// by the daemon's group, for a source may hold a password.
func writeConfig(path string, data []byte, force bool) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("init: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".edgevlm-*")
	if err != nil {
		return fmt.Errorf("init: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err == nil && os.Getuid() == 0 {
		if g, gerr := user.LookupGroup("edgevlm"); gerr == nil {
			if gid, gerr := strconv.Atoi(g.Gid); gerr == nil {
				err = errors.Join(f.Chown(0, gid), f.Chmod(0o640))
			}
		}
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("init: %w", err)
	}
	// Link fails where there is a file, Rename does not.
	place := os.Link
	if force {
		place = os.Rename
	}
	err = place(f.Name(), path)
	if errors.Is(err, fs.ErrExist) {
		return usagef("init: %s has come meanwhile; --force overwrites it", path)
	}
	if err != nil {
		return fmt.Errorf("init: %w", err)
	}
	return nil
}

// found is a camera.
type found struct {
	name, source, what string
}

// checkBroker connects once.
func checkBroker(ctx context.Context, c mqtt.Config) error {
	ctx, cancel := context.WithTimeout(ctx, brokerPatience)
	defer cancel()
	return mqtt.Check(ctx, c)
}
