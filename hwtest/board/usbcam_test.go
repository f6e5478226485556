//go:build board

package board_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const vhci = "/sys/devices/platform/vhci_hcd.0"

// usbCamera is a USB camera that sends MJPEG: a UVC 1.0 device with one bulk endpoint, plugged into the kernel's virtual USB
// controller over USB/IP. All that is above it, uvcvideo and V4L2, is the kernel's own.
type usbCamera struct {
	picture func(n int) []byte // what it sends, 10 a second
	conn    net.Conn
	stop    chan struct{}
	gone    sync.WaitGroup

	mu      sync.Mutex
	probe   [26]byte
	waiting []urb // for data of the bulk endpoint
	wake    chan struct{}
}

// urb is a transfer that the kernel has asked for.
type urb struct{ seq, length uint32 }

const (
	camWidth, camHeight = 320, 240
	camPeriod           = 100 * time.Millisecond
	camPayload          = 16384 // most bytes of a bulk transfer
	camName             = "edgevlm test camera"
)

// plugIn plugs a camera in and waits for its device, /dev/videoN.
func plugIn(t *testing.T, picture func(n int) []byte) (cam *usbCamera, device string) {
	t.Helper()
	if _, err := os.Stat(vhci); err != nil {
		t.Skip("no USB camera: this kernel has no USB/IP (vhci_hcd) or no uvcvideo")
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours := os.NewFile(uintptr(pair[0]), "usb")
	conn, err := net.FileConn(ours)
	ours.Close()
	if err != nil {
		t.Fatal(err)
	}
	cam = &usbCamera{picture: picture, conn: conn, stop: make(chan struct{}), wake: make(chan struct{}, 1)}
	cam.fillProbe()
	cam.gone.Go(cam.serve)
	cam.gone.Go(cam.stream)
	t.Cleanup(cam.pullOut)
	// Port 0, a socket of this process, a number for the device, high speed.
	err = os.WriteFile(vhci+"/attach", fmt.Appendf(nil, "0 %d %d 3", pair[1], 1<<16|2), 0)
	unix.Close(pair[1]) // the kernel has it
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the kernel finds a camera", func() bool {
		names, _ := filepath.Glob("/sys/class/video4linux/video*/name")
		for _, n := range names {
			index, _ := os.ReadFile(filepath.Join(filepath.Dir(n), "index"))
			if b, _ := os.ReadFile(n); strings.HasPrefix(string(b), camName) && strings.TrimSpace(string(index)) == "0" {
				device = "/dev/" + filepath.Base(filepath.Dir(n))
			}
		}
		_, err := os.Stat(device)
		return device != "" && err == nil
	})
	return cam, device
}

// pullOut is what happens when a plug is pulled.
func (c *usbCamera) pullOut() {
	select {
	case <-c.stop:
		return
	default:
	}
	close(c.stop)
	c.conn.Close()
	c.gone.Wait()
}

// fillProbe is what the camera offers: its one format, size and rate.
func (c *usbCamera) fillProbe() {
	le := binary.LittleEndian
	c.probe[2], c.probe[3] = 1, 1
	le.PutUint32(c.probe[4:], uint32(camPeriod/100))
	le.PutUint32(c.probe[18:], 2*camWidth*camHeight)
	le.PutUint32(c.probe[22:], camPayload)
}

// serve answers the kernel until the plug is pulled. The messages are those of Documentation/usb/usbip_protocol.rst.
func (c *usbCamera) serve() {
	be := binary.BigEndian
	var h [48]byte
	for {
		if _, err := io.ReadFull(c.conn, h[:]); err != nil {
			return
		}
		command, seq, in, endpoint := be.Uint32(h[:]), be.Uint32(h[4:]), be.Uint32(h[12:]) == 1, be.Uint32(h[16:])
		if command == 2 { // unlink
			c.unlink(seq, be.Uint32(h[20:]))
			continue
		}
		length := be.Uint32(h[24:])
		var out []byte
		if !in && length > 0 {
			out = make([]byte, length)
			if _, err := io.ReadFull(c.conn, out); err != nil {
				return
			}
		}
		switch {
		case endpoint != 0:
			c.mu.Lock()
			c.waiting = append(c.waiting, urb{seq, length})
			c.mu.Unlock()
			c.nudge()
		default:
			data, err := c.control(h[40:48], out)
			if err != nil {
				c.reply(seq, -int32(unix.EPIPE), nil, 0) // a stall
				continue
			}
			if in {
				data = data[:min(len(data), int(length))]
				c.reply(seq, 0, data, len(data))
			} else {
				c.reply(seq, 0, nil, len(out))
			}
		}
	}
}

func (c *usbCamera) nudge() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// reply ends a transfer.
func (c *usbCamera) reply(seq uint32, status int32, data []byte, actual int) {
	be := binary.BigEndian
	m := make([]byte, 48, 48+len(data))
	be.PutUint32(m, 3)
	be.PutUint32(m[4:], seq)
	be.PutUint32(m[20:], uint32(status))
	be.PutUint32(m[24:], uint32(actual))
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = c.conn.Write(append(m, data...)) // an error is seen by serve
}

// unlink takes a transfer back.
func (c *usbCamera) unlink(seq, which uint32) {
	be := binary.BigEndian
	m := make([]byte, 48)
	be.PutUint32(m, 4)
	be.PutUint32(m[4:], seq)
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, u := range c.waiting {
		if u.seq == which {
			c.waiting = append(c.waiting[:i], c.waiting[i+1:]...)
			status := -int32(unix.ECONNRESET)
			be.PutUint32(m[20:], uint32(status))
			break
		}
	}
	_, _ = c.conn.Write(m)
}

// stream sends pictures as payloads, each with a header of two bytes (UVC 1.0, 2.4.3.2).
func (c *usbCamera) stream() {
	tick := time.NewTicker(camPeriod)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-c.stop:
			return
		case <-tick.C:
		}
		for rest := c.picture(n); ; {
			u, ok := c.take()
			if !ok {
				return
			}
			part := rest[:min(len(rest), int(u.length)-2)]
			rest = rest[len(part):]
			header := []byte{2, 0x80 | byte(n&1)}
			if len(rest) == 0 {
				header[1] |= 2 // the picture's end
			}
			c.reply(u.seq, 0, append(header, part...), 2+len(part))
			if len(rest) == 0 {
				break
			}
		}
	}
}

// take waits for a transfer that asks for data.
func (c *usbCamera) take() (urb, bool) {
	for {
		c.mu.Lock()
		if len(c.waiting) > 0 {
			u := c.waiting[0]
			c.waiting = c.waiting[1:]
			c.mu.Unlock()
			return u, true
		}
		c.mu.Unlock()
		select {
		case <-c.stop:
			return urb{}, false
		case <-c.wake:
		}
	}
}

var errStalled = errors.New("not known")

// control answers a request of the control endpoint.
func (c *usbCamera) control(setup, out []byte) ([]byte, error) {
	kind, request := setup[0], setup[1]
	value, index := binary.LittleEndian.Uint16(setup[2:]), binary.LittleEndian.Uint16(setup[4:])
	switch {
	case kind == 0x80 && request == 6: // GET_DESCRIPTOR
		switch value >> 8 {
		case 1:
			return deviceDescriptor, nil
		case 2:
			return configuration(), nil
		case 3:
			return stringDescriptor(byte(value)), nil
		}
	case kind&0x60 == 0 && request == 0: // GET_STATUS
		return []byte{0, 0}, nil
	case kind&0xE0 == 0: // SET_CONFIGURATION, SET_INTERFACE, CLEAR_FEATURE: there is one of each
		return nil, nil
	case kind&0x60 == 0x20 && index == 1 && (value == 0x100 || value == 0x200): // probe or commit
		switch request {
		case 1: // SET_CUR: whatever it asks, the camera has one format
			return nil, nil
		case 0x81, 0x82, 0x83, 0x87:
			return c.probe[:], nil
		case 0x85:
			return []byte{byte(len(c.probe)), 0}, nil
		case 0x86:
			return []byte{3}, nil
		}
	}
	return nil, errStalled
}

var deviceDescriptor = []byte{18, 1, 0, 2, 0xEF, 2, 1, 64, 0x09, 0x12, 1, 0, 0, 1, 0, 1, 0, 1}

func stringDescriptor(n byte) []byte {
	if n == 0 {
		return []byte{4, 3, 9, 4}
	}
	s := []byte{byte(2 + 2*len(camName)), 3}
	for _, r := range camName {
		s = append(s, byte(r), 0)
	}
	return s
}

// configuration is one function of two interfaces: control, with a camera and its output, and streaming, with MJPEG in one size
// and a bulk endpoint.
func configuration() []byte {
	le := binary.LittleEndian
	interval := uint32(camPeriod / 100)
	frame := []byte{30, 0x24, 7, 1, 0}
	frame = le.AppendUint16(frame, camWidth)
	frame = le.AppendUint16(frame, camHeight)
	for _, v := range []uint32{1 << 20, 1 << 24, 2 * camWidth * camHeight, interval} {
		frame = le.AppendUint32(frame, v)
	}
	frame = le.AppendUint32(append(frame, 1), interval)
	all := []byte{9, 2, 0, 0, 2, 1, 0, 0x80, 50}
	for _, d := range [][]byte{
		{8, 11, 0, 2, 14, 3, 0, 0},                                 // the two belong together
		{9, 4, 0, 0, 0, 14, 1, 0, 0},                               // control
		{13, 0x24, 1, 0, 1, 40, 0, 0x80, 0x8D, 0x5B, 0, 1, 1},      // version 1.0, 40 bytes, 6 MHz, streaming is interface 1
		{18, 0x24, 2, 1, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0}, // terminal 1: a camera
		{9, 0x24, 3, 2, 1, 1, 0, 1, 0},                             // terminal 2: what terminal 1 sees, over USB
		{9, 4, 1, 0, 1, 14, 2, 0, 0},                               // streaming
		{14, 0x24, 1, 1, 61, 0, 0x81, 0, 2, 0, 0, 0, 1, 0},         // one format, 61 bytes, endpoint 1, of terminal 2
		{11, 0x24, 6, 1, 1, 0, 1, 0, 0, 0, 0},                      // MJPEG, one size
		frame,
		{6, 0x24, 13, 1, 1, 4},   // colours: BT.709, BT.601
		{7, 5, 0x81, 2, 0, 2, 0}, // endpoint 1: in, bulk, 512 bytes
	} {
		all = append(all, d...)
	}
	le.PutUint16(all[2:], uint16(len(all)))
	return all
}
