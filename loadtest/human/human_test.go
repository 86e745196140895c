package human

import (
	"testing"
)

func TestWindows(t *testing.T) {
	all, err := Windows()
	if err != nil || len(all) != 16 {
		t.Fatalf("%d windows, %v", len(all), err)
	}
	shots, moves := 0, 0
	for _, w := range all {
		for _, p := range w {
			x, y, _, fire := p.Stick()
			if x < -127 || x > 127 || y < -127 || y > 127 {
				t.Fatalf("%+v is the stick %v, %v", p, x, y)
			}
			if fire {
				shots++
			}
			if x != 0 || y != 0 {
				moves++
			}
		}
	}
	if shots < 1000 || moves < 10000 {
		t.Errorf("%d shots, %d moves", shots, moves)
	}
	if _, err := parse("1 0 0 0 0\n"); err == nil {
		t.Error("a press before the first window is taken")
	}
}
