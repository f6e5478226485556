package mqtt

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// rows are the first cells of the table under a heading of README.md.
func rows(t *testing.T, heading string) (out []string) {
	t.Helper()
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(b), "\n## "+heading)
	if !ok {
		t.Fatalf("README.md has no heading %q", heading)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	for line := range strings.Lines(text) {
		cells := strings.Split(line, "|")
		if len(cells) < 3 || !strings.Contains(cells[1], "`") {
			continue
		}
		for name := range strings.SplitSeq(cells[1], ",") {
			out = append(out, strings.Trim(name, " `"))
		}
	}
	return out
}

func TestReadmeHasEveryTopic(t *testing.T) {
	tp, _ := NewTopics("gate")
	got := rows(t, "Topics")
	want := []string{tp.Availability(), tp.Info(), tp.Stats(), tp.CameraAvailability("<camera>"), tp.Event("<camera>"), tp.EventMsgpack("<camera>"),
		tp.Description("<camera>"), tp.Question("<camera>", "<name>"), tp.Condition("<camera>", "<name>"), tp.Snapshot("<camera>"), tp.State("<camera>"), tp.Set("<camera>", "<key>"),
		tp.Request("<verb>"), tp.Response("<verb>")}
	for i := range want {
		want[i] = strings.TrimPrefix(want[i], tp.Base()+"/")
	}
	if !slices.Equal(got, want) {
		t.Errorf("README.md has\n%q\nthe code\n%q", got, want)
	}
}

func TestReadmeHasEveryKeyOfAnEvent(t *testing.T) {
	b, _ := json.Marshal(sampleEvent())
	var m map[string]any
	json.Unmarshal(b, &m)
	got := rows(t, "An event")
	for key := range m {
		if !slices.Contains(got, key) {
			t.Errorf("README.md does not have the key %s", key)
		}
	}
	if len(got) != len(m) {
		t.Errorf("README.md has %q", got)
	}
}
