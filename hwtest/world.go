package hwtest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/edgevlm/edgevlm/capture"
	"github.com/edgevlm/edgevlm/runtime/imageproc"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

// checkDevices lists the cameras that are plugged in and their formats. None is no
// failure: streams and files need none. configured says that cameras are checked
// by name.
func checkDevices(all []capture.Device, err error, configured bool) Check {
	c := Check{Name: "cameras", Status: OK}
	var names []string
	for _, d := range all {
		if d.Index == 0 {
			names = append(names, fmt.Sprintf("v4l2:%s (%s: %s)", d.Path, d.Name, formats(d)))
		}
	}
	switch {
	case err != nil:
		c.Status, c.Detail, c.Fix = Warn, line(err), "look for /dev/video* yourself"
	case len(names) == 0 && configured:
		return skipped("cameras", "none is plugged into this machine", "")
	case len(names) == 0:
		c.Status, c.Detail = Warn, "none on this machine"
		c.Fix = "plug a USB camera in, or use an HTTP or RTSP stream; a Pi's CSI camera goes through exec:rpicam-vid"
	default:
		c.Detail = strings.Join(names, ", ")
	}
	return c
}

// formats names what a device offers, or why that isn't known.
func formats(d capture.Device) string {
	lines, err := d.Formats()
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "may not be opened; join the group video"
	case err != nil:
		return "no camera"
	}
	for i, l := range lines {
		lines[i], _, _ = strings.Cut(l, " ")
	}
	return join(lines, "no formats")
}

// pluggedIn are the devices that a frame can be taken from.
func pluggedIn(all []capture.Device) []Camera {
	var cameras []Camera
	for _, d := range all {
		if f := formats(d); d.Index == 0 && (strings.Contains(f, "MJPG") || strings.Contains(f, "JPEG") || strings.Contains(f, "YUYV")) {
			cameras = append(cameras, Camera{Name: filepath.Base(d.Path), Source: "v4l2:" + d.Path})
		}
	}
	return cameras
}

// checkCamera opens a camera and decodes one frame.
func checkCamera(ctx context.Context, cam Camera) Check {
	c := Check{Name: "camera " + cam.Name}
	src, err := capture.Open(ctx, capture.Spec{Source: cam.Source, Width: cam.Width, Height: cam.Height})
	if err == nil {
		var f capture.Frame
		f, err = src.Next(ctx)
		if err == nil {
			_, _, _, err = f.RGB()
		}
		if err == nil {
			c.Status, c.Detail = OK, fmt.Sprintf("%dx%d %v", f.Width, f.Height, f.Format)
		}
		err = errors.Join(err, src.Close())
	}
	switch {
	case errors.Is(err, capture.ErrNoDevice):
		c.Status, c.Detail, c.Fix = Missing, line(err), "plug the camera in, or correct its source in the config"
	case errors.Is(err, context.DeadlineExceeded):
		c.Status, c.Detail, c.Fix = Fail, "no frame in time", "check that the camera is on and its address right; a browser or ffplay should show it"
	case err != nil:
		c.Status, c.Detail, c.Fix = Fail, line(err), "check the camera's source in the config"
	}
	return c
}

// checkModel loads the model and describes one picture.
func checkModel(ctx context.Context, open func(context.Context) (*vlm.Engine, error)) Check {
	c := Check{Name: "model", Status: Fail, Fix: "check the model's files with `edgevlm inspect`"}
	eng, err := open(ctx)
	if err != nil {
		c.Detail = line(err)
		return c
	}
	defer eng.Close()
	start := time.Now()
	res, err := eng.Generate(ctx, vlm.Request{
		Media: []vlm.Media{{Frames: []imageproc.RGB{picture()}}}, Prompt: "What is happening?", MaxTokens: 32,
	}, nil)
	if err != nil {
		c.Detail = line(err)
		return c
	}
	info := eng.Info()
	c.Status, c.Fix = OK, ""
	c.Detail = fmt.Sprintf("%s (%s, %s) on %s: loaded in %.1f s, a picture described in %.1f s",
		info.Name, info.Arch, info.Quant, info.Backend, info.LoadTime.Seconds(), time.Since(start).Seconds())
	if n := len(res.Tokens); n > 1 && res.Timings.Decode > 0 {
		c.Detail += fmt.Sprintf(", %.1f tokens/s", float64(n-1)/res.Timings.Decode.Seconds())
	}
	if text := strings.Join(strings.Fields(res.Text), " "); text != "" {
		c.Detail += fmt.Sprintf(": %q", text)
	}
	return c
}

// picture is a grey field with a brighter square: any model can say something.
func picture() imageproc.RGB {
	const side = 112
	p := imageproc.RGB{W: side, H: side, Pix: make([]byte, 3*side*side)}
	for i := range p.Pix {
		x, y := i/3%side, i/3/side
		p.Pix[i] = 90
		if x > 40 && x < 72 && y > 40 && y < 72 {
			p.Pix[i] = 200
		}
	}
	return p
}

func checkBroker(ctx context.Context, name string, connect func(context.Context) error) Check {
	c := Check{Name: "broker", Status: OK, Detail: name}
	if err := connect(ctx); err != nil {
		c.Status, c.Detail = Fail, name+": "+line(err)
		c.Fix = "start the broker or correct mqtt.url; until then the daemon keeps descriptions in its queue"
	}
	return c
}

func line(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
