// Package human is what real people pressed in a shooter, for bots and tests that
// should not play like a random number generator.
package human

import (
	_ "embed"
	"fmt"
	"math"
	"strings"
	"sync"
)

// Rate is the presses in a second of a window, and Length how many a window has.
const (
	Rate   = 30
	Length = 60 * Rate
)

//go:embed human.txt
var text string // its first lines describe it

// Press is one recorded command: movement as Quake has it, relative to where the
// player looks.
type Press struct{ Forward, Side, Yaw, Buttons int }

// Windows is a minute each of several people. The slices are shared and constant.
var Windows = sync.OnceValues(func() ([][]Press, error) { return parse(text) })

func parse(text string) (all [][]Press, err error) {
	for line := range strings.Lines(text) {
		var n int
		var p Press
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "window"):
			all = append(all, nil)
		default:
			if _, err := fmt.Sscan(line, &n, &p.Forward, &p.Side, &p.Yaw, &p.Buttons); err != nil || len(all) == 0 {
				return nil, fmt.Errorf("human: line %q: %w", line, err)
			}
			for range n {
				all[len(all)-1] = append(all[len(all)-1], p)
			}
		}
	}
	for i, w := range all {
		if len(w) != Length {
			return nil, fmt.Errorf("human: window %d has %d presses, not %d", i, len(w), Length)
		}
	}
	return all, nil
}

// Stick is the press for a game that is seen from above: a stick from -127 to 127, the
// aim in 1/65536 turn, and the trigger. Quake's yaw turns counter-clockwise and its y
// axis points up.
func (p Press) Stick() (x, y float64, aim uint16, fire bool) {
	angle := float64(p.Yaw) * 2 * math.Pi / 65536
	x = float64(p.Forward)*math.Cos(angle) + float64(p.Side)*math.Sin(angle)
	y = -float64(p.Forward)*math.Sin(angle) + float64(p.Side)*math.Cos(angle)
	if n := math.Hypot(x, y); n > 0 {
		x, y = x*127/n, y*127/n
	}
	return math.Round(x), math.Round(y), uint16((65536 - p.Yaw) % 65536), p.Buttons&1 != 0
}
