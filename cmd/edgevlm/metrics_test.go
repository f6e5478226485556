package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/edgevlm/edgevlm/mqtt/broker"
	"github.com/edgevlm/edgevlm/mqtt/mqtttest"
	"github.com/edgevlm/edgevlm/runtime/vlm"
)

// slowModel takes its time and counts tokens.
type slowModel struct{ fakeModel }

func (m *slowModel) Generate(ctx context.Context, r vlm.Request, emit func(string)) (vlm.Result, error) {
	res, err := m.fakeModel.Generate(ctx, r, emit)
	res.PromptTokens, res.Tokens = make([]int32, 50), make([]int32, 11)
	res.Timings = vlm.Timings{Vision: 20 * time.Millisecond, Decode: 100 * time.Millisecond}
	return res, err
}

func scrape(t *testing.T, addr, path string) (int, string) {
	t.Helper()
	resp, err := http.Get("http://" + addr + path)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, ""
	}
	return resp.StatusCode, string(b)
}

func TestTheDaemonShowsItsFigures(t *testing.T) {
	b, err := broker.Start(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	cfg := clipConfig(t, b.URL(), 4)
	cfg.Cameras[0].Loop = true
	cfg.HTTP.Listen = mqtttest.FreeAddr(t)
	var log logBuffer
	d, err := newDaemon(cfg, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	loading := make(chan struct{})
	go func() {
		done <- d.run(ctx, func(context.Context) (model, error) { <-loading; return &slowModel{}, nil })
	}()
	mqtttest.Eventually(t, "metrics are shown while the model loads", func() bool {
		_, got := scrape(t, cfg.HTTP.Listen, "/metrics")
		return strings.Contains(got, `edgevlm_camera_up{camera="yard"} 0`) && strings.Contains(got, "edgevlm_mqtt_connected ")
	})
	close(loading)
	mqtttest.Eventually(t, "a description counts", func() bool {
		_, got := scrape(t, cfg.HTTP.Listen, "/metrics")
		for _, part := range []string{
			`edgevlm_info{backend="fake",model="fake",quant="Q4_0",`, `edgevlm_camera_up{camera="yard"} 1`,
			`edgevlm_stage_seconds_bucket{camera="yard",stage="vision",le="0.025"} `, "edgevlm_tokens_per_second 100\n", "edgevlm_pace_steps 0\n", "edgevlm_mqtt_connected 1\n",
		} {
			if !strings.Contains(got, part) {
				return false
			}
		}
		return !strings.Contains(got, `edgevlm_frames_total{camera="yard"} 0`)
	})
	if s := d.stats(d.pipe.Load().Stats(), d.pipe.Load().Stats(), time.Second); s.TokensPerSecond != 100 || s.Stages["decode"].MeanMS != 100 || s.Stages["total"].Count == 0 {
		t.Errorf("the stats topic has other figures: %+v", s)
	}
	if code, _ := scrape(t, cfg.HTTP.Listen, "/"); code != http.StatusNotFound {
		t.Errorf("/ is %d", code)
	}
	cancel()
	<-done
	if code, _ := scrape(t, cfg.HTTP.Listen, "/metrics"); code != 0 {
		t.Errorf("the port is still served: %d", code)
	}
}

func TestAnAddressThatIsTakenDoesNotStopTheDaemon(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cfg := clipConfig(t, "mqtt://"+mqtttest.FreeAddr(t), 4)
	cfg.HTTP.Listen = l.Addr().String()
	log, err := runDaemon(t.Context(), t, cfg, &fakeModel{})
	if err != nil || !strings.Contains(log, "http.listen") || !strings.Contains(log, "description") {
		t.Errorf("%v\n%s", err, log)
	}
}
