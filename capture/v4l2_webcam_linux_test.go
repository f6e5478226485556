package capture

import (
	"testing"

	"github.com/blackjack/webcam"
)

func TestTheLibrarysFileDescriptorIsFound(t *testing.T) {
	if got := fdOf(&webcam.Webcam{}); got != 0 {
		t.Errorf("got %d; without it there are no driver timestamps and no true picture size", got)
	}
	if (&webcamCamera{cam: &webcam.Webcam{}}).buffers() == nil {
		t.Error("the library's buffers are not found; without them a damaged frame and a failed start go unseen")
	}
	if iowr(4, sizeFormat) != 0xc0d05604 || iowr(17, sizeBuffer) != 0xc0585611 {
		t.Error("VIDIOC_G_FMT and VIDIOC_DQBUF are fixed by the kernel's interface")
	}
}
