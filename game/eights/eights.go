// Package eights is crazy eights, a card game for two to four people who hide
// their cards from each other.
//
// Each is dealt seven cards. On your turn you play a card that has the suit or
// the rank of the top discard, or an eight, which fits everywhere and asks for
// a suit; or you draw a card, and then play or pass. Who is first without cards
// wins the round and scores what the others hold; so does who holds the fewest
// points when nobody can play or draw.
//
// It shows what a turn-based game needs: hands that only their owner sees and
// that are shown to all when the round is over, a deck that never leaves the
// server, clicks that count once, time limits, hands that the house plays, and
// a room that sleeps while people think.
//
// A kind has two parameters: "turn", the seconds of a turn (default 30), and
// "house", how many hands the house plays against a person alone (default 2).
package eights

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/roomd/roomd/game"
)

// Sizes of the game; times are in ticks.
const (
	TickRate   = 10
	MinPlayers = 2
	MaxPlayers = 4
	Dealing    = 7 // cards to each

	DefaultTurn  = 30 // param "turn": seconds
	MaxTurn      = 3600
	DefaultHouse = 2 // param "house": hands

	AwayTime  = 5 * TickRate // of a turn while the player's connection is broken
	ThinkTime = TickRate     // of the house, at least; less than twice that at most
	PauseTime = 10 * TickRate
)

// Kind is the game as the server runs it.
var Kind = game.Define("eights", game.Options{
	TickRate:   TickRate,
	MaxPlayers: MaxPlayers,
	Missing:    game.Absent,
	Sleeps:     true,
}, New)

// Eights is one room's game. All its state is in tables.
type Eights struct {
	w       *game.World
	hands   *game.Table[Hand]
	round   *game.Value[Round]
	dealt   *game.Event[Dealt]
	played  *game.Event[Played]
	drew    *game.Event[Drew]
	passed  *game.Event[Passed]
	won     *game.Event[Won]
	refused *game.Event[Refused]
}

// New makes the game of a room; see game.Define.
func New(w *game.World) game.Game[Input] {
	return &Eights{
		w:       w,
		hands:   game.NewTable[Hand](w, "hand"),
		round:   game.NewValue[Round](w, "round"),
		dealt:   game.NewEvent[Dealt](w, "dealt"),
		played:  game.NewEvent[Played](w, "played"),
		drew:    game.NewEvent[Drew](w, "drew"),
		passed:  game.NewEvent[Passed](w, "passed"),
		won:     game.NewEvent[Won](w, "won"),
		refused: game.NewEvent[Refused](w, "refused"),
	}
}

// Join gives the player a place, without cards until the next deal.
func (g *Eights) Join(p game.PlayerID, info game.JoinInfo) error {
	name := cleanName(info.Name)
	if name == "" {
		name = "player " + strconv.Itoa(int(p))
	}
	g.hands.Own(g.hands.Add(Hand{Name: name}), p)
	return nil
}

// Leave puts the player's cards under the deck. The others play on.
func (g *Eights) Leave(p game.PlayerID) {
	for id, h := range g.hands.Of(p) {
		g.round.Get().bury(h.held())
		turn := g.onTurn(id)
		g.hands.Remove(id)
		if next := g.after(id); turn && next != 0 {
			g.begin(next)
		}
	}
}

// Present shortens the turn of a player whose connection broke, until it is
// back.
func (g *Eights) Present(p game.PlayerID, connected bool) {
	for id, h := range g.hands.Of(p) {
		h.Away = !connected
		if g.onTurn(id) {
			g.wind()
		}
	}
}

// Summary tells the room list how far the match is.
func (g *Eights) Summary() game.Params {
	s := game.Params{"round": strconv.Itoa(int(g.round.Get().Number))}
	best := uint32(0)
	for _, h := range g.hands.All() {
		if h.Score > best {
			best = h.Score
			s["leader"], s["score"] = h.Name, strconv.Itoa(int(best))
		}
	}
	return s
}

// Step takes the clicks, and then does what is due. Until the next deadline
// there is nothing to do but wait for clicks.
func (g *Eights) Step(now game.Tick, in game.Inputs[Input]) {
	if !g.occupied() {
		g.clear()
		g.w.Sleep(0)
		return
	}
	for p := range g.w.Players() {
		for id, h := range g.hands.Of(p) {
			g.click(p, id, h, in.Of(p).Input)
		}
	}
	switch r := g.round.Get(); {
	case r.Phase == Playing && !g.broken():
		if now >= r.Ends {
			g.expire()
		}
	case r.Phase != Over || now >= r.Ends:
		g.deal()
	}
	g.w.Sleep(g.round.Get().Ends)
}

// occupied reports whether any person sits at the table.
func (g *Eights) occupied() bool {
	for range g.w.Players() {
		return true
	}
	return false
}

// clear empties the table. Numbers go on, so that no old click fits a new turn.
func (g *Eights) clear() {
	for id := range g.hands.All() {
		g.hands.Remove(id)
	}
	r := g.round.Get()
	*r = Round{Number: r.Number, Turn: r.Turn}
}

// cleanName keeps what can be shown of a name, in at most 16 bytes.
func cleanName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
	s = strings.TrimSpace(s)
	for len(s) > 16 {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	return s
}
