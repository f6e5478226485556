package hwtest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// What the disk must do, for the queue and the model's cache: a class 10 card
// writes 10 MB/s. Below these it still works, and events wait.
const (
	diskProbe   = 16 << 20
	slowDisk    = 5e6 // bytes a second
	slowSync    = 100 * time.Millisecond
	syncedLines = 10
)

// checkDisk writes a file of 16 MiB and a few small synced records, as the queue
// does, and takes them away again. Where dir isn't there yet, its nearest parent
// that is is taken.
func checkDisk(dir string) Check {
	c := Check{Name: "disk", Status: OK}
	if dir == "" {
		return skipped("disk", "the queue is in memory", "set spool.dir to keep descriptions through a restart")
	}
	for {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) || filepath.Dir(dir) == dir {
			break
		}
		dir = filepath.Dir(dir)
	}
	rate, sync, err := measureDisk(dir)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return skipped("disk", dir+" may not be written by this user", "run it as the daemon's user: sudo -u edgevlm edgevlm hwtest --config …")
	case err != nil:
		c.Status, c.Detail, c.Fix = Fail, line(err), "the queue needs a disk that can be written; check `df -h` and `dmesg`"
		return c
	}
	c.Detail = fmt.Sprintf("%s: %.0f MB/s, %.1f ms until a record is safe", dir, rate/1e6, float64(sync.Microseconds())/1000)
	if rate < slowDisk || sync > slowSync {
		c.Status = Warn
		c.Fix = "slow: set spool.sync to 5s, or use a better card or an SSD"
	}
	return c
}

func measureDisk(dir string) (rate float64, sync time.Duration, err error) {
	f, err := os.CreateTemp(dir, ".edgevlm-hwtest-*")
	if err != nil {
		return 0, 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	block := make([]byte, 1<<20)
	for i := range block {
		block[i] = byte(i * 7 >> 3) // a disk that compresses must not win
	}
	start := time.Now()
	for range diskProbe / len(block) {
		if _, err := f.Write(block); err != nil {
			return 0, 0, err
		}
	}
	if err := f.Sync(); err != nil {
		return 0, 0, err
	}
	rate = diskProbe / max(time.Since(start).Seconds(), 1e-6)
	start = time.Now()
	for range syncedLines {
		if _, err := f.Write(block[:600]); err != nil {
			return 0, 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, 0, err
		}
	}
	return rate, time.Since(start) / syncedLines, nil
}
