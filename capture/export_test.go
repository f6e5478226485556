package capture

import "time"

// What tests in package capture_test see of the inside.
var (
	RGBFromImage      = rgbFromImage
	NaturalLess       = naturalLess
	SplitCommand      = splitCommand
	FFmpegPassthrough = ffmpegPassthrough
	Scrub             = scrub
	OpenV4L2With      = openV4L2With
	ChooseSize        = chooseSize
	ChooseRate        = chooseRate
	ChooseFormat      = chooseFormat
	FormatLines       = formatLines
	NewFourCC         = newFourCC
	Shrink            = shrink
	Median            = median
	ParseChallenges   = parseChallenges
)

type (
	V4L2Camera = v4l2Camera
	V4L2Size   = v4l2Size
	V4L2Format = v4l2Format
	V4L2Buffer = v4l2Buffer
	FourCC     = fourCC
)

// Prepare is what Camera.Open does with a source once it is open.
func (c *Camera) Prepare(src Source) Source { return c.prepare(src) }

// SetNow gives a valve another clock.
func (v *Valve) SetNow(now func() time.Time) { v.now = now }
