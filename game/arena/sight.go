package arena

import "math"

// never is what the crossing functions return when a path of length 1 ends
// before it meets anything.
const never = 2.0

// crossRect is the part of the way from (x, y) to (x+dx, y+dy), 0 to 1, at which
// a point enters the wall grown by margin on all sides; never if it does not.
func crossRect(x, y, dx, dy float64, w *Rect, margin float64) float64 {
	in, out := 0.0, 1.0
	in, out = slab(x, dx, w.X-margin, w.X+w.W+margin, in, out)
	in, out = slab(y, dy, w.Y-margin, w.Y+w.H+margin, in, out)
	if in > out {
		return never
	}
	return in
}

// slab narrows the part in..out of a way to what lies between low and high on
// one axis.
func slab(at, d, low, high, in, out float64) (float64, float64) {
	if d == 0 {
		if at < low || at > high {
			return never, 0
		}
		return in, out
	}
	a, b := (low-at)/d, (high-at)/d
	if a > b {
		a, b = b, a
	}
	return max(in, a), min(out, b)
}

// crossCircle is the same for a circle around (cx, cy).
func crossCircle(x, y, dx, dy, cx, cy, radius float64) float64 {
	fx, fy := x-cx, y-cy
	c := float64(fx*fx) + float64(fy*fy) - float64(radius*radius)
	if c <= 0 {
		return 0
	}
	a := float64(dx*dx) + float64(dy*dy)
	b := float64(fx*dx) + float64(fy*dy)
	root := float64(b*b) - float64(a*c)
	if root < 0 || b >= 0 {
		return never
	}
	if at := (-b - math.Sqrt(root)) / a; at <= 1 {
		return at
	}
	return never
}

// open reports whether a circle of radius margin can go straight from one
// point to another; with margin 0, whether one point sees the other.
func open(x0, y0, x1, y1, margin float64, walls []Rect) bool {
	for i := range walls {
		if crossRect(x0, y0, x1-x0, y1-y0, &walls[i], margin) <= 1 {
			return false
		}
	}
	return true
}

func distance(x0, y0, x1, y1 float64) float64 {
	dx, dy := x1-x0, y1-y0
	return math.Sqrt(float64(dx*dx) + float64(dy*dy))
}
