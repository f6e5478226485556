//go:build !linux

package capture

import (
	"os"
	"os/exec"
	"time"
)

func ownGroup(*exec.Cmd) {}

func terminateGroup(cmd *exec.Cmd) { _ = cmd.Process.Signal(os.Interrupt) }

func killGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() }

func waitLeader(_ *exec.Cmd, d time.Duration) { time.Sleep(d / 10) }
