package eights

import (
	"fmt"
	"strings"
	"testing"

	"github.com/roomd/roomd/game"
)

// rig drives one room of the game the way a server does, sleep included.
type rig struct {
	t     testing.TB
	sim   *game.Sim
	g     *Eights
	now   game.Tick
	entry *game.Entry
	steps int
}

// newRig makes a room that has not begun.
func newRig(t testing.TB, seed byte, params game.Params) *rig {
	t.Helper()
	r := &rig{t: t}
	kind := game.Define("eights", Kind.Options(), func(w *game.World) game.Game[Input] {
		r.g = New(w).(*Eights)
		return r.g
	})
	sim, err := kind.NewSim(game.SimConfig{Seed: [32]byte{seed}, Params: params})
	if err != nil {
		t.Fatal(err)
	}
	r.sim, r.entry = sim, sim.Schema().NewEntry(MaxPlayers)
	return r
}

// newTable makes a room and seats players 1 to n; the first round is dealt.
func newTable(t testing.TB, n int, params game.Params) *rig {
	t.Helper()
	r := newRig(t, 1, params)
	r.sim.Start()
	for p := range n {
		r.join(game.PlayerID(p + 1))
	}
	r.tick()
	return r
}

func (r *rig) join(p game.PlayerID) {
	r.t.Helper()
	r.sim.Begin(r.now + 1)
	if err := r.sim.Join(p, game.JoinInfo{Name: fmt.Sprint("p", p)}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) leave(p game.PlayerID) {
	r.sim.Begin(r.now + 1)
	r.sim.Leave(p)
}

func (r *rig) present(p game.PlayerID, connected bool) {
	r.sim.Begin(r.now + 1)
	r.sim.Present(p, connected)
}

// click gives a player's input for the coming tick.
func (r *rig) click(p game.PlayerID, in Input) {
	lanes := make([]int32, r.sim.Schema().Input.Lanes)
	for i, v := range []int64{int64(in.Turn), int64(in.Act), int64(in.Card), int64(in.Suit)} {
		r.sim.Schema().Input.Fields[i].Leaves[0].Put(lanes, v)
	}
	r.sim.Command(p, game.Fresh, r.now, lanes)
}

// act clicks for the present turn and makes the tick.
func (r *rig) act(p game.PlayerID, act uint8, c Card, suit Suit) {
	r.click(p, Input{Turn: r.round().Turn, Act: act, Card: c, Suit: suit})
	r.tick()
}

// tick makes one tick.
func (r *rig) tick() {
	r.now++
	r.steps++
	r.sim.Step(r.now)
	r.sim.Capture(r.entry)
}

// rest lets time pass as a server does: a room that sleeps is not stepped
// before the tick that it asked for.
func (r *rig) rest(n game.Tick) {
	for end := r.now + n; r.now < end; {
		asked := r.sim.Asked()
		next := r.now + 1
		if asked.SleepSet && asked.SleepUntil == 0 {
			next = end + 1
		} else if asked.SleepSet {
			next = max(next, asked.SleepUntil)
		}
		r.now = min(next-1, end)
		if next <= end {
			r.tick()
		}
	}
}

func (r *rig) round() *Round { return r.g.round.Get() }

// hand is the hand of a player and its row.
func (r *rig) hand(p game.PlayerID) (game.ID[Hand], *Hand) {
	for id, h := range r.g.hands.Of(p) {
		return id, h
	}
	return 0, nil
}

// house is the hands that the house plays.
func (r *rig) house() (ids []game.ID[Hand]) {
	for id, h := range r.g.hands.All() {
		if h.House {
			ids = append(ids, id)
		}
	}
	return ids
}

// holds replaces a player's cards. Those that were elsewhere are swapped for
// the ones held, so that all stay distinct.
func (r *rig) holds(p game.PlayerID, cards ...Card) {
	_, h := r.hand(p)
	for int(h.Count) > len(cards) {
		c := h.Cards[h.Count-1]
		h.remove(c)
		r.round().bury([]Card{c})
	}
	for i, c := range cards {
		if i == int(h.Count) {
			h.add(r.round().draw())
		}
		r.swap(h.Cards[i], c)
	}
}

// top makes a card the top discard.
func (r *rig) top(c Card) {
	r.swap(r.round().Top, c)
	r.round().Suit = c.Suit()
}

// swap exchanges two cards, wherever they are.
func (r *rig) swap(a, b Card) {
	for _, c := range r.places() {
		switch *c {
		case a:
			*c = b
		case b:
			*c = a
		}
	}
}

// turn gives a player the turn.
func (r *rig) turn(p game.PlayerID) {
	id, _ := r.hand(p)
	r.g.begin(id)
}

// places is where all cards are.
func (r *rig) places() (all []*Card) {
	n := r.round()
	for i := range n.deck[:n.Deck] {
		all = append(all, &n.deck[i])
	}
	for i := range n.pile[:n.Pile] {
		all = append(all, &n.pile[i])
	}
	for _, h := range r.g.hands.All() {
		for i := range h.held() {
			all = append(all, &h.Cards[i])
		}
	}
	return append(all, &n.Top)
}

// count fails unless there are 52 distinct cards, and none where none is said
// to be.
func (r *rig) count() {
	r.t.Helper()
	var seen [DeckSize + 1]int
	for _, c := range r.places() {
		seen[*c]++
	}
	for c, n := range seen {
		if want := min(c, 1); n != want {
			r.t.Fatalf("tick %d: %d cards %d", r.now, n, c)
		}
	}
	beyond := append([]Card(nil), r.round().deck[r.round().Deck:]...)
	beyond = append(beyond, r.round().pile[r.round().Pile:]...)
	for _, h := range r.g.hands.All() {
		beyond = append(beyond, h.Cards[h.Count:]...)
	}
	for _, c := range beyond {
		if c != 0 {
			r.t.Fatalf("tick %d: card %d where there should be none", r.now, c)
		}
	}
}

// events is what the last tick told, in order: "drew", and for one player alone
// what refused makes.
func (r *rig) events() string {
	var told []string
	for _, e := range r.entry.Events {
		name := r.sim.Schema().Events[e.Type].Name
		if e.To != 0 {
			name += fmt.Sprintf(">%d:%d", e.To, r.entry.EventLanes[e.Lane])
		}
		told = append(told, name)
	}
	return strings.Join(told, " ")
}

func refused(p game.PlayerID, why uint8) string { return fmt.Sprintf("refused>%d:%d", p, why) }

func (r *rig) expectEvents(want string) {
	r.t.Helper()
	if got := r.events(); got != want {
		r.t.Fatalf("tick %d tells %q, want %q", r.now, got, want)
	}
}

// expectSleep fails unless the room asked to sleep until a tick, 0 for as long
// as nobody comes.
func (r *rig) expectSleep(until game.Tick) {
	r.t.Helper()
	if a := r.sim.Asked(); !a.SleepSet || a.SleepUntil != until {
		r.t.Fatalf("tick %d: sleep asked for is %t, until %d, want until %d", r.now, a.SleepSet, a.SleepUntil, until)
	}
}

func expect[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// of makes a card of a rank and a suit.
func of(rank int, s Suit) Card { return Card(int(s-1)*Ranks + rank) }
