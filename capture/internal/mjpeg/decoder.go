package mjpeg

// Decoder decodes baseline JPEG (ITU-T T.81) as cameras send it, to the pixels that image/jpeg decodes. It keeps its memory and
// its tables from picture to picture, so one goroutine uses it at a time. The zero value is ready.
//
// Known are 8 bits a sample, one scan of one component or of three (YCbCr) in which brightness has 1, 2 or 4 times the samples
// of colour in either direction, restart intervals, and pictures that leave their Huffman tables out. All else is ErrOther.
type Decoder struct {
	tables
	bitstream
	block [64]int32
	rows  [3][]byte // samples of a row of MCUs, for each component
}

// Luma reads the means of a picture's blocks: the first coefficient of each is all that they are. The others are skipped and
// nothing is transformed. l's memory is used again if it is large enough. h is ParseHeader's, and the size in it checked.
func (d *Decoder) Luma(data []byte, h Header, l *Luma) error {
	if err := d.begin(data, h); err != nil {
		return err
	}
	l.resize(h)
	return d.mcus(h, l, nil)
}

// RGB decodes a picture to pix, which must hold its width times its height times 3 bytes. Where l is not nil it gets the means
// of the blocks too, at no cost. After an error pix holds the part that was decoded before.
func (d *Decoder) RGB(data []byte, h Header, pix []byte, l *Luma) error {
	if err := d.begin(data, h); err != nil {
		return err
	}
	if l != nil {
		l.resize(h)
	}
	return d.mcus(h, l, pix[:3*h.Width*h.Height])
}

func (d *Decoder) begin(data []byte, h Header) error {
	at, err := d.tables.read(data, h)
	d.bitstream.data, d.bitstream.next = data, at
	return err
}

// mcus decodes the scan, for pix (nil: the means alone).
func (d *Decoder) mcus(h Header, l *Luma, pix []byte) error {
	defer func() { d.bitstream.data = nil }() // the caller's
	luma := &d.comps[0]
	mcusX, mcusY := (h.Width+8*luma.h-1)/(8*luma.h), (h.Height+8*luma.v-1)/(8*luma.v)
	for i := range d.n {
		c := &d.comps[i]
		c.stride = 8 * c.h * mcusX
		if pix != nil {
			d.rows[i] = resized(d.rows[i], 8*c.v*c.stride)
			c.samples = d.rows[i]
		}
	}
	left, marker := 0, byte(0) // MCUs of the interval; the marker at its end
	for y := range mcusY {
		for x := range mcusX {
			if left == 0 {
				// The markers count from 0 to 7 and round: one that is not next says that data was lost.
				n := y*mcusX + x
				if left = d.restart; left == 0 {
					left = mcusX * mcusY
				}
				if n > 0 && marker != 0xD0+byte(n/left-1)&7 {
					return errRestart
				}
				marker = d.interval()
				for i := range d.comps {
					d.comps[i].dcPred = 0
				}
			}
			left--
			if err := d.mcu(x, y, l, pix != nil); err != nil {
				return err
			}
		}
		if pix != nil {
			d.convert(h, y*8*luma.v, pix)
		}
	}
	return nil
}

// mcu decodes one MCU, into the components' samples or for its means alone.
func (d *Decoder) mcu(x, y int, l *Luma, whole bool) error {
	for i := range d.n {
		c := &d.comps[i]
		for by := range c.v {
			for bx := range c.h {
				if whole {
					set, err := d.bitstream.block(c, &d.block)
					if err != nil {
						clear(d.block[:])
						return err
					}
					at := 8*by*c.stride + 8*(x*c.h+bx)
					idct(&d.block, set, c.samples[at:], c.stride)
				} else if err := d.skip(c); err != nil {
					return err
				}
				if i == 0 && l != nil {
					l.set(x*c.h+bx, y*c.v+by, c.dcPred*int32(c.steps[0]>>8))
				}
			}
		}
	}
	return nil
}
