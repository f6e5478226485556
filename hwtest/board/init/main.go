//go:build linux

// Command init is process 1 of the virtual board: it mounts, loads the modules of /mods, runs the commands of /tests one after
// the other, says how each ended, and switches the machine off. The last line is "BOARD PASS" or "BOARD FAIL".
package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	for _, m := range [][2]string{{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/tmp"}} {
		_ = os.MkdirAll(m[1], 0o755)
		if err := unix.Mount(m[0], m[1], m[0], 0, ""); err != nil && err != unix.EBUSY {
			fmt.Println("mount", m, err)
		}
	}
	if f, err := os.OpenFile("/dev/console", os.O_RDWR, 0); err == nil {
		_ = unix.Dup3(int(f.Fd()), 1, 0)
		_ = unix.Dup3(int(f.Fd()), 2, 0)
	}
	fmt.Printf("BOARD kernel is up after %s\n", uptime())
	if err := loopbackUp(); err != nil {
		fmt.Println("loopback:", err)
	}
	for line := range strings.Lines(read("/mods")) {
		name, args, _ := strings.Cut(strings.TrimSpace(line), " ")
		if err := load("/lib/"+name, args); err != nil {
			fmt.Println("module", name, err)
		}
	}
	fmt.Printf("BOARD modules are loaded after %s\n", uptime())
	verdict := "PASS"
	for line := range strings.Lines(read("/tests")) {
		argv := strings.Fields(line)
		if len(argv) == 0 {
			continue
		}
		began := time.Now()
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		cmd.Env = append(strings.Fields(read("/env")), "PATH=/bin", "TMPDIR=/tmp", "HOME=/tmp")
		if why := strings.TrimSpace(read("/nosim")); why != "" {
			cmd.Env = append(cmd.Env, "BOARD_NOSIM="+why)
		}
		err := cmd.Run()
		if err != nil {
			verdict = "FAIL"
		}
		fmt.Printf("BOARD ran %s: %v, board time %v\n", strings.Join(argv, " "), err, time.Since(began).Round(time.Millisecond))
	}
	fmt.Printf("BOARD %s\n", verdict)
	unix.Sync()
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

func load(path, args string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.FinitModule(int(f.Fd()), args, 0)
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr)
}

func uptime() string { return strings.SplitN(read("/proc/uptime"), " ", 2)[0] + " s" }

func read(path string) string {
	b, _ := os.ReadFile(path)
	return string(b)
}
