package game_test

import (
	"bytes"
	"encoding/binary"
	"hash/fnv"
	"slices"
	"testing"

	"github.com/roomd/roomd/game"
)

// oldBrawl is the brawl some builds ago: nearly everything was otherwise.
func oldBrawl(t testing.TB) []byte {
	type fighter struct {
		Name string `net:"max=9"`
		X    float32
		Hat  [3]struct {
			S string `net:"max=3"`
			N int64
		}
		Purse int16
		path  [3]struct{ b, a int8 }
	}
	s, err := game.Define("brawl", game.Options{TickRate: 30, MaxPlayers: 8}, func(w *game.World) game.Game[none] {
		men := game.NewTable[fighter](w, "man")
		game.NewTable[struct{ A bool }](w, "tree")
		return &script[none]{join: func(p game.PlayerID, _ game.JoinInfo) error {
			for range 3 {
				men.Own(men.Add(fighter{Name: "x", Purse: 3, X: 2, path: [3]struct{ b, a int8 }{{1, 2}}}), p)
			}
			men.Remove(game.ID[fighter](1<<20 | 1))
			return nil
		}}
	}).NewSim(game.SimConfig{})
	if err != nil {
		t.Fatal(err)
	}
	r := &room{Sim: s, e: s.Schema().NewEntry(0)}
	r.seat(t, 1, 4)
	r.tick()
	return r.AppendCheckpoint(nil)
}

// seal puts the hash of a layout that was damaged right.
func seal(b []byte) []byte {
	b = slices.Clone(b)
	if len(b) < 16 {
		return b
	}
	h := fnv.New64a()
	h.Write(b[16:min(len(b), 16+int(binary.LittleEndian.Uint32(b[12:])))])
	binary.LittleEndian.PutUint64(b[4:], h.Sum64())
	return b
}

func TestDamagedLayouts(t *testing.T) {
	saved := oldBrawl(t)
	if err := openBrawl(t, 0).LoadCheckpoint(saved); err != nil {
		t.Fatal(err)
	}
	for n := range saved {
		if openBrawl(t, 0).LoadCheckpoint(seal(saved[:n])) == nil {
			t.Fatalf("accepted the first %d of %d bytes", n, len(saved))
		}
	}
	if openBrawl(t, 0).LoadCheckpoint(append(bytes.Clone(saved), 0)) == nil {
		t.Error("accepted a byte too much")
	}
	for i := range saved {
		for _, flip := range []byte{1, 0x80, 0xff} {
			bad := bytes.Clone(saved)
			bad[i] ^= flip
			if i >= 16 && i < 16+int(binary.LittleEndian.Uint32(saved[12:])) && openBrawl(t, 0).LoadCheckpoint(bad) == nil {
				t.Fatalf("accepted a layout that has another hash, byte %d", i)
			}
			r := openBrawl(t, 0)
			_ = r.LoadCheckpoint(seal(bad))
			drive(r)
		}
	}
}

// TestMoveOfEveryField takes every field of the brawl to its place by name.
func TestMoveOfEveryField(t *testing.T) {
	a := openBrawl(t, 3)
	for range 100 {
		drive(a)
	}
	saved := otherSchema(a.AppendCheckpoint(nil))
	b := openBrawl(t, 4)
	if err := b.LoadCheckpoint(saved); err != nil {
		t.Fatal(err)
	}
	equal(t, "diff", b.Diff(a.Sim), "")
	equal(t, "hash", b.Hash(), a.Hash())
	b.now = a.now
	a.Asked()
	for range 50 {
		drive(a)
		drive(b)
		equal(t, "asked", a.Asked().SleepUntil, b.Asked().SleepUntil)
		if a.Hash() != b.Hash() || entryText(a.e) != entryText(b.e) {
			t.Fatalf("tick %d: the rooms part ways", a.now)
		}
	}
}

// otherSchema makes a checkpoint that of a build which sends other things.
func otherSchema(saved []byte) []byte {
	saved = slices.Clone(saved)
	saved[18+len("brawl")] ^= 1
	return seal(saved)
}
