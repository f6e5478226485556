package capture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/edgevlm/edgevlm/capture/internal/mjpeg"
)

// ffmpegProgram finds ffmpeg and says how its version spells "leave times as they are".
func ffmpegProgram(ctx context.Context) (path string, passthrough []string, err error) {
	path, err = exec.LookPath("ffmpeg")
	if err != nil {
		return "", nil, errors.New("ffmpeg is not installed; on Debian, Ubuntu and Raspberry Pi OS: sudo apt install ffmpeg")
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "-hide_banner", "-version").Output()
	if err != nil {
		return "", nil, fmt.Errorf("ffmpeg doesn't run: %w; check with: %s -version", err, path)
	}
	return path, ffmpegPassthrough(string(out)), nil
}

// ffmpegPassthrough: -fps_mode came with 5.1, -vsync goes in a later one. A version without numbers is a build from git, so new.
func ffmpegPassthrough(version string) []string {
	var major, minor int
	if n, _ := fmt.Sscanf(version, "ffmpeg version %d.%d", &major, &minor); n == 2 && major*100+minor < 501 {
		return []string{"-vsync", "passthrough"}
	}
	return []string{"-fps_mode", "passthrough"}
}

// ffmpegArgs is the command line between input and output: the first video stream, thinned out to fps by its own times (the
// first frame at or after each tick, unlike the fps filter, which would hold frames back and shift times), made to fit the size
// asked for, as JPEG with times.
func ffmpegArgs(path string, input, passthrough []string, spec Spec) []string {
	argv := append([]string{path, "-nostdin", "-hide_banner", "-loglevel", "error"}, input...)
	argv = append(argv, "-map", "0:v:0", "-an", "-sn", "-dn")
	pick := "gt(t,prev_selected_t)" // a camera's first two frames may have one time, which the encoder refuses
	if spec.FPS > 0 {
		f := strconv.FormatFloat(spec.FPS, 'f', -1, 64)
		pick = fmt.Sprintf("gt(floor(t*%s+0.01),floor(prev_selected_t*%s+0.01))", f, f)
	}
	filter := "select='isnan(prev_selected_t)+" + pick + "'"
	if spec.Width > 0 && spec.Height > 0 {
		filter += fmt.Sprintf(",scale=w='min(iw,%d)':h='min(ih,%d)':force_original_aspect_ratio=decrease:force_divisible_by=2",
			spec.Width, spec.Height)
	}
	argv = append(argv, "-vf", filter, "-enc_time_base", "1:1000")
	argv = append(argv, passthrough...)
	return append(argv, "-c:v", "mjpeg", "-q:v", "2", "-flush_packets", "1", "-f", "smjpeg", "pipe:1")
}

// openRTSP reads a network camera through ffmpeg. The address, with its password, is on ffmpeg's command line, where other
// users of the machine can see it unless /proc is mounted with hidepid; logs and errors don't show it.
func openRTSP(ctx context.Context, s Spec) (Source, error) {
	u, err := parseURL(s.Source)
	if err != nil {
		return nil, err
	}
	path, passthrough, err := ffmpegProgram(ctx)
	if err != nil {
		return nil, fmt.Errorf("capture: open %s: %w", redactURL(u), err)
	}
	// No -timeout: before ffmpeg 5 it meant something else. The watchdog of live ends a session that stalls.
	input := []string{
		"-rtsp_transport", "tcp", "-allowed_media_types", "video", "-flags", "low_delay",
		// Half the time to the first frame; a rate that was guessed wrong doesn't matter here.
		"-fpsprobesize", "0", "-probesize", "32768", "-analyzeduration", "500000", "-i", s.Source,
	}
	argv := ffmpegArgs(path, input, passthrough, s)
	log := logger(s.Log)
	var broken atomic.Uint64
	return newLive(s, liveConfig{
		name: redactURL(u), broken: &broken, stall: stallFor(s.FPS),
		session: func(ctx context.Context, emit func(Frame)) error {
			var clock streamClock
			err := runChild(ctx, argv, log, func(r io.Reader) error {
				return readSMJPEG(r, &broken, func(f Frame, pts time.Duration) error {
					now := time.Now()
					// Frames a second or more apart aren't waited for twice: at most one of them is in the burst.
					if live := clock.live(pts, now); live || s.FPS > 0 && s.FPS <= 1 {
						f.At = clock.at(pts, now)
						emit(f)
					}
					return nil
				})
			})
			return explainRTSP(err, u)
		},
	}), nil
}

// stallFor allows for cameras that are asked for a frame every few seconds.
func stallFor(fps float64) time.Duration {
	if fps <= 0 {
		return 0 // the default
	}
	return max(10*time.Second, time.Duration(3*float64(time.Second)/fps))
}

// explainRTSP adds what to do to errors that users meet first.
func explainRTSP(err error, u *url.URL) error {
	if err == nil {
		return nil
	}
	switch text := err.Error(); {
	case strings.Contains(text, "401"):
		return fmt.Errorf("%w (check user and password in the address)", err)
	case strings.Contains(text, "404"):
		return fmt.Errorf("%w (check the path %s; the camera's manual has it)", err, u.Path)
	case strings.Contains(text, "Connection refused"):
		return fmt.Errorf("%w (check address and port, and that RTSP is on in the camera)", err)
	}
	return err
}

// readSMJPEG hands each picture and its time to emit until the stream or emit ends it.
func readSMJPEG(r io.Reader, broken *atomic.Uint64, emit func(Frame, time.Duration) error) error {
	s, err := mjpeg.NewSMJPEG(r, MaxFrameBytes)
	if err != nil {
		return err
	}
	for {
		data, pts, err := s.Next()
		if err != nil {
			return err
		}
		f, err := jpegFrame(data)
		if err != nil {
			broken.Add(1)
			continue
		}
		if err := emit(f, pts); err != nil {
			return err
		}
	}
}
