package capture

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// v4l2Camera is what the capture loop needs of a V4L2 device. The Linux one wraps github.com/blackjack/webcam; tests have
// another.
type v4l2Camera interface {
	Formats() map[fourCC]string
	Sizes(f fourCC) []v4l2Size
	Rates(f fourCC, w, h int) []float64 // frames a second, unordered
	SetFormat(f fourCC, w, h int) (v4l2Format, error)
	SetRate(fps float64) error
	Start(buffers int) error
	// Wait returns false when no frame came in time.
	Wait(d time.Duration) (bool, error)
	// Dequeue takes the oldest filled buffer. Data is the driver's memory until Release.
	Dequeue() (v4l2Buffer, error)
	Release(index uint32) error
	Close() error
}

// fourCC is a V4L2 pixel format.
type fourCC uint32

func newFourCC(s string) fourCC {
	return fourCC(s[0]) | fourCC(s[1])<<8 | fourCC(s[2])<<16 | fourCC(s[3])<<24
}

func (f fourCC) String() string {
	b := []byte{byte(f), byte(f >> 8), byte(f >> 16), byte(f >> 24)}
	for i, c := range b {
		if c < ' ' || c > '~' {
			b[i] = '?'
		}
	}
	return string(b)
}

// v4l2Size is a range of picture sizes; Min equals Max for a single one.
type v4l2Size struct {
	MinW, MaxW, StepW int
	MinH, MaxH, StepH int
}

type v4l2Format struct {
	Code   fourCC
	W, H   int
	Stride int // bytes from row to row, 0 if not known
}

type v4l2Buffer struct {
	Index uint32
	Data  []byte
	At    time.Time // zero if the driver doesn't say
	Bad   bool      // the driver says that the data is damaged
}

const (
	v4l2Buffers = 4
	// After this many damaged frames in a row the camera is opened anew, in another format if it has one.
	v4l2MaxBad = 30
	v4l2Poll   = 250 * time.Millisecond
)

// v4l2Wanted is the order in which formats are tried. YUYV needs no decoding but seldom fits USB at good rates and sizes.
var v4l2Wanted = []fourCC{newFourCC("MJPG"), newFourCC("JPEG"), newFourCC("YUYV")}

// openV4L2With opens a camera for its first session, so that one that is missing is an error at once.
func openV4L2With(s Spec, path string, open func() (v4l2Camera, error)) (Source, error) {
	if path == "" {
		return nil, errors.New("capture: v4l2: no device; write v4l2:/dev/video0")
	}
	var broken atomic.Uint64
	sess := &v4l2Session{open: open, spec: s, bad: func() { broken.Add(1) }}
	cam, err := sess.start()
	if err != nil {
		return nil, fmt.Errorf("capture: open %s: %w", path, err)
	}
	sess.ready = cam
	return newLive(s, liveConfig{
		name: "v4l2:" + path, session: sess.run, broken: &broken,
		// A try costs one open(2), and a replugged camera is to be back soon.
		backoff: backoff{min: 250 * time.Millisecond, max: time.Second},
		first:   10 * time.Second, stall: 5 * time.Second,
	}), nil
}

// v4l2Error says what to do about an error number.
func v4l2Error(err error) error {
	switch {
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ENODEV), errors.Is(err, syscall.ENXIO):
		return fmt.Errorf("%w; plug the camera in, or list cameras with `edgevlm hwtest`", ErrNoDevice)
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return fmt.Errorf("%w; add the user to the group video: sudo usermod -aG video $USER", err)
	case errors.Is(err, syscall.EBUSY):
		return fmt.Errorf("%w; another program has the camera open", err)
	case errors.Is(err, syscall.ENOTTY):
		return fmt.Errorf("%w; this is not a camera, list cameras with `edgevlm hwtest`", err)
	case err != nil && err.Error() == "Not a video capture device": // the library's text
		return errors.New("this node carries no pictures; try the camera's first one, `edgevlm hwtest` lists them")
	}
	return err
}

// v4l2Session captures from one camera. It is used by one goroutine.
type v4l2Session struct {
	open  func() (v4l2Camera, error)
	spec  Spec
	ready v4l2Camera // opened and streaming already, for the first run
	form  v4l2Format
	avoid fourCC // sent nothing but damaged frames last time
	bad   func() // counts a damaged frame
}

// run implements session.
func (s *v4l2Session) run(ctx context.Context, emit func(Frame)) error {
	cam := s.ready
	s.ready = nil
	if cam == nil {
		var err error
		if cam, err = s.start(); err != nil {
			return err
		}
	}
	defer cam.Close()
	inRow := 0
	for ctx.Err() == nil {
		ok, err := cam.Wait(v4l2Poll)
		if err != nil {
			return fmt.Errorf("wait for a frame: %w", v4l2Error(err))
		}
		if !ok {
			continue // the watchdog knows how long is too long
		}
		f, err := s.grab(cam)
		switch {
		case err == nil:
			inRow = 0
			emit(f)
		case errors.Is(err, ErrBadFrame):
			s.bad()
			if inRow++; inRow >= v4l2MaxBad {
				s.avoid = s.form.Code
				return fmt.Errorf("%d damaged frames in a row as %v (last: %w); try another cable or port, or a smaller picture",
					inRow, s.form.Code, err)
			}
		case errors.Is(err, syscall.EAGAIN): // said to be ready, but is not
			sleep(ctx, 10*time.Millisecond)
		default:
			return fmt.Errorf("read a frame: %w", v4l2Error(err))
		}
	}
	return ctx.Err()
}

// start opens the camera and lets it stream.
func (s *v4l2Session) start() (v4l2Camera, error) {
	cam, err := s.open()
	if err != nil {
		return nil, v4l2Error(err)
	}
	if err := s.configure(cam); err != nil {
		cam.Close()
		return nil, err
	}
	return cam, nil
}

func (s *v4l2Session) configure(cam v4l2Camera) error {
	code, err := chooseFormat(cam.Formats(), s.avoid)
	if err != nil {
		return err
	}
	w, h := s.spec.Width, s.spec.Height
	if w == 0 || h == 0 {
		w, h = 640, 480
	}
	w, h = chooseSize(cam.Sizes(code), w, h)
	if s.form, err = cam.SetFormat(code, w, h); err != nil {
		return fmt.Errorf("set %v %dx%d: %w", code, w, h, v4l2Error(err))
	}
	if s.form.Code != code {
		return fmt.Errorf("asked for %v, the camera chose %v; is another program using it", code, s.form.Code)
	}
	if err := checkDims(s.form.W, s.form.H); err != nil {
		return err
	}
	if rate := chooseRate(cam.Rates(code, s.form.W, s.form.H), s.spec.FPS); rate > 0 {
		_ = cam.SetRate(rate) // a camera that can't only sends more
	}
	if err := cam.Start(v4l2Buffers); err != nil {
		return fmt.Errorf("start streaming: %w", v4l2Error(err))
	}
	return nil
}

// grab copies the newest filled buffer and gives all of them back.
func (s *v4l2Session) grab(cam v4l2Camera) (Frame, error) {
	buf, err := cam.Dequeue()
	if err != nil {
		return Frame{}, err
	}
	// Older frames waited while this process did something else: go on to the newest. Bounded, for a camera may be faster
	// than we are.
	for range v4l2Buffers - 1 {
		more, err := cam.Wait(0)
		if err != nil || !more {
			break
		}
		next, err := cam.Dequeue()
		if err != nil {
			break // the frame in hand is good; the error comes again if it lasts
		}
		if err := cam.Release(buf.Index); err != nil {
			return Frame{}, err
		}
		buf = next
	}
	f, err := s.frame(buf)
	if releaseErr := cam.Release(buf.Index); releaseErr != nil {
		return Frame{}, releaseErr
	}
	return f, err
}

// frame copies a buffer's picture. What the camera says of itself is checked against what it sent.
func (s *v4l2Session) frame(buf v4l2Buffer) (Frame, error) {
	switch {
	case buf.Bad:
		return Frame{}, fmt.Errorf("%w: the driver says so", ErrBadFrame)
	case len(buf.Data) == 0 || len(buf.Data) > MaxFrameBytes:
		return Frame{}, fmt.Errorf("%w: %d bytes", ErrBadFrame, len(buf.Data))
	case s.form.Code == newFourCC("YUYV"):
		data, err := packYUYV(buf.Data, s.form)
		return Frame{At: buf.At, Format: YUYV, Width: s.form.W, Height: s.form.H, Data: data}, err
	}
	f, err := jpegFrame(slices.Clone(buf.Data))
	f.At = buf.At
	return f, err
}

// packYUYV copies rows without the driver's padding.
func packYUYV(data []byte, form v4l2Format) ([]byte, error) {
	row := yuyvStride(form.W)
	stride := max(form.Stride, row)
	if len(data) < stride*(form.H-1)+row {
		return nil, fmt.Errorf("%w: %d bytes for %dx%d YUYV", ErrBadFrame, len(data), form.W, form.H)
	}
	if stride == row {
		return slices.Clone(data[:row*form.H]), nil
	}
	out := make([]byte, 0, row*form.H)
	for y := range form.H {
		out = append(out, data[y*stride:y*stride+row]...)
	}
	return out, nil
}

// chooseFormat picks the first format that we read, another than avoid where there is one.
func chooseFormat(have map[fourCC]string, avoid fourCC) (fourCC, error) {
	second := fourCC(0)
	for _, f := range v4l2Wanted {
		if _, ok := have[f]; !ok {
			continue
		}
		if f != avoid {
			return f, nil
		}
		second = f
	}
	if second != 0 {
		return second, nil
	}
	var names []string
	for f := range have {
		names = append(names, f.String())
	}
	slices.Sort(names)
	if len(names) == 0 {
		names = []string{"nothing"}
	}
	return 0, fmt.Errorf("it offers %s, neither MJPG nor YUYV; for a CSI camera on a Raspberry Pi use "+
		"exec:rpicam-vid -t 0 -n --codec mjpeg --width 640 --height 480 -o -", strings.Join(names, ", "))
}

// chooseSize picks the smallest size that covers w x h, else the largest. Without a list it is w x h itself.
func chooseSize(have []v4l2Size, w, h int) (int, int) {
	bw, bh := 0, 0
	covers := func(x, y int) bool { return x >= w && y >= h }
	for _, s := range have {
		x, y := fit(w, s.MinW, s.MaxW, s.StepW), fit(h, s.MinH, s.MaxH, s.StepH)
		if x <= 0 || y <= 0 {
			continue
		}
		better := bw == 0 ||
			covers(x, y) && (!covers(bw, bh) || x*y < bw*bh) ||
			!covers(x, y) && !covers(bw, bh) && x*y > bw*bh
		if better {
			bw, bh = x, y
		}
	}
	if bw == 0 {
		return w, h
	}
	return bw, bh
}

// fit takes v to the next step at or above it within a range.
func fit(v, lo, hi, step int) int {
	v = min(max(v, lo), hi)
	if step > 1 {
		v = min(lo+(v-lo+step-1)/step*step, lo+(hi-lo)/step*step)
	}
	return v
}

// chooseRate picks the lowest rate that is at least fps, and at least 5: below that cameras expose so long that motion blurs.
// 0 leaves the camera's rate alone.
func chooseRate(have []float64, fps float64) float64 {
	if fps <= 0 {
		return 0
	}
	want := max(fps, 5) - 0.01
	best := 0.0
	for _, r := range have {
		if r >= want && (best == 0 || r < best) {
			best = r
		}
	}
	return best
}
