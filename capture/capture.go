// Package capture turns cameras, streams and files into frames that carry the time at which they were taken.
//
// Open makes a Source from a string (files:, v4l2:, http:, https:, rtsp:, exec:). A Sampler thins a Source out to the rate
// that a model can bear, newest frame first; a Pairer groups what it yields two by two. Live sources (everything but files:)
// heal by themselves: Next waits while a camera is away, and Spec.OnState hears of it.
package capture

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// MaxFrameBytes is the largest frame that a source keeps in memory, as it comes from the camera: 32 MiB.
const MaxFrameBytes = 32 << 20

// MaxPixels is the largest picture that is decoded: 4096x4096 pixels, 48 MiB as RGB.
const MaxPixels = 16 << 20

// maxSide bounds either side of a picture, so that a product of two of them can't overflow.
const maxSide = 1 << 15

var (
	// ErrNoDevice says that the camera itself is missing. Programs exit with code 3 on it.
	ErrNoDevice = errors.New("no such device")
	// ErrBadFrame says that one frame is damaged. Skip the frame, count it and go on.
	ErrBadFrame = errors.New("damaged frame")
	// ErrClosed is what Next returns after Close.
	ErrClosed = errors.New("capture: source is closed")
)

// PixelFormat says how Frame.Data holds the picture.
type PixelFormat uint8

// The formats that sources yield.
const (
	JPEG  PixelFormat = iota // one whole JPEG file; the Huffman tables may be left out, as MJPEG cameras do
	RGB24                    // 3 bytes a pixel (R, G, B), row-major, no padding
	YUYV                     // 4:2:2, bytes Y0 U Y1 V for two pixels, BT.601 limited range; rows are padded to whole pairs
)

// String returns the format's usual name.
func (p PixelFormat) String() string {
	switch p {
	case JPEG:
		return "JPEG"
	case RGB24:
		return "RGB24"
	case YUYV:
		return "YUYV"
	}
	return fmt.Sprintf("PixelFormat(%d)", uint8(p))
}

// Frame is one picture.
type Frame struct {
	Seq    uint64    // counts the frames that the source has seen, from 0; a gap means frames that nobody took in time
	At     time.Time // when the picture was taken, as near as the source can tell; never decreasing
	Format PixelFormat
	Width  int // pixels
	Height int // pixels
	Data   []byte
}

// Source yields frames in order of time.
type Source interface {
	// Next waits for a frame that was not returned before. It returns io.EOF after the last one, ctx's error when ctx ends,
	// ErrClosed after Close. A live source that lost its camera makes Next wait; it does not return an error.
	Next(ctx context.Context) (Frame, error)
	// Close stops the source and waits until its goroutines and children are gone. Close unblocks a waiting Next.
	Close() error
}

// Spec says what to open and how.
type Spec struct {
	// Source is where frames come from:
	//   files:DIR|GLOB|FILE        JPEG and PNG pictures in natural order, MJPEG (AVI or concatenated JPEG), else through ffmpeg
	//   v4l2:/dev/videoN           a camera of this machine
	//   http://, https://          a multipart MJPEG stream, or a JPEG that is fetched again and again
	//   https+insecure://          the same without checking the certificate
	//   rtsp://, rtsps://          through ffmpeg
	//   exec:COMMAND ARGS          a program that writes JPEG after JPEG to its standard output (no shell; quotes work):
	//                              rpicam-vid -t 0 -n --codec mjpeg --width 640 --height 480 --framerate 10 -o -   (Raspberry Pi, CSI)
	//                              gst-launch-1.0 -q nvarguscamerasrc ! video/x-raw(memory:NVMM),width=640,height=480,framerate=10/1
	//                              ! nvjpegenc ! fdsink   (Jetson, CSI)
	// User and password stand in the URL and are kept out of logs and errors.
	Source string
	// Loop starts files over at their end.
	Loop bool
	// FPS is how many frames a second the caller wants. Sources that can thin out where it is cheap (ffmpeg, a polled
	// picture, a camera's own rate) come near it from above; the others yield all they get. 0 is as they come.
	// Files that carry no rate of their own (pictures, concatenated JPEG) play at FileFPS.
	FPS float64
	// FileFPS is the rate of files that carry none; 0 is FPS, and 1 where that is 0 too.
	FileFPS float64
	// Width and Height are the picture size asked of a v4l2: camera, which takes the nearest it has; 0 is 640x480. What comes
	// through ffmpeg is scaled down to fit in, keeping its shape; 0 is as it comes. Others ignore it.
	Width, Height int
	// Unpaced makes files yield frames as fast as they are asked for. Capture times stay those of real time.
	Unpaced bool
	// Stall is the longest time that a live source may send nothing before it is started again, 100 ms at least, and twice as
	// long at its start; 0 is the kind's own: 5 s for v4l2:, 10 s and more for the others.
	Stall time.Duration
	// Log gets a line when a camera goes or comes back; nil is silent.
	Log *slog.Logger
	// OnState, if set, is called when a live source begins to deliver (up) and when it stops (why says the reason in one
	// line). It is called from the source's goroutine and must return soon.
	OnState func(up bool, why error)
}

// Stats are a source's counters since it was opened.
type Stats struct {
	Frames   uint64 // good frames seen
	Broken   uint64 // frames that were damaged and skipped
	Restarts uint64 // times that a live source was started again
}

// StatsOf returns the counters of a source that Open made, zero for others.
func StatsOf(s Source) Stats {
	if c, ok := s.(interface{ Stats() Stats }); ok {
		return c.Stats()
	}
	return Stats{}
}

// Unpaced is implemented by sources whose Next never waits for real time to pass. A Sampler reads these one frame after the
// other instead of dropping what it can't keep up with.
type Unpaced interface {
	Unpaced() bool
}

func isUnpaced(s Source) bool {
	u, ok := s.(Unpaced)
	return ok && u.Unpaced()
}
