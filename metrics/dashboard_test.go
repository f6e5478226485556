package metrics

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestTheDashboardShowsEveryMetricAndNoOther(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "packaging", "grafana", "edgevlm.json"))
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
		Templating struct{ List []struct{ Definition string } }
	}
	if err := json.Unmarshal(data, &board); err != nil {
		t.Fatal(err)
	}
	m := New(full)
	m.Observe(Description{Camera: "yard", Stages: map[Stage]time.Duration{Total: time.Second, Decode: time.Second}})
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	exists, shown := map[string]bool{}, map[string]bool{}
	for _, f := range families {
		exists[f.GetName()] = true
	}
	names := regexp.MustCompile(`\b(?:edgevlm|process)_[a-z_]+`)
	see := func(where, text string) {
		for _, name := range names.FindAllString(text, -1) {
			base := name
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				base = strings.TrimSuffix(base, suffix)
			}
			shown[base] = true
			if !exists[base] {
				t.Errorf("%s: there is no metric %s", where, name)
			}
		}
	}
	for _, p := range board.Panels {
		if len(p.Targets) == 0 {
			t.Errorf("%s shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			see(p.Title, target.Expr)
		}
	}
	for _, v := range board.Templating.List {
		see("a variable", v.Definition)
	}
	for name := range exists {
		if strings.HasPrefix(name, "edgevlm_") && !shown[name] {
			t.Errorf("the dashboard does not show %s", name)
		}
	}
}
