package arena

// Angles are uint16, 65536 a turn, so that they wrap by themselves. Sine and
// cosine come from a table of integers, because math.Sin differs in its last
// bits between machines and languages.

const (
	sinSize  = 1024        // entries of the table, one for 64 angle steps
	sinUnit  = 32767       // the table's one
	quarter  = sinSize / 4 // entries of a quarter turn
	perEntry = 1 << 16 / sinSize
)

// halfPi is the float64 nearest to pi/2, as in every language with IEEE doubles.
const halfPi = 1.5707963267948966

var sinTable = SinTable()

// SinTable makes the table of sines: entry i is sin(2*pi*i/1024) times 32767,
// rounded to nearest. The quarter wave is a Taylor series of eleven terms in
// Horner form using only float64 + - * / and floor, without fused operations:
//
//	x = i/256 * pi/2;  s = 1
//	for n = 21, 19, ... 3: s = 1 - x*x/(n*(n-1)) * s
//	entry = floor(x*s*32767 + 0.5)
//
// and the rest is mirrored: entry(512-i) = entry(i), entry(512+i) = -entry(i).
// sinTable in client-demo/arena-rules.js repeats it line by line.
func SinTable() [sinSize]int16 {
	var table [sinSize]int16
	for i := range quarter + 1 {
		x := float64(float64(i)/quarter) * halfPi
		xx := float64(x * x)
		s := 1.0
		for n := 21.0; n >= 3; n -= 2 {
			s = 1 - float64(float64(xx/float64(n*(n-1)))*s)
		}
		v := int16(floor(float64(float64(x*s)*sinUnit) + 0.5))
		table[i] = v
		table[sinSize/2-i] = v
		table[sinSize/2+i] = -v
		table[(sinSize-i)%sinSize] = -v
	}
	return table
}

// Sin is the sine of an angle, interpolated between entries in integers.
func Sin(a uint16) float64 {
	i, part := int32(a/perEntry), int32(a%perEntry)
	v := int32(sinTable[i])*(perEntry-part) + int32(sinTable[(i+1)%sinSize])*part
	return float64(v) / (sinUnit * perEntry)
}

// Cos is the cosine of an angle.
func Cos(a uint16) float64 { return Sin(a + 1<<14) }

// Angle is the direction of (dx, dy), found by bisection of the sine table and
// interpolation between two entries; 0 for a zero vector.
func Angle(dx, dy float64) uint16 {
	ax, ay := max(dx, -dx), max(dy, -dy)
	if ax == 0 && ay == 0 {
		return 0
	}
	low, high := 0, quarter
	for high-low > 1 {
		if mid := (low + high) / 2; beyond(mid, ax, ay) >= 0 {
			low = mid
		} else {
			high = mid
		}
	}
	c0, c1 := beyond(low, ax, ay), -beyond(high, ax, ay)
	a := int32(low*perEntry) + int32(floor(float64(perEntry*c0)/(c0+c1)+0.5))
	if dx < 0 {
		a = 1<<15 - a
	}
	if dy < 0 {
		a = -a
	}
	return uint16(a)
}

// beyond is positive when the direction (x, y) lies past entry i of the first
// quarter: the cross product of the two.
func beyond(i int, x, y float64) float64 {
	return float64(float64(sinTable[quarter-i])*y) - float64(float64(sinTable[i])*x)
}

// Turn brings heading nearer to the angle want by at most step.
func Turn(heading, want uint16, step int) uint16 {
	d := int(int16(want - heading))
	return heading + uint16(min(max(d, -step), step))
}
