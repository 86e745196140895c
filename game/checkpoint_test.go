package game_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/roomd/roomd/game"
)

// The brawl is a small game that uses everything a checkpoint holds.
type Fighter struct {
	X, Y  float32 `net:"all,quant=1/256,pos"`
	Spin  float64 `net:"all,quant=1/16,show"`
	Name  string  `net:"all,max=12"`
	Purse int64   `net:"owner"`
	Foe   game.ID[Fighter]
	memo  string `net:"max=9"`
	path  [5]struct{ a, b int16 }
	heat  float32
	big   uint
}

type Stone struct {
	X    float32 `net:"all,quant=1/8"`
	Life uint8
}

type arenaState struct {
	Round int `net:"all"`
	grid  [64]uint8
}

type brawl struct {
	w      *game.World
	men    *game.Table[Fighter]
	stones *game.Table[Stone]
	state  *game.Value[arenaState]
	hits   *game.Event[Boom2]
}

type Boom2 struct {
	By game.ID[Fighter]
}

func newBrawl(w *game.World) game.Game[Steer2] {
	return &brawl{
		w: w, men: game.NewTable[Fighter](w, "man"), stones: game.NewTable[Stone](w, "stone"),
		state: game.NewValue[arenaState](w, "state"), hits: game.NewEvent[Boom2](w, "hit"),
	}
}

type Steer2 struct{ DX, DY int8 }

func (b *brawl) Start() { b.state.Get().Round = 1 }

func (b *brawl) Join(p game.PlayerID, info game.JoinInfo) error {
	b.men.Own(b.men.Add(Fighter{Name: info.Name, Purse: 10, memo: "new"}), p)
	b.w.SetTeam(p, game.Team(int(p)%3))
	return nil
}

func (b *brawl) Leave(p game.PlayerID) {
	for id := range b.men.Of(p) {
		if b.w.Rand().IntN(2) == 0 {
			b.men.Remove(id)
		}
	}
}

func (b *brawl) Step(now game.Tick, in game.Inputs[Steer2]) {
	rng, s := b.w.Rand(), b.state.Get()
	for c := range in.All() {
		for id, m := range b.men.Of(c.Player) {
			m.X += float32(c.Input.DX) / 7
			m.Y += float32(c.Input.DY) / 9
			m.Spin += 0.001
			m.heat += m.X / 3
			m.path[int(now)%5].a++
			m.big += 3
			m.memo = fmt.Sprint("t", now)
			if rng.IntN(4) == 0 {
				b.stones.Add(Stone{X: m.X, Life: uint8(rng.IntN(9))})
				b.hits.All(Boom2{By: id})
			}
			if rng.IntN(6) == 0 {
				b.men.Show(id, game.Team(rng.IntN(3)))
				b.men.Reveal(id, game.Team(rng.IntN(3)))
			}
		}
	}
	for id, st := range b.stones.All() {
		if st.Life == 0 {
			b.stones.Remove(id)
			continue
		}
		st.Life--
		s.grid[int(now)%64]++
	}
	if rng.IntN(10) == 0 {
		b.w.Sleep(now + 5)
	}
	s.Round++
}

var brawlKind = game.Define("brawl", game.Options{TickRate: 30, MaxPlayers: 8}, newBrawl)

func openBrawl(t testing.TB, seed byte) *room {
	t.Helper()
	s, err := brawlKind.NewSim(game.SimConfig{Seed: [32]byte{seed}})
	if err != nil {
		t.Fatal(err)
	}
	return &room{Sim: s, e: s.Schema().NewEntry(8)}
}

// drive plays one tick of a fixed script of joins, leaves and inputs.
func drive(r *room) {
	n := int(r.now) + 1
	r.Begin(r.now + 1)
	p := game.PlayerID(n%8 + 1)
	switch {
	case n%11 == 0:
		r.Leave(p)
	case n%3 == 0:
		_ = r.Join(p, game.JoinInfo{Name: fmt.Sprint("player ", n)})
	}
	s := r.Schema()
	for p := game.PlayerID(1); p <= 8; p++ {
		if (n+int(p))%4 == 0 {
			continue
		}
		lanes := make([]int32, s.Input.Lanes)
		s.Input.Fields[0].Leaves[0].Put(lanes, int64(n%15-7))
		s.Input.Fields[1].Leaves[0].Put(lanes, int64(int(p)-4))
		r.Command(p, game.Fresh, r.now, lanes)
	}
	r.tick()
}

func entryText(e *game.Entry) string {
	return fmt.Sprint(e.Tick, e.Tables, e.Seats, e.Events, e.EventLanes)
}

func TestSameSeedSameHash(t *testing.T) {
	a, b, c := openBrawl(t, 1), openBrawl(t, 1), openBrawl(t, 2)
	differ := false
	for range 300 {
		drive(a)
		drive(b)
		drive(c)
		if a.Hash() != b.Hash() {
			t.Fatalf("tick %d: equal rooms have unequal hashes", a.now)
		}
		differ = differ || a.Hash() != c.Hash()
	}
	equal(t, "another seed plays another game", differ, true)
}

func TestCheckpointInMidGame(t *testing.T) {
	a := openBrawl(t, 7)
	a.Start()
	for range 150 {
		drive(a)
	}
	saved := a.AppendCheckpoint([]byte("head"))[4:]
	b := openBrawl(t, 99) // the seed is in the checkpoint
	if err := b.LoadCheckpoint(saved); err != nil {
		t.Fatal(err)
	}
	b.now = a.now
	equal(t, "sleep", b.Asked().SleepSet, a.Asked().SleepSet)
	if again := b.AppendCheckpoint(nil); !bytes.Equal(again, saved) {
		t.Fatal("a loaded checkpoint must write itself again")
	}
	b.Capture(b.e) // of a restored room: the very entry of the tick
	a.Capture(a.e)
	equal(t, "entry", entryText(b.e), entryText(a.e))
	for range 300 {
		drive(a)
		drive(b)
		equal(t, "asked", a.Asked().SleepUntil, b.Asked().SleepUntil)
		if a.Hash() != b.Hash() || entryText(a.e) != entryText(b.e) {
			t.Fatalf("tick %d: the rooms part ways", a.now)
		}
	}
}

// TestHashSeesEverything changes one thing at a time.
func TestHashSeesEverything(t *testing.T) {
	type row struct {
		X float32 `net:"all,quant=1/4"`
		n uint16
		s string `net:"max=4"`
		i int
		b [3]bool
	}
	var tab *game.Table[row]
	var world *game.World
	r := play(t, game.Options{}, func(w *game.World, s *script[none]) { world, tab = w, game.NewTable[row](w, "t") })
	r.seat(t, 1)
	id := tab.Add(row{})
	v := tab.Get(id)
	r.tick()
	seen := map[uint64]string{r.Hash(): "start"}
	for _, c := range []struct {
		what string
		do   func()
	}{
		{"sent", func() { v.X = 1 }},
		{"server only", func() { v.n = 1 }},
		{"string", func() { v.s = "ab" }},
		{"int", func() { v.i = -1 }},
		{"array", func() { v.b[2] = true }},
		{"float bits", func() { v.X = float32(math.Copysign(0, -1)) }},
		{"owner", func() { tab.Own(id, 1) }},
		{"show", func() { tab.Show(id, game.Team(1)) }},
		{"reveal", func() { tab.Reveal(id, game.Team(1)) }},
		{"team", func() { world.SetTeam(1, game.Team(4)) }},
		{"chance", func() { world.Rand().Uint64() }},
		{"sleep", func() { world.Sleep(3) }},
		{"until", func() { world.Sleep(4) }},
		{"tick", func() { r.Begin(100) }},
		{"removed", func() { tab.Remove(id) }},
		{"free again", func() { r.Capture(r.e) }},
		{"seat", func() { r.Leave(1) }},
	} {
		c.do()
		h := r.Hash()
		if other, ok := seen[h]; ok {
			t.Errorf("%s: same hash as after %s", c.what, other)
		}
		seen[h] = c.what
	}
}

func TestNotFiniteAfterRestore(t *testing.T) {
	type row struct {
		X float32 `net:"all,quant=1/4"`
	}
	var v *game.Value[row]
	define := func(w *game.World, s *script[none]) { v = game.NewValue[row](w, "v") }
	a := play(t, game.Options{}, define)
	v.Get().X = 2.5
	a.tick()
	b := play(t, game.Options{}, define)
	p := v.Get()
	if err := b.LoadCheckpoint(a.AppendCheckpoint(nil)); err != nil {
		t.Fatal(err)
	}
	equal(t, "a value stays in place", p.X, 2.5)
	p.X = float32(math.NaN())
	b.tick()
	equal(t, "the value captured before the checkpoint", p.X, 2.5)
}

func TestCheckpointOfAnotherKindIsRefused(t *testing.T) {
	a := openBrawl(t, 1)
	drive(a)
	saved := a.AppendCheckpoint(nil)
	for what, define := range map[string]func(w *game.World, s *script[none]){
		"no tables": func(w *game.World, s *script[none]) {},
		"a table":   func(w *game.World, s *script[none]) { game.NewTable[item](w, "man") },
	} {
		err := play(t, game.Options{}, define).LoadCheckpoint(saved)
		if err == nil || !strings.Contains(err.Error(), "kind \"brawl\", not of \"test\"") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestDamagedCheckpointsAreRefused(t *testing.T) {
	a := openBrawl(t, 3)
	for range 40 {
		drive(a)
	}
	saved := a.AppendCheckpoint(nil)
	for n := range saved {
		if openBrawl(t, 0).LoadCheckpoint(saved[:n]) == nil {
			t.Fatalf("accepted the first %d of %d bytes", n, len(saved))
		}
	}
	if openBrawl(t, 0).LoadCheckpoint(append(bytes.Clone(saved), 0)) == nil {
		t.Error("accepted a byte too much")
	}
}

func FuzzLoadCheckpoint(f *testing.F) {
	a := openBrawl(f, 3)
	own := a.AppendCheckpoint(nil)
	own = own[:16+int(binary.LittleEndian.Uint32(own[12:]))]
	f.Add(a.AppendCheckpoint(nil))
	f.Add(oldBrawl(f))
	for n := range 60 {
		drive(a)
		if n%20 == 0 {
			f.Add(a.AppendCheckpoint(nil))
			f.Add(otherSchema(a.AppendCheckpoint(nil)))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = seal(b)
		r := openBrawl(t, 1)
		if r.LoadCheckpoint(b) == nil {
			again := r.AppendCheckpoint(nil)
			if bytes.HasPrefix(b, own) && !bytes.Equal(again, b) {
				t.Fatalf("accepted %x\nwrites   %x", b, again)
			}
			if err := openBrawl(t, 1).LoadCheckpoint(again); err != nil {
				t.Fatalf("accepted %x\nwrites   %x: %v", b, again, err)
			}
		}
		for range 3 { // accepted or not, the game's code must find a sound world
			drive(r)
		}
	})
}
