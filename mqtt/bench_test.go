package mqtt

import (
	"encoding/json"
	"strings"
	"testing"
)

func BenchmarkEncode(b *testing.B) {
	e := sampleEvent()
	packed, _ := e.AppendMsgpack(nil)
	text, _ := json.Marshal(e)
	b.Run("msgpack", func(b *testing.B) {
		buf := make([]byte, 0, 1024)
		for b.Loop() {
			buf, _ = e.AppendMsgpack(buf[:0])
		}
		b.ReportMetric(float64(len(packed)), "bytes")
	})
	b.Run("json", func(b *testing.B) {
		for b.Loop() {
			json.Marshal(e)
		}
		b.ReportMetric(float64(len(text)), "bytes")
	})
}

func BenchmarkDecode(b *testing.B) {
	e := sampleEvent()
	packed, _ := e.AppendMsgpack(nil)
	text, _ := json.Marshal(e)
	for topic, payload := range map[string][]byte{"event/msgpack": packed, "event": text} {
		b.Run(strings.ReplaceAll(topic, "/", "-"), func(b *testing.B) {
			for b.Loop() {
				if _, err := DecodeEvent(topic, payload); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkSpoolAppend appends and acknowledges one event at a time with an fsync each. What that writes to a device is
// in RESULTS.md.
func BenchmarkSpoolAppend(b *testing.B) {
	s := openDisk(b, SpoolConfig{Dir: b.TempDir()})
	e := sampleEvent()
	for b.Loop() {
		seq, err := s.Append(e)
		if err != nil {
			b.Fatal(err)
		}
		s.Ack(seq)
	}
}
