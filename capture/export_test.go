package capture

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
	ParseChallenges   = parseChallenges
)

type (
	V4L2Camera = v4l2Camera
	V4L2Size   = v4l2Size
	V4L2Format = v4l2Format
	V4L2Buffer = v4l2Buffer
	FourCC     = fourCC
)
