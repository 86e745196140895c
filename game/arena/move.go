package arena

import "math"

// This file is mirrored bit for bit by client-demo/arena-rules.js, so that the
// browser moves its own tank exactly as the server will. Hence float64 with
// + - * / and math.Sqrt only, and every product that is added to something is
// converted (float64(a*b)+c), which forbids the compiler to fuse the two.

// Rect is an axis-parallel block: its corner with the smallest coordinates, and
// its size.
type Rect struct{ X, Y, W, H float64 }

const quanta = 256 // positions are whole numbers of 1/256 unit

// Move is one tick of a living tank at (x, y), whose stick is in.MoveX and
// in.MoveY: a step of at most TankStep, pushed out of every wall that the tank's
// circle overlaps, and rounded to 1/256. A tank that does not steer stays
// where it is. Tanks do not collide with each other: what a player predicts
// depends on nothing that others do.
func Move(x, y float64, in Input, walls []Rect) (float64, float64) {
	if in.MoveX == 0 && in.MoveY == 0 {
		return x, y
	}
	mx, my := float64(in.MoveX)/127, float64(in.MoveY)/127
	// A stick pushed into a corner is no faster than one pushed straight.
	if n := float64(mx*mx) + float64(my*my); n > 1 {
		n = math.Sqrt(n)
		mx /= n
		my /= n
	}
	x += float64(mx * TankStep)
	y += float64(my * TankStep)
	// Twice: being pushed out of one wall may push into its neighbour.
	for range 2 {
		for i := range walls {
			x, y = pushOut(x, y, &walls[i])
		}
	}
	return quantize(x), quantize(y)
}

// pushOut moves a tank's circle that overlaps the wall to where it only touches.
func pushOut(x, y float64, w *Rect) (float64, float64) {
	right, bottom := w.X+w.W, w.Y+w.H
	nx, ny := min(max(x, w.X), right), min(max(y, w.Y), bottom)
	dx, dy := x-nx, y-ny
	d := float64(dx*dx) + float64(dy*dy)
	if d >= TankRadius*TankRadius {
		return x, y
	}
	if d > 0 {
		d = math.Sqrt(d)
		return nx + float64(dx*TankRadius)/d, ny + float64(dy*TankRadius)/d
	}
	return expel(x, y, w)
}

// expel moves a centre that is inside the wall out through the nearest side;
// only a tank put there by something else than Move needs it.
func expel(x, y float64, w *Rect) (float64, float64) {
	right, bottom := w.X+w.W, w.Y+w.H
	left, up := x-w.X, y-w.Y
	switch min(left, right-x, up, bottom-y) {
	case left:
		return w.X - TankRadius, y
	case right - x:
		return right + TankRadius, y
	case up:
		return x, w.Y - TankRadius
	}
	return x, bottom + TankRadius
}

// Steer is the heading of a tank's body after one tick: it turns toward where
// the stick points and keeps its heading without one. It is for the eye only
// and does not slow the tank.
func Steer(heading uint16, in Input) uint16 {
	if in.MoveX == 0 && in.MoveY == 0 {
		return heading
	}
	return Turn(heading, Angle(float64(in.MoveX), float64(in.MoveY)), TurnStep)
}

// quantize rounds to the nearest 1/256, halves upward, as Math.round does and
// math.Round does not.
func quantize(v float64) float64 { return floor(float64(v*quanta)+0.5) / quanta }

func floor(v float64) float64 { return math.Floor(v) }
