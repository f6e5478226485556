package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/edgevlm/edgevlm/cmd/edgevlm/internal/config"
)

// setup is what init found out.
type setup struct {
	Device                string
	Cameras               []setupCamera
	Broker, BrokerWhat    string
	User, PasswordFile    string
	NeedsPassword, System bool
	Model, ModelWhat      string
	Pulled                bool
}

type setupCamera struct{ Name, Source, What string }

// add names a camera; no two have the same name.
func (s *setup) add(c found) {
	base := c.name
	if base == "" {
		base = "camera"
	}
	name := base
	for n := 2; s.has(name); n++ {
		name = fmt.Sprintf("%s-%d", base, n)
	}
	s.Cameras = append(s.Cameras, setupCamera{name, c.source, c.what})
}

func (s *setup) has(name string) bool {
	for _, c := range s.Cameras {
		if c.Name == name {
			return true
		}
	}
	return false
}

// quoted is a YAML string: JSON's are.
func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil { // a string always marshals
		return `""`
	}
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(b))
}

// comment is text as a YAML comment's rest of line.
func comment(s string) string { return oneLine(config.Redact(s)) }

// yaml is the configuration.
func (s *setup) yaml() []byte {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("# Written by `edgevlm init`. The sample configuration explains every key;")
	p("# `edgevlm check-config --config FILE` says what is wrong with a change.")
	p("")
	p("# The board's name. Topics begin with edgevlm/%s.", s.Device)
	p("device: %s", quoted(s.Device))
	p("")
	p("# %s", comment(s.Model+": "+s.ModelWhat))
	if s.Model == demoModel {
		p("model: { name: demo }")
	} else {
		p("model:")
		p("  name: %s", quoted(s.Model))
		p("  # 448x448 pixels a frame. More shows more and takes longer; without this")
		p("  # line the model takes frames as they are.")
		p("  max_pixels: 200704")
	}
	p("")
	p("cameras:")
	for i, c := range s.Cameras {
		if i > 0 {
			p("")
		}
		p("  # %s", comment(c.What))
		p("  - name: %s", quoted(c.Name))
		p("    source: %s", quoted(c.Source))
		p("    # Frames a second that the model gets, and how far back it looks.")
		p("    fps: 1")
		p("    window: 16s")
		p("    prompt: What is happening?")
		p("    # At most one description in this time.")
		p("    publish: { every: 5s }")
	}
	p("")
	p("# The broker: %s", comment(s.BrokerWhat))
	p("mqtt:")
	p("  url: %s", quoted(s.Broker))
	if s.User != "" {
		p("  user: %s", quoted(s.User))
	}
	if s.PasswordFile != "" {
		p("  # The first line of this file%s.", map[bool]string{true: ", which systemd reads as root (LoadCredential=)"}[strings.HasPrefix(s.PasswordFile, "credential:")])
		p("  password_file: %s", quoted(s.PasswordFile))
	}
	p("")
	p("# What waits while the broker is away.")
	if s.System {
		p("# Under systemd it lies in /var/lib/edgevlm/spool.")
		p("spool: { max_bytes: 256MiB }")
	} else {
		p("spool: { dir: spool, max_bytes: 256MiB }")
	}
	p("")
	p("# Prometheus metrics, for this machine only.")
	p(`http: { listen: "127.0.0.1:9410" }`)
	return []byte(b.String())
}

// next are the steps that are left to do, as commands.
func (s *setup) next(out string) []string {
	var steps []string
	sudo := ""
	if s.System {
		sudo = "sudo "
	}
	if !s.Pulled {
		steps = append(steps, sudo+"edgevlm pull "+s.Model)
	}
	if s.NeedsPassword {
		if s.System {
			steps = append(steps, "sudo install -D -m 600 /dev/stdin /etc/credstore/mqtt-password   # type the password, Enter, Ctrl-D")
		} else {
			steps = append(steps, "write the broker's password into the file mqtt-password beside "+out)
		}
	}
	steps = append(steps, "edgevlm hwtest --config "+out)
	if s.System {
		return append(steps, "sudo systemctl enable --now edgevlm")
	}
	return append(steps, "edgevlm run --config "+out)
}
