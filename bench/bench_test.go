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
		Model: tiny + "qwen2vl.gguf", MMProj: tiny + "mmproj.gguf", Threads: 2, Sizes: [][2]int{{56, 84}}, Prefill: 12, Decode: 3,
		Progress: func(s string) { stages = append(stages, s) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if !(r.LoadSeconds > 0 && r.PrefillTPS > 0 && r.DecodeTPS > 0 && r.ReadGBPS > 0 && r.PeakGOPS > 0 && r.RSSBytes > 0 && r.ISA != "") {
		t.Errorf("%+v", r)
	}
	if len(r.Vision) != 1 || r.Vision[0].Size != "56x84" || r.Vision[0].Tokens != 6 || !(r.Vision[0].Seconds > 0) {
		t.Errorf("%+v", r.Vision)
	}
	if got := strings.Join(stages, ","); got != "load,prefill,decode,vision 56x84,read bandwidth,peak" {
		t.Errorf("stages %s", got)
	}
}

func TestBadOptionsAreErrors(t *testing.T) {
	for name, o := range map[string]Options{
		"no file":      {Model: tiny + "absent.gguf"},
		"mmproj first": {Model: tiny + "mmproj.gguf"},
		"odd picture":  {Model: tiny + "qwen2vl.gguf", MMProj: tiny + "mmproj.gguf", Sizes: [][2]int{{57, 84}}, Prefill: 2, Decode: 1},
		"too long":     {Model: tiny + "qwen2vl.gguf", Prefill: 1 << 30},
	} {
		if _, err := Run(context.Background(), o); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
