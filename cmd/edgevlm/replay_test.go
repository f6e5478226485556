package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/edgevlm/edgevlm/demo"
)

// recording is a clip of the demo as a folder of pictures, at rest before and after, and how many pairs they make.
func recording(t *testing.T) (dir string, pairs int) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "yard")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	c := demo.Clips()[0]
	n := 0
	save := func(i int) {
		var b bytes.Buffer
		if err := png.Encode(&b, c.Frames[i]); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%03d.png", n)), b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		n++
	}
	for range 8 {
		save(0)
	}
	for i := range c.Frames {
		save(i)
	}
	for range 8 {
		save(len(c.Frames) - 1)
	}
	return dir, n / 2
}

func TestReplayWritesAPageThatNeedsNothingElse(t *testing.T) {
	dir, all := recording(t)
	page := filepath.Join(t.TempDir(), "out.html")
	var out, errs bytes.Buffer
	if code := run(context.Background(), []string{"replay", dir, "--report", page, "--ask", "person=Is there a person?", "--ask", "door=Is the door </script> open?"}, &out, &errs); code != 0 {
		t.Fatalf("code %d: %s", code, errs.String())
	}
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	html := string(b)
	if strings.Count(html, "<script>") != 1 || strings.Count(html, "</script>") != 1 {
		t.Error("a question's text ends the script")
	}
	if m := regexp.MustCompile(`(?:src|href)\s*=\s*"?(https?:|//)`).FindString(html); m != "" || strings.Contains(html, "@import") || strings.Contains(html, "fetch(") {
		t.Errorf("the page loads something: %s", m)
	}
	_, rest, _ := strings.Cut(html, "const D = ")
	var d replayPage
	if err := json.NewDecoder(strings.NewReader(rest)).Decode(&d); err != nil {
		t.Fatal(err)
	}
	if len(d.Pairs) != all || d.Skipped != 0 || d.Unseen < 4 || d.Dropped == 0 || d.Title != "yard" || len(d.Questions) != 2 {
		t.Errorf("%d pairs, %d skipped, tower %d, dropped %d, %q, %q", len(d.Pairs), d.Skipped, d.Unseen, d.Dropped, d.Title, d.Questions)
	}
	said := 0
	for _, p := range d.Pairs {
		if len(p.Answers) != 2 || p.Answers[0].P < 0.5 || p.Answers[0].P > 1 || !strings.HasPrefix(p.Thumb, "data:image/jpeg;base64,") {
			t.Errorf("%+v", p.Answers)
		}
		if p.Text != "" && !p.Same {
			said++
			if !strings.Contains(out.String(), p.Text) {
				t.Errorf("%q was not printed", p.Text)
			}
		}
	}
	if said == 0 || said > 6 {
		t.Errorf("%d descriptions of a clip that mostly stands still", said)
	}
}

func TestReplayOfAConfiguredCameraHasItsConditionsAndDocuments(t *testing.T) {
	dir, all := recording(t)
	cfg := filepath.Join(t.TempDir(), "edgevlm.yaml")
	text := `device: gate
cameras:
  - { name: other, source: "files:x" }
  - name: yard
    source: v4l2:/dev/video0
    fps: 2
    questions: [{ name: person, text: Is there a person?, kind: yes_no }]
    conditions:
      seen: notify "It has looked" when person or not person for 2 s
    schema: { type: object, properties: { people: { type: integer, minimum: 0, maximum: 9 } }, required: [people] }
    stream: { mode: rolling }
`
	if err := os.WriteFile(cfg, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	page := filepath.Join(t.TempDir(), "out.html")
	var out, errs bytes.Buffer
	if code := run(context.Background(), []string{"--config", cfg, "replay", dir, "--camera", "yard", "--report", page}, &out, &errs); code != 0 {
		t.Fatalf("code %d: %s", code, errs.String())
	}
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "const D = ")
	var d replayPage
	if err := json.NewDecoder(strings.NewReader(rest)).Decode(&d); err != nil {
		t.Fatal(err)
	}
	if d.Mode != "rolling" || d.WindowS != 16 || len(d.Pairs) != all || len(d.Events) != 1 || d.Events[0] != (replayEvent{T: 2, Name: "seen", Message: "It has looked", Start: true}) {
		t.Errorf("mode %s, window %v s, %d pairs, events %+v", d.Mode, d.WindowS, len(d.Pairs), d.Events)
	}
	if !strings.Contains(out.String(), "2.0 s  [seen: It has looked]") {
		t.Errorf("printed\n%s", out.String())
	}
	docs := 0
	for _, p := range d.Pairs {
		var doc struct{ People *int }
		if p.Text == "" {
			continue
		}
		if err := json.Unmarshal([]byte(p.Text), &doc); err != nil || doc.People == nil {
			t.Errorf("document %q: %v", p.Text, err)
		}
		docs++
	}
	if docs == 0 {
		t.Error("no documents")
	}
}

func TestReplayAtASpeedSkipsWhatTheModelHasNoTimeFor(t *testing.T) {
	dir, all := recording(t)
	var out, errs bytes.Buffer
	if code := run(context.Background(), []string{"replay", dir, "--speed", "1000", "--no-savings"}, &out, &errs); code != 0 {
		t.Fatalf("code %d: %s", code, errs.String())
	}
	var pairs, skipped int
	var wall, long float64
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	last := lines[len(lines)-1]
	if _, err := fmt.Sscanf(last, "%d pairs in %f s (the recording lasts %f s), %d skipped", &pairs, &wall, &long, &skipped); err != nil {
		t.Fatalf("%q: %v", last, err)
	}
	if pairs < 1 || pairs+skipped != all {
		t.Errorf("%d pairs and %d skipped, want %d in all", pairs, skipped, all)
	}
}

func TestReplayExplainsWhatItCannotPlay(t *testing.T) {
	empty := t.TempDir()
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"nowhere"}, exitFailed, "nowhere"},
		{[]string{empty}, exitFailed, empty},
		{[]string{empty, "--speed", "-1"}, exitUsage, "--speed"},
		{[]string{empty, "--fps", "0"}, exitUsage, "--fps"},
		{[]string{empty, "--mode", "new"}, exitUsage, "mode"},
		{[]string{empty, "--ask", "person"}, exitUsage, "NAME=TEXT"},
		{[]string{empty, "--ask", "a=1?", "--ask", "a=2?"}, exitUsage, "a"},
	} {
		var out, errs bytes.Buffer
		code := run(context.Background(), append([]string{"replay"}, c.args...), &out, &errs)
		if code != c.code || !strings.Contains(errs.String(), c.want) || strings.Count(errs.String(), "\n") != 1 {
			t.Errorf("%q: code %d, %q", c.args, code, errs.String())
		}
	}
}
