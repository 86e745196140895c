package arena

import (
	"encoding/binary"
	"encoding/json"
	"flag"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/roomd/roomd/game"
)

var update = flag.Bool("update", false, "rewrite the vectors in testdata")

const vectorFile = "testdata/move.json"

// vectors is what client-demo/arena-rules.js must repeat bit for bit.
type vectors struct {
	Note      string             `json:"note"`
	Constants map[string]float64 `json:"constants"`
	SinSum    uint32             `json:"sinSum"`
	Walls     [][4]float64       `json:"walls"`
	Runs      []vectorRun        `json:"runs"`
	Angles    [][3]float64       `json:"angles"`  // dx, dy, angle
	Bullets   [][6]float64       `json:"bullets"` // x, y, angle, age, x then, y then
}

// vectorRun is a tank's way: one row per tick of the stick and what came of it.
type vectorRun struct {
	Name  string     `json:"name"`
	Start [3]float64 `json:"start"` // x, y, heading
	Ticks [][5]int   `json:"ticks"` // moveX, moveY, then x*256, y*256, heading
}

func TestGoldenMove(t *testing.T) {
	got := encodeVectors(t, makeVectors())
	if *update {
		if err := os.WriteFile(vectorFile, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Error("the rules move tanks otherwise than testdata/move.json says; if that is meant, run" +
			" go test -run Golden -update and repeat the change in client-demo/arena-rules.js")
	}
}

// encodeVectors gives one line to each tick, so that a change can be read.
func encodeVectors(t *testing.T, v vectors) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	s := strings.NewReplacer("],[", "],\n[", "],\"", "],\n\"", "},{", "},\n{").Replace(string(b))
	return append([]byte(s), '\n')
}

func makeVectors() vectors {
	v := vectors{
		Note: "written by go test ./game/arena -run Golden -update",
		Constants: map[string]float64{
			"TICK_RATE": TickRate, "WIDTH": Width, "HEIGHT": Height, "TANK_RADIUS": TankRadius,
			"TANK_STEP": TankStep, "TURN_STEP": TurnStep, "FULL_HP": FullHP, "DAMAGE": Damage,
			"RESPAWN_TICKS": RespawnTime, "SAFE_TICKS": SafeTime, "BULLET_STEP": BulletStep,
			"BULLET_RADIUS": BulletRadius, "BULLET_LIFE": BulletLife, "COOLDOWN_TICKS": Cooldown,
			"MAGAZINE": Magazine, "MAX_AMMO": MaxAmmo, "RELOAD_TICKS": ReloadTime,
			"CRATE_RADIUS": CrateRadius, "CRATE_REPAIR": float64(CrateRepair), "CRATE_SHELLS": float64(CrateShells),
		},
		SinSum: sinSum(),
	}
	walls := yardWalls()
	for _, w := range walls {
		v.Walls = append(v.Walls, [4]float64{w.X, w.Y, w.W, w.H})
	}
	rng := rand.New(rand.NewPCG(1, 2))
	v.Runs = []vectorRun{
		drivenRun("full stick, long holds", 40, 23, 600, walls, func(hold int) (Input, int) {
			return Input{MoveX: int8(127 * (rng.IntN(3) - 1)), MoveY: int8(127 * (rng.IntN(3) - 1))}, 10 + rng.IntN(50)
		}),
		drivenRun("any stick, short holds", 14, 15, 300, walls, func(hold int) (Input, int) {
			return Input{MoveX: int8(rng.IntN(255) - 127), MoveY: int8(rng.IntN(255) - 127)}, 1 + rng.IntN(12)
		}),
		drivenRun("slides round the middle", 34, 27.5, 300, walls, func(hold int) (Input, int) {
			in := Input{MoveX: 127}
			if hold%2 == 1 {
				in = Input{MoveX: int8(-40 + 20*(hold%5)), MoveY: int8(90 - 45*(hold%4))}
			}
			return in, 25
		}),
		drivenRun("starts inside a wall", 38, 28, 40, walls, func(int) (Input, int) {
			return Input{MoveX: -3, MoveY: 2}, 40
		}),
	}
	for range 200 {
		dx, dy := float64(rng.IntN(1<<15)-1<<14)/256, float64(rng.IntN(1<<15)-1<<14)/256
		v.Angles = append(v.Angles, [3]float64{dx, dy, float64(Angle(dx, dy))})
	}
	for _, d := range [][2]float64{{0, 0}, {1, 0}, {0, 1}, {-1, 0}, {0, -1}, {1, 1}, {-3, 3}, {-127, -127}, {127, -1}} {
		v.Angles = append(v.Angles, [3]float64{d[0], d[1], float64(Angle(d[0], d[1]))})
	}
	for range 100 {
		b := Bullet{X: float64(rng.IntN(Width*256)) / 256, Y: float64(rng.IntN(Height*256)) / 256, Angle: uint16(rng.Uint32())}
		age := rng.IntN(BulletLife + 1)
		b.Born = 1000
		x, y := b.At(b.Born + game.Tick(age))
		v.Bullets = append(v.Bullets, [6]float64{b.X, b.Y, float64(b.Angle), float64(age), x, y})
	}
	return v
}

// drivenRun drives a tank by sticks that next gives, each with its ticks.
func drivenRun(name string, x, y float64, ticks int, walls []Rect, next func(hold int) (Input, int)) vectorRun {
	run := vectorRun{Name: name, Start: [3]float64{x, y, 0}}
	var in Input
	var heading uint16
	for hold, left := 0, 0; len(run.Ticks) < ticks; left-- {
		if left == 0 {
			in, left = next(hold)
			hold++
		}
		x, y = Move(x, y, in, walls)
		heading = Steer(heading, in)
		run.Ticks = append(run.Ticks, [5]int{int(in.MoveX), int(in.MoveY), int(x * quanta), int(y * quanta), int(heading)})
	}
	return run
}

func sinSum() uint32 {
	h := fnv.New32a()
	for _, v := range SinTable() {
		h.Write(binary.LittleEndian.AppendUint16(nil, uint16(v)))
	}
	return h.Sum32()
}

func TestSinTable(t *testing.T) {
	const want = 2195877258 // of the table as first published
	if got := sinSum(); got != want {
		t.Errorf("checksum %d, want %d", got, want)
	}
	for i, v := range SinTable() {
		if want := math.Round(math.Sin(2*math.Pi*float64(i)/sinSize) * sinUnit); float64(v) != want {
			t.Errorf("entry %d is %d, want %v", i, v, want)
		}
	}
}

func TestSinAndAngle(t *testing.T) {
	for a := range 1 << 16 {
		rad := 2 * math.Pi * float64(a) / (1 << 16)
		if d := math.Abs(Sin(uint16(a)) - math.Sin(rad)); d > 5e-5 {
			t.Fatalf("Sin(%d) is off by %v", a, d)
		}
		back := Angle(50*math.Cos(rad), 50*math.Sin(rad))
		if off := int16(back - uint16(a)); off < -2 || off > 2 {
			t.Fatalf("Angle of direction %d is %d", a, back)
		}
	}
}

func TestTurnTakesTheShortWay(t *testing.T) {
	for _, c := range []struct {
		heading, want uint16
		step          int
		then          uint16
	}{
		{0, 100, 2400, 100},
		{0, 10000, 2400, 2400},
		{100, 65000, 2400, 65000},
		{100, 60000, 2400, 65536 - 2300},
		{65000, 3000, 2400, 1864},
	} {
		if got := Turn(c.heading, c.want, c.step); got != c.then {
			t.Errorf("Turn(%d, %d, %d) = %d, want %d", c.heading, c.want, c.step, got, c.then)
		}
	}
}

func TestMoveKeepsOutOfWalls(t *testing.T) {
	walls := yardWalls()
	rng := rand.New(rand.NewPCG(3, 4))
	x, y := 40.0, 20.0
	var in Input
	for tick := range 100_000 {
		if tick%20 == 0 {
			in = Input{MoveX: int8(rng.IntN(255) - 127), MoveY: int8(rng.IntN(255) - 127)}
		}
		x1, y1 := Move(x, y, in, walls)
		if x1*quanta != math.Trunc(x1*quanta) || y1*quanta != math.Trunc(y1*quanta) {
			t.Fatalf("tick %d: (%v, %v) is not on the grid", tick, x1, y1)
		}
		if d := distance(x, y, x1, y1); d > TankStep+0.01 {
			t.Fatalf("tick %d: moved %v from (%v, %v)", tick, d, x, y)
		}
		x, y = x1, y1
		if !open(x, y, x, y, 0, walls) {
			t.Fatalf("tick %d: (%v, %v) is inside a wall", tick, x, y)
		}
		for _, w := range walls {
			nx, ny := min(max(x, w.X), w.X+w.W), min(max(y, w.Y), w.Y+w.H)
			if d := distance(x, y, nx, ny); d < TankRadius-1.0/quanta {
				t.Fatalf("tick %d: (%v, %v) is %v from %v", tick, x, y, d, w)
			}
		}
	}
}

func TestMoveSpeed(t *testing.T) {
	for _, c := range []struct {
		in   Input
		want float64
	}{
		{Input{MoveX: 127}, TankStep},
		{Input{MoveX: 127, MoveY: 127}, TankStep},
		{Input{MoveX: -64}, TankStep * 64 / 127},
		{Input{}, 0},
	} {
		x, y := Move(40, 16.5, c.in, nil)
		if d := distance(40, 16.5, x, y); math.Abs(d-c.want) > 1.0/quanta {
			t.Errorf("stick (%d, %d) moves %v, want %v", c.in.MoveX, c.in.MoveY, d, c.want)
		}
	}
}

// TestYard checks that the map has room: every site can be reached from every
// other by straight ways that a tank fits through, and crates stand free.
func TestYard(t *testing.T) {
	walls := yardWalls()
	sites := findSites(walls)
	if len(sites) < MaxPlayers {
		t.Fatalf("%d sites for %d tanks", len(sites), MaxPlayers)
	}
	seen := make([]bool, len(sites))
	queue := []int{0}
	seen[0] = true
	for len(queue) > 0 {
		from := sites[queue[0]]
		queue = queue[1:]
		for i, to := range sites {
			if !seen[i] && open(from.x, from.y, to.x, to.y, TankRadius, walls) {
				seen[i] = true
				queue = append(queue, i)
			}
		}
	}
	for i, ok := range seen {
		if !ok {
			t.Errorf("site %v cannot be reached", sites[i])
		}
	}
	for _, c := range yardCrates() {
		if !open(c.X, c.Y, c.X, c.Y, TankRadius, walls) {
			t.Errorf("crate at (%v, %v) touches a wall", c.X, c.Y)
		}
	}
	for _, w := range walls {
		for _, v := range []float64{w.X, w.Y, w.W, w.H} {
			if v*4 != math.Trunc(v*4) {
				t.Errorf("%v is not a multiple of the replicated quarter", w)
			}
		}
	}
}

func TestCrossings(t *testing.T) {
	w := &Rect{10, 10, 4, 4}
	for _, c := range []struct {
		name         string
		x, y, dx, dy float64
		margin, want float64
	}{
		{"head on", 5, 12, 10, 0, 0, 0.5},
		{"short", 5, 12, 4, 0, 0, never},
		{"short, grown", 5, 12, 4, 0, 1, 1},
		{"beside", 5, 9, 10, 0, 0, never},
		{"away", 5, 12, -10, 0, 0, never},
		{"from inside", 12, 12, 1, 1, 0, 0},
		{"a point outside", 5, 5, 0, 0, 0, never},
		{"a point inside", 11, 11, 0, 0, 0, 0},
	} {
		if got := crossRect(c.x, c.y, c.dx, c.dy, w, c.margin); got != c.want {
			t.Errorf("rect, %s: %v, want %v", c.name, got, c.want)
		}
	}
	if got := crossCircle(0, 0, 10, 0, 5, 0, 1); got != 0.4 {
		t.Errorf("circle head on: %v", got)
	}
	if got := crossCircle(0, 0, 10, 0, 5, 1.5, 1); got != never {
		t.Errorf("circle missed: %v", got)
	}
	if got := crossCircle(0, 0, 1, 0, 0.5, 0, 1); got != 0 {
		t.Errorf("circle from inside: %v", got)
	}
}
