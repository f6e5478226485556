package hwtest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/edgevlm/edgevlm/models"
	"github.com/edgevlm/edgevlm/quant"
)

// checkCPU names the processor, its features and the kernels that were chosen.
func checkCPU(root string) Check {
	c := Check{Name: "cpu", Status: OK}
	c.Detail = fmt.Sprintf("%s, %d cores, %s; kernels: %s", cpuName(root), runtime.NumCPU(), join(cpuFeatures(), "no vector features"), quant.ISA())
	if quant.ISA() == "generic" {
		c.Status = Warn
		c.Fix = "no kernels for this processor: the portable ones work, several times slower; use a 64-bit ARM or an x86 with AVX2"
	}
	return c
}

func join(s []string, none string) string {
	if len(s) == 0 {
		return none
	}
	return strings.Join(s, " ")
}

// cpuName is the board's model if the device tree has one, else the processor's.
func cpuName(root string) string {
	if b, err := os.ReadFile(filepath.Join("/", root, "proc/device-tree/model")); err == nil {
		if s := strings.Trim(string(b), "\x00 \n"); s != "" {
			return s
		}
	}
	if s := field(root, "proc/cpuinfo", "model name"); s != "" {
		return s
	}
	return runtime.GOARCH
}

// field is the first value of a key in one of proc's "key: value" files.
func field(root, file, key string) string {
	b, err := os.ReadFile(filepath.Join("/", root, file))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// Memory is what programs can still take and what there is, in bytes. Root stands
// before /proc.
func Memory(root string) (free, total int64, err error) {
	free, errFree := kib(field(root, "proc/meminfo", "MemAvailable"))
	total, errTotal := kib(field(root, "proc/meminfo", "MemTotal"))
	return free, total, errors.Join(errFree, errTotal)
}

// twoBBytes is the size of a 2B model's files, 4 bits and a tower in F16.
const twoBBytes = 2300 << 20

// checkMemory compares what is free with what the model takes.
func checkMemory(root string, modelBytes int64) Check {
	c := Check{Name: "memory", Status: OK}
	free, total, err := Memory(root)
	if err != nil {
		c.Status, c.Detail, c.Fix = Warn, "/proc/meminfo could not be read", "check the free memory yourself: a 2B model needs about 3 GiB"
		return c
	}
	c.Detail = fmt.Sprintf("%s free of %s", gib(free), gib(total))
	need, twoB := models.MemoryNeeded(modelBytes), models.MemoryNeeded(twoBBytes)
	switch {
	case free < need:
		c.Status = Fail
		c.Fix = fmt.Sprintf("the model needs about %s; end other programs or use a smaller model", gib(need))
	case modelBytes == 0 && free < twoB:
		c.Status = Warn
		c.Fix = fmt.Sprintf("enough for the demo model; a 2B model at 4 bits needs about %s", gib(twoB))
	}
	return c
}

func kib(s string) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimSuffix(s, " kB"), 10, 64)
	return n << 10, err
}

func gib(n int64) string { return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30)) }
