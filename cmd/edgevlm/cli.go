package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"unicode"

	"github.com/alecthomas/kong"

	"github.com/edgevlm/edgevlm/capture"
	"github.com/edgevlm/edgevlm/cmd/edgevlm/internal/config"
)

// The exit codes; scripts rely on them.
const (
	exitOK       = 0
	exitFailed   = 1
	exitUsage    = 2
	exitNoDevice = 3
	exitCheck    = 4
)

// cli is the command line.
type cli struct {
	globals

	Demo        demoCmd        `cmd:"" help:"Watch sample clips being described over MQTT; needs nothing else."`
	Run         runCmd         `cmd:"" help:"Describe cameras and publish it, as the config says."`
	Describe    describeCmd    `cmd:"" help:"Describe pictures or a clip."`
	Generate    generateCmd    `cmd:"" help:"Continue a text."`
	Inspect     inspectCmd     `cmd:"" help:"Show what a GGUF file holds."`
	Quantize    quantizeCmd    `cmd:"" help:"Make a model smaller: F16 weights to 4 or 8 bits."`
	Bench       benchCmd       `cmd:"" help:"Time a model's stages on this machine."`
	Replay      replayCmd      `cmd:"" help:"Play a recording through the model and write a page about it."`
	Init        initCmd        `cmd:"" help:"Look for cameras, a broker and a model, and write a configuration."`
	Pull        pullCmd        `cmd:"" help:"Fetch a model, or list those that can be fetched."`
	Spool       spoolCmd       `cmd:"" help:"List, export or give up the events that the broker does not have."`
	CheckConfig checkConfigCmd `cmd:"" help:"Check a configuration."`
	Hwtest      hwtestCmd      `cmd:"" help:"Check what this board can do, and say what to do about the rest."`
	Version     versionCmd     `cmd:"" help:"Print the version."`
}

// globals are the flags of every command.
type globals struct {
	Config   string `placeholder:"FILE" help:"Configuration, YAML."`
	Threads  int    `placeholder:"N" help:"Worker threads; 0 is one a core."`
	Backend  string `placeholder:"NAME" help:"What computes: auto or cpu."`
	LogLevel string `placeholder:"LEVEL" help:"debug, info, warn or error."`
}

// env is what a command works with.
type env struct {
	globals
	ctx            context.Context
	stdout, stderr io.Writer
}

// codeError carries the exit code of an error.
type codeError struct {
	code int
	err  error
}

func (e codeError) Error() string { return e.err.Error() }
func (e codeError) Unwrap() error { return e.err }

// usagef is an error in how the program was called.
func usagef(format string, args ...any) error {
	return codeError{exitUsage, fmt.Errorf(format, args...)}
}

// run is the program: it parses args, runs the command and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var c cli
	exited := -1
	parser, err := kong.New(&c,
		kong.Name("edgevlm"),
		kong.Description("Describes what cameras see, on the board itself, and publishes it over MQTT.\n\n"+
			"Exit codes: 0 fine, 1 failed, 2 wrong usage or configuration, 3 a needed device is missing, 4 a check failed."),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exited = code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Vars{"prompt": config.DefaultCamera().Prompt},
	)
	if err != nil {
		fmt.Fprintln(stderr, "edgevlm:", err)
		return exitFailed
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	k, err := parser.Parse(args)
	if exited >= 0 { // --help was printed
		return exited
	}
	if err != nil {
		return report(stderr, usagef("%w; see `edgevlm %s--help`", err, commandOf(err)))
	}
	e := &env{globals: c.globals, ctx: ctx, stdout: stdout, stderr: stderr}
	if err := e.check(); err != nil {
		return report(stderr, err)
	}
	return report(stderr, k.Run(e))
}

// commandOf is the command that a usage error is about, with a space after it.
func commandOf(err error) string {
	var p *kong.ParseError
	if errors.As(err, &p) && p.Context != nil && p.Context.Selected() != nil {
		return p.Context.Selected().Name + " "
	}
	return ""
}

func (e *env) check() error {
	if e.Threads < 0 || e.Threads > 1024 {
		return usagef("--threads %d: give 1 to 1024, or 0 for one a core", e.Threads)
	}
	if e.LogLevel != "" {
		if err := new(slog.Level).UnmarshalText([]byte(e.LogLevel)); err != nil {
			return usagef("--log-level %s: give debug, info, warn or error", e.LogLevel)
		}
	}
	return nil
}

// report prints an error as one line and returns the exit code.
func report(stderr io.Writer, err error) int {
	if err == nil {
		return exitOK
	}
	code := exitFailed
	var coded codeError
	var bad *config.Errors
	switch {
	case errors.As(err, &coded):
		code = coded.code
	case errors.As(err, &bad):
		code = exitUsage
	case errors.Is(err, capture.ErrNoDevice):
		code = exitNoDevice
	case errors.Is(err, context.Canceled):
		err = errors.New("interrupted")
	}
	fmt.Fprintln(stderr, "edgevlm:", oneLine(err.Error()))
	return code
}

// oneLine takes out what could break a line or act on a terminal: errors quote
// files and networks.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.Join(strings.Fields(s), " "))
}

// logger writes to stderr. fallback is the level without --log-level.
func (e *env) logger(fallback, format string) *slog.Logger {
	level := slog.LevelInfo
	text := e.LogLevel
	if text == "" {
		text = fallback
	}
	// check and the config's validation have seen both.
	_ = level.UnmarshalText([]byte(text))
	o := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(e.stderr, o))
	}
	return slog.New(slog.NewTextHandler(e.stderr, o))
}
