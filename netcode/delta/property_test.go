package delta

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/roomd/roomd/game"
)

// seatViewer is a viewer's receiving side and what the server knows of it.
type seatViewer struct {
	seat        game.PlayerID // 0: a spectator
	shared, own *State
	base        *game.Entry // nil: nothing; found again by tick
	baseTick    game.Tick
	pinned      bool
}

func (v *seatViewer) views(e *game.Entry) (shared, private View) {
	if v.seat == 0 {
		return View{Teams: game.Spectators}, View{}
	}
	teams := e.Seats[v.seat].Teams
	return View{Teams: teams}, View{Teams: teams, Seat: v.seat}
}

// send brings the viewer to cur by a delta from its base, or from nothing.
func (v *seatViewer) send(enc *Encoder, cur *game.Entry) error {
	var baseShared, basePrivate View
	if v.base == nil {
		v.shared.Clear()
		v.own.Clear()
	} else {
		baseShared, basePrivate = v.views(v.base)
	}
	shared, private := v.views(cur)
	body, n := enc.AppendBody(nil, v.base, baseShared, cur, shared)
	if err := applyBody(v.shared, body, n); err != nil {
		return fmt.Errorf("shared: %w", err)
	}
	if v.seat == 0 {
		return nil
	}
	body, n = enc.AppendBody(nil, v.base, basePrivate, cur, private)
	if err := applyBody(v.own, body, n); err != nil {
		return fmt.Errorf("private: %w", err)
	}
	return nil
}

func (v *seatViewer) check(s *game.Schema, cur *game.Entry) error {
	shared, private := v.views(cur)
	if err := v.shared.Equal(Filter(s, cur, shared)); err != nil {
		return fmt.Errorf("shared: %w", err)
	}
	if v.seat == 0 {
		return nil
	}
	if err := v.own.Equal(Filter(s, cur, private)); err != nil {
		return fmt.Errorf("private: %w", err)
	}
	return v.checkComposed(s, cur)
}

// checkComposed compares what the player sees with the entry itself.
func (v *seatViewer) checkComposed(s *game.Schema, cur *game.Entry) error {
	shared, private := v.views(cur)
	for t := range s.Tables {
		for r := range worldRows {
			want, wantOK := make([]int32, s.Tables[t].Lanes), false
			if cur.Tables[t].Live(r) {
				m, row := &cur.Tables[t].Meta[r], cur.Tables[t].Row(r, s.Tables[t].Lanes)
				mine, shown := m.Owner == v.seat, m.Show&shared.Teams != 0
				wantOK = mine || shown
				for f := range s.Tables[t].Fields {
					field := &s.Tables[t].Fields[f]
					from := shared
					if mine && (!shown || field.Vis == game.VisOwner) {
						from = private
					} else if !shown || field.Vis == game.VisOwner && m.Reveal&shared.Teams == 0 {
						continue
					}
					for l := range field.Leaves {
						filterLeaf(&field.Leaves[l], cur, from, row, want)
					}
				}
			}
			got := make([]int32, s.Tables[t].Lanes)
			if ok := Compose(v.shared, v.own, t, r, got); ok != wantOK || !equal(got, want) {
				return fmt.Errorf("composed: table %d row %d: %v %t, want %v %t", t, r, got, ok, want, wantOK)
			}
		}
	}
	return nil
}

// TestDecodedEqualsFiltered is the bar for this package: after any schedule of
// changes, skips, resumes and keyframes a viewer holds what its view filters
// out of the entry, field by field.
func TestDecodedEqualsFiltered(t *testing.T) {
	rounds := 400
	if testing.Short() {
		rounds = 40
	}
	first := rand.Uint64()
	for i := range rounds {
		seed := first + uint64(i)
		if err := playSchedule(seed); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

func FuzzDecodedEqualsFiltered(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) {
		if err := playSchedule(seed); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	})
}

func playSchedule(seed uint64) error {
	rng := rand.New(rand.NewPCG(seed, 1))
	s := randomSchema(rng)
	w, ring, enc := newWorld(s, rng), NewRing(s, 2+rng.IntN(6)), NewEncoder(s)
	viewers := make([]*seatViewer, worldSeats+1)
	for p := range viewers {
		viewers[p] = &seatViewer{seat: game.PlayerID(p), shared: NewState(s), own: NewState(s)}
	}
	for range 60 {
		w.step()
		e := ring.Next()
		w.copyTo(e)
		ring.Commit(e)
		for _, v := range viewers {
			if rng.IntN(3) == 0 {
				continue // skipped, or away for a while
			}
			if v.base != nil {
				v.base = ring.At(v.baseTick)
			}
			if v.pinned && v.base == nil {
				return fmt.Errorf("tick %d: the ring lost the pinned entry %d", e.Tick, v.baseTick)
			}
			if v.pinned {
				ring.Unpin(v.base)
			}
			if rng.IntN(20) == 0 {
				v.base = nil
			}
			if err := v.send(enc, e); err != nil {
				return fmt.Errorf("tick %d viewer %d: %w", e.Tick, v.seat, err)
			}
			v.base, v.baseTick, v.pinned = e, e.Tick, rng.IntN(4) == 0 && ring.Pin(e)
			if err := v.check(s, e); err != nil {
				return fmt.Errorf("tick %d viewer %d: %w", e.Tick, v.seat, err)
			}
		}
	}
	return nil
}
