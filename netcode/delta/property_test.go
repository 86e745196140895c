package delta

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/wire"
)

// seatViewer is a viewer's receiving side and what the server knows of it.
type seatViewer struct {
	seat        game.PlayerID // 0: a spectator
	shared, own *State
	base        *game.Entry // nil: nothing; found again by tick
	baseTick    game.Tick
	pinned      bool
	// past is the entries that the viewer got one after the other, each a tick
	// after the one before, newest first: a prediction needs three. Once they are not
	// the newest the ring uses them for others.
	past []*game.Entry
	// keyframe is what is to come of one, made at base.
	parts []part
}

type part struct {
	body []byte
	n    int
}

func (v *seatViewer) views(e *game.Entry) (shared, private View) {
	if v.seat == 0 {
		return View{Teams: game.Spectators}, View{}
	}
	teams := e.Seats[v.seat].Teams
	return View{Teams: teams}, View{Teams: teams, Seat: v.seat}
}

// begin has the viewer sent a keyframe of cur in parts of a random size.
func (v *seatViewer) begin(rng *rand.Rand, enc *Encoder, cur *game.Entry) error {
	v.shared.Clear()
	v.own.Clear()
	v.past, v.parts = nil, nil
	shared, private := v.views(cur)
	limit := oneOf(rng, 1, 60, 300, 1<<20)
	for from, last := (Place{}), false; !last; {
		var p part
		p.body, p.n, from, last = enc.AppendPart(nil, cur, shared, from, limit)
		v.parts = append(v.parts, p)
	}
	if v.seat == 0 {
		return nil
	}
	body, n := enc.AppendBody(nil, nil, View{}, cur, private)
	return applyBody(v.own, body, n)
}

// next hands over a part and reports whether it was the last.
func (v *seatViewer) next() (bool, error) {
	p := v.parts[0]
	v.parts = v.parts[1:]
	return len(v.parts) == 0, applyBody(v.shared, p.body, p.n)
}

// send brings the viewer from its base to cur.
func (v *seatViewer) send(enc *Encoder, cur *game.Entry) error {
	baseShared, basePrivate := v.views(v.base)
	shared, private := v.views(cur)
	if v.baseTick+1 != cur.Tick || baseShared != shared {
		v.past = nil
	}
	if len(v.past) == predictRun {
		body, n := enc.AppendPredicted(nil, [3]*game.Entry(v.past), cur, shared)
		r := wire.NewReader(body)
		if err := v.shared.ApplyPredicted(&r, n); err != nil || r.Len() > 0 {
			return fmt.Errorf("predicted: %d bytes left, %w", r.Len(), err)
		}
	} else {
		body, n := enc.AppendBody(nil, v.base, baseShared, cur, shared)
		if err := applyBody(v.shared, body, n); err != nil {
			return fmt.Errorf("shared: %w", err)
		}
	}
	v.past = append([]*game.Entry{cur}, v.past[:min(len(v.past), predictRun-1)]...)
	if v.seat == 0 {
		return nil
	}
	body, n := enc.AppendBody(nil, v.base, basePrivate, cur, private)
	if err := applyBody(v.own, body, n); err != nil {
		return fmt.Errorf("private: %w", err)
	}
	return nil
}

func (v *seatViewer) check(s *game.Schema, enc *Encoder, cur *game.Entry) error {
	shared, private := v.views(cur)
	if err := v.shared.Equal(Filter(s, cur, shared)); err != nil {
		return fmt.Errorf("shared: %w", err)
	}
	if h := v.shared.Hash(); h != enc.Hash(cur, shared) || h != Filter(s, cur, shared).Hash() {
		return fmt.Errorf("the hash is %x, the encoder's %x", h, enc.Hash(cur, shared))
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
// changes, skips, slow keyframes and resumes a viewer holds what its view filters
// out of the entry, field by field. package room plays the same with a whole room.
func TestDecodedEqualsFiltered(t *testing.T) {
	rounds := 1000
	if raceEnabled {
		rounds = 100
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
	f.Add(uint64(16062137754161264467)) // an entry that is another's when it is needed again
	f.Fuzz(func(t *testing.T, seed uint64) {
		if err := playSchedule(seed); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	})
}

func playSchedule(seed uint64) error {
	rng := rand.New(rand.NewPCG(seed, 1))
	s := randomSchema(rng)
	w, ring, enc := newWorld(s, rng), NewRing(s, predictRun+1+rng.IntN(6)), NewEncoder(s)
	viewers := make([]*seatViewer, worldSeats+1)
	for p := range viewers {
		viewers[p] = &seatViewer{seat: game.PlayerID(p), shared: NewState(s), own: NewState(s)}
	}
	for range 40 {
		w.step()
		e := ring.Next()
		w.copyTo(e)
		ring.Commit(e)
		for _, v := range viewers {
			if err := v.tick(rng, s, ring, enc); err != nil {
				return fmt.Errorf("tick %d viewer %d: %w", e.Tick, v.seat, err)
			}
		}
	}
	return nil
}

// tick is what happens to a viewer at the newest entry.
func (v *seatViewer) tick(rng *rand.Rand, s *game.Schema, ring *Ring, enc *Encoder) error {
	e := ring.Newest()
	if rng.IntN(8) == 0 {
		return nil // skipped, or away for a while
	}
	if v.base != nil {
		v.base = ring.At(v.baseTick)
	}
	if v.pinned && v.base == nil {
		return fmt.Errorf("the ring lost the pinned entry %d", v.baseTick)
	}
	switch {
	case len(v.parts) > 0:
		last, err := v.next()
		if err != nil || !last || v.base == nil {
			return err
		}
		v.past = []*game.Entry{v.base}
		return v.check(s, enc, v.base)
	case v.base == nil || rng.IntN(30) == 0:
		v.unpin(ring)
		if err := v.begin(rng, enc, e); err != nil {
			return err
		}
		v.base, v.baseTick, v.pinned = e, e.Tick, ring.Pin(e)
		return nil
	}
	if rng.IntN(15) == 0 {
		v.past = nil // resumed
	}
	if err := v.send(enc, e); err != nil {
		return err
	}
	v.unpin(ring)
	v.base, v.baseTick, v.pinned = e, e.Tick, rng.IntN(4) == 0 && ring.Pin(e)
	return v.check(s, enc, e)
}

func (v *seatViewer) unpin(ring *Ring) {
	if v.pinned {
		ring.Unpin(ring.At(v.baseTick))
		v.pinned = false
	}
}
