package bench

import (
	"context"
	"strings"
	"testing"
)

const tiny = "../runtime/qwen2vl/testdata/"

func TestReportIsFilled(t *testing.T) {
	var stages []string
	r, err := Run(context.Background(), Options{
		Model: tiny + "qwen2vl.gguf", MMProj: tiny + "mmproj.gguf", Threads: 2, Sizes: [][2]int{{56, 84}, {28, 28}}, Prefill: 12, Decode: 3, Describe: 2,
		Progress: func(s string) { stages = append(stages, s) },
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]float64{
		"load": r.LoadSeconds, "prefill": r.PrefillTPS, "decode": r.DecodeTPS, "bandwidth": r.ReadGBPS, "peak": r.PeakGOPS, "vision peak": r.VisionPeakGOPS,
		"memory": float64(r.RSSBytes), "load share": r.LoadReadPct, "prefill share": r.PrefillPeakPct, "decode share": r.DecodeReadPct, "memory share": r.RSSPct,
		"decode bytes": float64(r.DecodeBytes), "prefill bytes": float64(r.PrefillBytes), "files": float64(r.FileBytes),
	} {
		if !(v > 0) {
			t.Errorf("%s: %v", name, v)
		}
	}
	if len(r.Vision) != 2 || r.Vision[0].Size != "56x84" || r.Vision[0].Tokens != 6 || r.Vision[1].Tokens != 1 {
		t.Fatalf("%+v", r.Vision)
	}
	for _, v := range r.Vision {
		if !(v.Seconds > 0 && v.PeakPct > 0 && v.Bytes > 0) {
			t.Errorf("%+v", v)
		}
	}
	if d := r.Description; d == nil || d.Prompt != promptBefore+6+promptAfter || d.Tokens != 2 || !(d.Seconds >= r.Vision[0].Seconds) {
		t.Errorf("%+v", d)
	}
	if got := strings.Join(stages, ","); got != "load,prefill,decode,description,vision 28x28,read bandwidth,peak" {
		t.Errorf("stages %s", got)
	}
}

func TestStagesCanBeLeftOut(t *testing.T) {
	r, err := Run(context.Background(), Options{Model: tiny + "qwen2vl.gguf", Decode: 2})
	if err != nil {
		t.Fatal(err)
	}
	if r.PrefillTPS != 0 || r.Vision != nil || r.Description != nil || !(r.DecodeTPS > 0) {
		t.Errorf("%+v", r)
	}
}

func TestBadOptionsAreErrors(t *testing.T) {
	for name, o := range map[string]Options{
		"no file":      {Model: tiny + "absent.gguf"},
		"mmproj first": {Model: tiny + "mmproj.gguf"},
		"odd picture":  {Model: tiny + "qwen2vl.gguf", MMProj: tiny + "mmproj.gguf", Sizes: [][2]int{{57, 84}}, Prefill: 2, Decode: 1},
		"too long":     {Model: tiny + "qwen2vl.gguf", Prefill: 1 << 30},
		"long answer":  {Model: tiny + "qwen2vl.gguf", MMProj: tiny + "mmproj.gguf", Sizes: [][2]int{{56, 84}}, Describe: 1 << 30},
	} {
		if _, err := Run(context.Background(), o); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
