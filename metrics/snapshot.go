package metrics

import "github.com/prometheus/client_golang/prometheus"

// Snapshot is the daemon at one moment.
type Snapshot struct {
	Version, Model, Quant, Backend string

	Cameras []Camera
	Spool   Spool
	Broker  Broker

	TemperatureC *float64 // the hottest zone; nil: the board has none
	PowerW       *float64 // drawn by the board; nil: it has no meter
	Pace         *int     // steps taken back because of heat or power, 0 none; nil: no pacing
}

// Camera is one camera's state and its counters since the start.
type Camera struct {
	Name         string
	Up           bool
	Frames       uint64 // that entered the window
	Dropped      uint64 // due for the window or in it, never described
	Broken       uint64 // that could not be decoded
	Descriptions uint64
	Failed       uint64 // descriptions that came to nothing
	Opens        uint64 // times the source was opened
	Suppressed   uint64 // descriptions that said what the one before had said
	Conditions   uint64 // events of conditions

	// Of a camera whose window is kept in the model. A pair is two frames, one moment to it.
	Pairs, Missed, Late, TowerSkips, TokensKept, TokensDropped, AnswersReused uint64
}

// Spool is the queue before the broker.
type Spool struct {
	Events  int
	Bytes   int64
	Dropped uint64
	Unsafe  int // in memory only: the disk is full or fails
}

// Broker is the connection.
type Broker struct {
	Connected bool
	Connects  uint64
	Published uint64 // events that the broker acknowledged
	InFlight  int
}

// snapshots is the collector of what is read at a scrape.
type snapshots struct {
	read func() Snapshot
	rate func() float64
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("edgevlm_"+name, help, labels, nil)
}

var (
	descInfo = desc("info", "What runs; always 1.", "version", "model", "quant", "backend")

	descUp       = desc("camera_up", "1: the camera delivers.", "camera")
	descFrames   = desc("frames_total", "Frames that entered the window.", "camera")
	descDropped  = desc("frames_dropped_total", "Frames that were due and never described: the model was busy.", "camera")
	descBroken   = desc("frames_broken_total", "Frames that could not be decoded.", "camera")
	descDescribe = desc("descriptions_total", "Descriptions made.", "camera")
	descFailed   = desc("descriptions_failed_total", "Descriptions that came to nothing.", "camera")
	descOpens    = desc("camera_opens_total", "Times the source was opened.", "camera")

	descSuppressed = desc("descriptions_suppressed_total", "Descriptions not published, because they said what the one before had said.", "camera")
	descConditions = desc("condition_events_total", "Events of conditions on answers.", "camera")

	descPairs  = desc("stream_pairs_total", "Pairs of frames that went into the window in the model.", "camera")
	descMissed = desc("stream_pairs_missed_total", "Pairs that the model had no time for.", "camera")
	descLate   = desc("stream_pairs_late_total", "Pairs missed that a trigger brought back.", "camera")
	descSkips  = desc("stream_tower_skips_total", "Pairs that the vision tower was not run for, because nothing had changed.", "camera")
	descTokens = desc("stream_tokens_total", "Tokens of pictures: those that the decoder took in, and those left out because nothing had changed there.", "camera", "fate")
	descReused = desc("stream_answers_reused_total", "Times that the questions were not asked again, because nothing had changed.", "camera")

	descSpoolEvents  = desc("spool_events", "Events that wait for the broker.")
	descSpoolBytes   = desc("spool_bytes", "Bytes of the events that wait.")
	descSpoolDropped = desc("spool_dropped_total", "Events given up because the queue was full or they were too old.")
	descSpoolUnsafe  = desc("spool_unsafe_events", "Events in memory only, because the disk is full or fails.")

	descConnected = desc("mqtt_connected", "1: the broker is connected.")
	descConnects  = desc("mqtt_connects_total", "Times a connection came up.")
	descPublished = desc("mqtt_published_total", "Events that the broker acknowledged.")
	descInFlight  = desc("mqtt_in_flight", "Events sent and not acknowledged yet.")

	descRate  = desc("tokens_per_second", "Speed of the newest answer.")
	descTemp  = desc("temperature_celsius", "The hottest thermal zone.")
	descPower = desc("power_watts", "What the board draws.")
	descPace  = desc("pace_steps", "Steps taken back because of heat or power; 0 is full speed.")
)

// Describe implements prometheus.Collector. Sending nothing makes the collector
// an unchecked one: which metrics there are depends on the board.
func (s *snapshots) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (s *snapshots) Collect(out chan<- prometheus.Metric) {
	now := s.read()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge(descInfo, 1, now.Version, now.Model, now.Quant, now.Backend)
	for _, c := range now.Cameras {
		gauge(descUp, number(c.Up), c.Name)
		count(descFrames, c.Frames, c.Name)
		count(descDropped, c.Dropped, c.Name)
		count(descBroken, c.Broken, c.Name)
		count(descDescribe, c.Descriptions, c.Name)
		count(descFailed, c.Failed, c.Name)
		count(descOpens, c.Opens, c.Name)
		count(descSuppressed, c.Suppressed, c.Name)
		count(descConditions, c.Conditions, c.Name)
		count(descPairs, c.Pairs, c.Name)
		count(descMissed, c.Missed, c.Name)
		count(descLate, c.Late, c.Name)
		count(descSkips, c.TowerSkips, c.Name)
		count(descTokens, c.TokensKept, c.Name, "kept")
		count(descTokens, c.TokensDropped, c.Name, "dropped")
		count(descReused, c.AnswersReused, c.Name)
	}
	gauge(descSpoolEvents, float64(now.Spool.Events))
	gauge(descSpoolBytes, float64(now.Spool.Bytes))
	count(descSpoolDropped, now.Spool.Dropped)
	gauge(descSpoolUnsafe, float64(now.Spool.Unsafe))
	gauge(descConnected, number(now.Broker.Connected))
	count(descConnects, now.Broker.Connects)
	count(descPublished, now.Broker.Published)
	gauge(descInFlight, float64(now.Broker.InFlight))
	gauge(descRate, s.rate())
	if now.TemperatureC != nil {
		gauge(descTemp, *now.TemperatureC)
	}
	if now.PowerW != nil {
		gauge(descPower, *now.PowerW)
	}
	if now.Pace != nil {
		gauge(descPace, float64(*now.Pace))
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
