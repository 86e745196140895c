package arena

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/roomd/roomd/game"
)

func TestKind(t *testing.T) {
	if err := Kind.Check(); err != nil {
		t.Fatal(err)
	}
}

// TestOnlyTheOwnerSeesAmmo pins the visibility of every field.
func TestOnlyTheOwnerSeesAmmo(t *testing.T) {
	s, err := Kind.Schema()
	if err != nil {
		t.Fatal(err)
	}
	secret := map[string]bool{"tank.ammo": true, "tank.reload": true}
	for _, table := range s.Tables {
		for _, f := range table.Fields {
			name := table.Name + "." + f.Name
			if got := f.Vis == game.VisOwner; got != secret[name] {
				t.Errorf("%s: owner only is %t", name, got)
			}
			delete(secret, name)
		}
	}
	if len(secret) > 0 {
		t.Errorf("missing fields: %v", secret)
	}
}

// scramble presses random sticks and triggers for eight players.
func scramble(r *rig, rng *rand.Rand, held *[9]Input) {
	for p := game.PlayerID(1); p <= 8; p++ {
		if rng.IntN(10) == 0 {
			held[p] = Input{
				MoveX: int8(rng.IntN(255) - 127), MoveY: int8(rng.IntN(255) - 127),
				Aim: uint16(rng.Uint32()), Fire: rng.IntN(2) == 0,
			}
		}
		if rng.IntN(20) != 0 { // else silent
			r.press(p, held[p])
		}
	}
}

func TestSameInputsSameState(t *testing.T) {
	const total = 2000
	params := game.Params{"bots": "14", "round": "40"}
	run := func(seed byte, each func(i int, r *rig)) {
		r := newYard(t, seed, params)
		for p := game.PlayerID(1); p <= 8; p++ {
			r.join(p, fmt.Sprint("p", p))
		}
		rng := rand.New(rand.NewPCG(7, 7))
		var held [9]Input
		for i := range total {
			scramble(r, rng, &held)
			if i%300 == 299 {
				r.sim.Leave(3)
				r.join(3, "again")
			}
			r.tick()
			each(i, r)
		}
	}
	var hashes [total]uint64
	var saved []byte
	run(1, func(i int, r *rig) {
		hashes[i] = r.sim.Hash()
		if i == total/2 {
			saved = r.sim.AppendCheckpoint(nil)
		}
	})
	run(1, func(i int, r *rig) {
		if h := r.sim.Hash(); h != hashes[i] {
			t.Fatalf("tick %d: hash %x, first %x", i, h, hashes[i])
		}
	})
	same := 0
	run(2, func(i int, r *rig) {
		if r.sim.Hash() == hashes[i] {
			same++
		}
	})
	if same > 0 {
		t.Errorf("another seed gives the same state at %d ticks", same)
	}
	testRestored(t, params, saved, hashes[total/2:])
}

// testRestored goes on from a checkpoint in another room: no state may hide
// outside tables.
func testRestored(t *testing.T, params game.Params, saved []byte, hashes []uint64) {
	r := newRig(t, 9, params)
	if err := r.sim.LoadCheckpoint(saved); err != nil {
		t.Fatal(err)
	}
	if h := r.sim.Hash(); h != hashes[0] {
		t.Fatalf("restored hash %x, saved %x", h, hashes[0])
	}
	rng := rand.New(rand.NewPCG(7, 7))
	var held [9]Input
	first := 2000 - len(hashes)
	for range first + 1 {
		scramble(r, rng, &held) // to bring chance and sticks to the same place
	}
	r.now = game.Tick(first + 1)
	for i := first + 1; i < 2000; i++ {
		scramble(r, rng, &held)
		if i%300 == 299 {
			r.sim.Leave(3)
			r.join(3, "again")
		}
		r.tick()
		if h := r.sim.Hash(); h != hashes[i-first] {
			t.Fatalf("tick %d after the restore: hash %x, want %x", i, h, hashes[i-first])
		}
	}
}

func TestNames(t *testing.T) {
	for in, want := range map[string]string{
		"Ada":                "Ada",
		"  Ada  ":            "Ada",
		"a\x00b\nc\u202ed":   "abcd",
		"\xff\xfeok":         "ok",
		"0123456789abcdefgh": "0123456789abcdef",
		"ééééééééé":          "éééééééé",
		"":                   "",
	} {
		if got := cleanName(in); got != want {
			t.Errorf("cleanName(%q) = %q, want %q", in, got, want)
		}
	}
	r := newYard(t, 1, game.Params{"bots": "0"})
	if got := r.join(5, "\n").Name; got != "player 5" {
		t.Errorf("a player without a name is called %q", got)
	}
}

func TestPresent(t *testing.T) {
	r := newYard(t, 1, nil)
	tank := r.join(1, "Ada")
	r.sim.Present(1, false)
	if !tank.Away {
		t.Error("a player who lost the connection is not away")
	}
	r.sim.Present(1, true)
	if tank.Away {
		t.Error("a player who is back is away")
	}
}

func TestSilentPlayersStand(t *testing.T) {
	r := newYard(t, 1, game.Params{"bots": "0"})
	r.join(1, "Ada")
	tank := r.place(1, 40, 16.5)
	r.press(1, Input{MoveX: 127, Aim: 5000})
	r.tick()
	x := tank.X
	if x <= 40 || tank.Aim != 5000 {
		t.Fatalf("after a fresh input: x %v, aim %d", x, tank.Aim)
	}
	r.ticks(5)
	if tank.X != x || tank.Aim != 5000 {
		t.Errorf("after silence: x %v, aim %d", tank.X, tank.Aim)
	}
}

func TestRoundEnds(t *testing.T) {
	r := newYard(t, 1, game.Params{"bots": "0", "round": "10"})
	ada, ben := r.join(1, "Ada"), r.join(2, "Ben")
	ada.Score, ben.Score = 50, 60
	r.ticks(10*TickRate - 1)
	if r.g.round.Get().Number != 1 {
		t.Fatal("the round ended early")
	}
	ben.HP = 0
	r.tick()
	round := r.g.round.Get()
	if round.Number != 2 || round.Champion != "Ben" || round.Best != 60 || round.Ends != 20*TickRate {
		t.Errorf("second round: %+v", *round)
	}
	if r.events("over") != 1 {
		t.Error("nobody was told")
	}
	if ada.Score != 0 || ben.Score != 0 || !ben.Alive() {
		t.Errorf("scores %d and %d, Ben alive %t", ada.Score, ben.Score, ben.Alive())
	}
	if s := r.sim.Summary(); s["round"] != "2" {
		t.Errorf("summary %v", s)
	}
}

func TestStepDoesNotAllocate(t *testing.T) {
	r := newYard(t, 1, game.Params{"bots": "24"})
	rng := rand.New(rand.NewPCG(7, 7))
	var held [9]Input
	for p := game.PlayerID(1); p <= 8; p++ {
		r.join(p, "p")
	}
	step := func() {
		scramble(r, rng, &held)
		r.tick()
	}
	for range 3000 {
		step()
	}
	if n := testing.AllocsPerRun(1000, step); n > 0 {
		t.Errorf("%v allocations a tick", n)
	}
}

func BenchmarkStep(b *testing.B) {
	for _, tanks := range []int{8, 64} {
		b.Run(fmt.Sprintf("tanks=%d", tanks), func(b *testing.B) {
			r := newYard(b, 1, game.Params{"bots": fmt.Sprint(tanks)})
			r.ticks(600)
			b.ReportAllocs()
			for b.Loop() {
				r.tick()
			}
		})
	}
}
