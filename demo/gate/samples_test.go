package gate

import (
	"flag"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var sheet = flag.String("sheet", "", "write the stories' frames into this folder, a picture each")

func TestStoriesAreDifferentAndTold(t *testing.T) {
	stories, err := Stories()
	if err != nil {
		t.Fatal(err)
	}
	names, told := map[string]bool{}, ""
	for _, s := range stories {
		if names[s.Name] || s.Name == "" || strings.ContainsAny(s.Name, "/+# ") {
			t.Errorf("name %q", s.Name)
		}
		names[s.Name] = true
		told += s.Truth + " "
		if len(s.Frames) < 8 || s.FPS <= 0 || len(s.Tasks) == 0 {
			t.Errorf("%s: %d frames at %v a second", s.Name, len(s.Frames), s.FPS)
		}
		if *sheet != "" {
			write(t, s)
		}
	}
	for _, x := range samples() {
		for _, o := range x.spec.Objects {
			if HeldOut(o.Class, o.Colour, o.Motion) {
				t.Errorf("%s: a %s %s that %s is never trained", x.name, o.Colour, o.Class, o.Motion)
			}
		}
	}
	if len(stories) < 6 {
		t.Errorf("%d stories", len(stories))
	}
	for _, want := range []string{"leaves a", "takes a", "goes in", "comes out", "opens", "arrives", "crosses", "moves left"} {
		if !strings.Contains(told, want) {
			t.Errorf("no story in which somebody or something %s", want)
		}
	}
}

// write puts a story's frames beside one another.
func write(t *testing.T, s Story) {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, len(s.Frames)*(Size+2), Size))
	for i, f := range s.Frames {
		draw.Draw(m, f.Bounds().Add(image.Pt(i*(Size+2), 0)), f, image.Point{}, draw.Src)
	}
	f, err := os.Create(filepath.Join(*sheet, fmt.Sprintf("%s.png", s.Name)))
	if err == nil {
		err = png.Encode(f, m)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}
