package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"time"
	"unsafe"

	"github.com/blackjack/webcam"
	"golang.org/x/sys/unix"
)

// webcamCamera is a v4l2Camera on github.com/blackjack/webcam. The library returns neither the driver's timestamps nor the size
// that the driver chose (SetImageFormat returns the one asked for), and waits in whole seconds. Two ioctls and a poll on its
// file descriptor make up for that.
type webcamCamera struct {
	cam *webcam.Webcam
	fd  int // -1 if the library has changed and hides it
}

func openWebcam(path string) (v4l2Camera, error) {
	cam, err := webcam.Open(path)
	if err != nil {
		return nil, err
	}
	return &webcamCamera{cam: cam, fd: fdOf(cam)}, nil
}

// fdOf reads the library's unexported file descriptor. Reading (not writing) such a field is something that reflect allows.
func fdOf(cam *webcam.Webcam) int {
	f := reflect.ValueOf(cam).Elem().FieldByName("fd")
	if !f.IsValid() || f.Kind() != reflect.Uintptr {
		return -1
	}
	return int(f.Uint())
}

func (c *webcamCamera) Formats() map[fourCC]string {
	out := map[fourCC]string{}
	for f, name := range c.cam.GetSupportedFormats() {
		out[fourCC(f)] = name
	}
	return out
}

func (c *webcamCamera) Sizes(f fourCC) []v4l2Size {
	var out []v4l2Size
	for _, s := range c.cam.GetSupportedFrameSizes(webcam.PixelFormat(f)) {
		out = append(out, v4l2Size{
			MinW: int(s.MinWidth), MaxW: int(s.MaxWidth), StepW: int(s.StepWidth),
			MinH: int(s.MinHeight), MaxH: int(s.MaxHeight), StepH: int(s.StepHeight),
		})
	}
	return out
}

func (c *webcamCamera) Rates(f fourCC, w, h int) []float64 {
	var out []float64
	for _, r := range c.cam.GetSupportedFramerates(webcam.PixelFormat(f), uint32(w), uint32(h)) {
		// An interval of num/den seconds; a range's shortest interval is its highest rate.
		if r.MinNumerator > 0 && r.MinDenominator > 0 {
			out = append(out, float64(r.MinDenominator)/float64(r.MinNumerator))
		}
	}
	return out
}

func (c *webcamCamera) SetFormat(f fourCC, w, h int) (v4l2Format, error) {
	code, rw, rh, err := c.cam.SetImageFormat(webcam.PixelFormat(f), uint32(w), uint32(h))
	if err != nil {
		return v4l2Format{}, err
	}
	out := v4l2Format{Code: fourCC(code), W: int(rw), H: int(rh)}
	if got, err := getFormat(c.fd); err == nil {
		out = got
	}
	return out, nil
}

func (c *webcamCamera) SetRate(fps float64) error { return c.cam.SetFramerate(float32(fps)) }

func (c *webcamCamera) Start(buffers int) error {
	if err := c.cam.SetBufferCount(uint32(buffers)); err != nil {
		return err
	}
	err := c.cam.StartStreaming()
	if err != nil {
		c.unmap()
	}
	return err
}

// buffers are the library's mappings, which it keeps to itself. Reading such a field is something that reflect allows.
func (c *webcamCamera) buffers() [][]byte {
	f := reflect.ValueOf(c.cam).Elem().FieldByName("buffers")
	if !f.IsValid() || f.Type() != reflect.TypeFor[[][]byte]() {
		return nil
	}
	out := make([][]byte, f.Len())
	for i := range out {
		out[i] = f.Index(i).Bytes()
	}
	return out
}

// unmap gives back the buffers that the library has mapped when it then fails to start: it forgets them, and a mapping keeps
// the device open, and so busy, after Close.
func (c *webcamCamera) unmap() {
	for _, b := range c.buffers() {
		if len(b) > 0 {
			_ = unix.Munmap(b) // an error says that it is not mapped
		}
	}
}

func (c *webcamCamera) Wait(d time.Duration) (bool, error) {
	if c.fd < 0 {
		err := c.cam.WaitForFrame(uint32((d + time.Second - 1) / time.Second))
		var timeout *webcam.Timeout
		if errors.As(err, &timeout) {
			return false, nil
		}
		return err == nil, err
	}
	fds := []unix.PollFd{{Fd: int32(c.fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, int(d/time.Millisecond))
	if errors.Is(err, unix.EINTR) {
		return false, nil
	}
	// POLLERR and POLLHUP count as ready: Dequeue says what is wrong.
	return n > 0, err
}

func (c *webcamCamera) Dequeue() (v4l2Buffer, error) {
	if mapped := c.buffers(); mapped != nil && c.fd >= 0 && is64 {
		return dequeue(c.fd, mapped)
	}
	return c.dequeueByLibrary()
}

// dequeueByLibrary knows neither when a frame was taken nor whether the driver says that it is damaged.
func (c *webcamCamera) dequeueByLibrary() (buf v4l2Buffer, err error) {
	// The library slices its mapping by the length that the driver reports; one that is too long would panic.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the driver returned an impossible buffer: %v", r)
		}
	}()
	data, index, err := c.cam.GetFrame()
	return v4l2Buffer{Index: index, Data: data}, err
}

func (c *webcamCamera) Release(index uint32) error { return c.cam.ReleaseFrame(index) }

func (c *webcamCamera) Close() error { return c.cam.Close() }

// Sizes and offsets of the kernel's structures on 64-bit machines (linux/videodev2.h).
const (
	is64          = unsafe.Sizeof(uintptr(0)) == 8
	sizeFormat    = 208 // struct v4l2_format
	sizeBuffer    = 88  // struct v4l2_buffer
	bufTypeVideo  = 1   // V4L2_BUF_TYPE_VIDEO_CAPTURE
	memoryMmap    = 1   // V4L2_MEMORY_MMAP
	flagError     = 0x00000040
	flagMonotonic = 0x00002000
	flagTimeMask  = 0x0000e000
)

var errNo64 = errors.New("not on this machine")

// ioctl numbers: direction read and write (3), size, 'V', number.
func iowr(number, size uintptr) uintptr { return 3<<30 | size<<16 | 'V'<<8 | number }

// getFormat asks for the format in force (VIDIOC_G_FMT).
func getFormat(fd int) (v4l2Format, error) {
	if fd < 0 || !is64 {
		return v4l2Format{}, errNo64
	}
	var b [sizeFormat]byte
	order := binary.NativeEndian
	order.PutUint32(b[0:], bufTypeVideo)
	if err := ioctl(fd, iowr(4, sizeFormat), unsafe.Pointer(&b)); err != nil {
		return v4l2Format{}, err
	}
	return v4l2Format{
		W: int(order.Uint32(b[8:])), H: int(order.Uint32(b[12:])),
		Code: fourCC(order.Uint32(b[16:])), Stride: int(order.Uint32(b[24:])),
	}, nil
}

// dequeue takes the oldest filled buffer with all that the driver says of it (VIDIOC_DQBUF): the library keeps the flags and the
// time to itself, and the kernel forgets the flag of a damaged frame once it is dequeued.
func dequeue(fd int, mapped [][]byte) (v4l2Buffer, error) {
	var b [sizeBuffer]byte
	order := binary.NativeEndian
	order.PutUint32(b[4:], bufTypeVideo)
	order.PutUint32(b[60:], memoryMmap)
	if err := ioctl(fd, iowr(17, sizeBuffer), unsafe.Pointer(&b)); err != nil {
		return v4l2Buffer{}, err
	}
	index, used, flags := order.Uint32(b[0:]), order.Uint32(b[8:]), order.Uint32(b[12:])
	if int(index) >= len(mapped) || int(used) > len(mapped[index]) {
		return v4l2Buffer{}, fmt.Errorf("the driver returned an impossible buffer: number %d of %d, %d bytes", index, len(mapped), used)
	}
	buf := v4l2Buffer{Index: index, Data: mapped[index][:used], Bad: flags&flagError != 0}
	if flags&flagTimeMask == flagMonotonic {
		buf.At = fromMonotonic(time.Duration(order.Uint64(b[24:]))*time.Second + time.Duration(order.Uint64(b[32:]))*time.Microsecond)
	}
	return buf, nil
}

// fromMonotonic takes a time of CLOCK_MONOTONIC to ours. It is zero where it makes no sense: some drivers leave it empty.
func fromMonotonic(taken time.Duration) time.Time {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return time.Time{}
	}
	age := time.Duration(ts.Nano()) - taken
	if taken == 0 || age < 0 || age > time.Minute {
		return time.Time{}
	}
	return time.Now().Add(-age)
}

func ioctl(fd int, op uintptr, arg unsafe.Pointer) error {
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), op, uintptr(arg))
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			return errno
		}
		return nil
	}
}
