package capture

import (
	"testing"

	"github.com/blackjack/webcam"
)

func TestTheLibrarysFileDescriptorIsFound(t *testing.T) {
	if got := fdOf(&webcam.Webcam{}); got != 0 {
		t.Errorf("got %d; without it there are no driver timestamps and no true picture size", got)
	}
	if iowr(4, sizeFormat) != 0xc0d05604 || iowr(9, sizeBuffer) != 0xc0585609 {
		t.Error("VIDIOC_G_FMT and VIDIOC_QUERYBUF are fixed by the kernel's interface")
	}
}
