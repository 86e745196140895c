package gametest

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/roomd/roomd/game"
)

// A game of cards that uses most of what the engine has: hidden rows, owner
// fields, teams, references, texts, private events, letters, kicks, sleep and
// an end.
type (
	cardSpot struct{ X, Y float32 }
	cardSeat struct {
		Name  string               `net:"all,max=12"`
		Team  uint8                `net:"all"`
		Hand  [5]uint8             `net:"owner"`
		Note  string               `net:"owner,max=8"`
		Cash  int64                `net:"owner,range=0..1000000"`
		Spot  cardSpot             `net:"all,quant=1/16,pos"`
		Likes game.ID[cardSeat]    `net:"all"`
		Trap  game.ID[cardTrap]    `net:"owner"`
		Seen  [2]game.ID[cardTrap] `net:"all"`
		luck  float64
	}
	cardTrap struct {
		Kind   uint8             `net:"all"`
		Damage int16             `net:"owner"`
		By     game.ID[cardSeat] `net:"all"`
	}
	cardTable struct {
		Round uint32 `net:"all"`
		Deck  [52]uint8
		Top   uint8
	}
	cardMove struct {
		Play   uint8 `net:"range=0..4"`
		Target game.ID[cardSeat]
		Say    string  `net:"max=8"`
		Aim    float32 `net:"quant=1/16,range=-2..2"`
		Trap   bool    `net:"once"`
	}
	cardSaid struct {
		By   game.ID[cardSeat]
		Text string `net:"max=8"`
	}
	cardDealt struct {
		Card uint8
		Trap game.ID[cardTrap]
	}
)

type cards struct {
	w     *game.World
	seats *game.Table[cardSeat]
	traps *game.Table[cardTrap]
	table *game.Value[cardTable]
	said  *game.Event[cardSaid]
	dealt *game.Event[cardDealt]
}

func newCards(w *game.World) game.Game[cardMove] {
	return &cards{
		w: w, seats: game.NewTable[cardSeat](w, "seat"), traps: game.NewTable[cardTrap](w, "trap"),
		table: game.NewValue[cardTable](w, "table"),
		said:  game.NewEvent[cardSaid](w, "said", game.Fleeting()), dealt: game.NewEvent[cardDealt](w, "dealt"),
	}
}

func (g *cards) Join(p game.PlayerID, info game.JoinInfo) error {
	if string(info.Data) == "banned" {
		return errors.New("banned")
	}
	team := uint8(p % 3)
	g.w.SetTeam(p, game.Team(int(team)))
	id := g.seats.Add(cardSeat{Name: info.Name, Team: team, Cash: 100, Note: "hi"})
	g.seats.Own(id, p)
	if p%2 == 0 {
		g.seats.Reveal(id, game.Team(int(team))) // partners see each other's hands
	}
	return nil
}

func (g *cards) Leave(p game.PlayerID) {
	if p%4 == 0 {
		return // the seat stays, without an owner
	}
	for id := range g.seats.Of(p) {
		g.seats.Remove(id)
	}
}

func (g *cards) Mail(topic string, body []byte) {
	for _, s := range g.seats.All() {
		s.Note = topic + string(body)
		body[0]++ // it is the game's
	}
}

func (g *cards) Step(now game.Tick, in game.Inputs[cardMove]) {
	t := g.table.Get()
	r := g.w.Rand()
	for p := range g.w.Players() {
		for id, s := range g.seats.Of(p) {
			cmd := in.Of(p)
			s.Hand[cmd.Input.Play] = uint8(r.IntN(52))
			s.luck += r.Float64()
			s.Spot.X += cmd.Input.Aim
			s.Likes = cmd.Input.Target
			if cmd.Input.Say != "" {
				g.said.Teams(g.w.TeamsOf(p), cardSaid{id, cmd.Input.Say})
			}
			if cmd.Input.Trap {
				g.layTrap(p, id, s, cmd.Input.Target)
			}
			if s.luck > 60 {
				g.w.Kick(p, "too lucky")
			}
			if r.IntN(200) == 0 {
				g.w.SetTeam(p, game.Team(r.IntN(3))|game.Team(5))
			}
		}
	}
	for id, trap := range g.traps.All() {
		if trap.Damage++; r.IntN(60) == 0 {
			g.traps.Remove(id)
		} else if r.IntN(30) == 0 {
			g.traps.Show(id, game.Teams(r.Uint64()))
		}
	}
	if t.Round++; t.Round > 150 {
		g.w.End("over")
	}
	g.w.Sleep(now + 20)
}

func (g *cards) layTrap(p game.PlayerID, id game.ID[cardSeat], s *cardSeat, at game.ID[cardSeat]) {
	trap := g.traps.Add(cardTrap{Kind: s.Hand[0], Damage: int16(s.Hand[1]), By: id})
	g.traps.Own(trap, p)
	g.traps.Show(trap, game.Nobody)
	s.Trap, s.Seen[0] = trap, trap
	if o := g.seats.Get(at); o != nil {
		o.Seen[1] = trap
		g.dealt.To(g.seats.Owner(at), cardDealt{Card: s.Hand[2], Trap: trap})
	}
	g.w.Post("trap", []byte{byte(p)})
}

var cardOptions = game.Options{MaxPlayers: 20, Missing: game.Repeat, Sleeps: true, Spectate: game.Team(1)}

func cardKind() *game.Kind { return game.Define("cards", cardOptions, newCards) }

var cardPlay = []Option{
	Ticks(700), Players(6), Letter("bank", []byte("1")), Letter("hall", []byte("22")),
	Joins(func(rng *rand.Rand, p game.PlayerID) game.JoinInfo {
		return game.JoinInfo{Name: "ann", Data: []byte([]string{"ok", "ok", "banned"}[rng.IntN(3)])}
	}),
}

// TestGoodGames: nothing is said against games without mistakes, whatever they
// use.
func TestGoodGames(t *testing.T) {
	rounds := 3
	if testing.Short() {
		rounds = 1
	}
	for range rounds {
		found, skipped := inspect(t, cardKind(), cardPlay...)
		expectClean(t, found)
		if len(skipped) > 0 {
			t.Errorf("left out: %v", skipped)
		}
	}
	for name, opts := range map[string]game.Options{
		"default": {}, "one seat": {MaxPlayers: 1}, "two seats": {MaxPlayers: 2}, "many": {MaxPlayers: 1000, TickRate: 120},
	} {
		found, _ := inspect(t, kind(opts, func(w *game.World, g *toy) { drivers(w, g) }))
		t.Log(name)
		expectClean(t, found)
	}
	found, _ := inspect(t, kind(game.Options{}, func(*game.World, *toy) {}))
	expectClean(t, found)
}

func TestRun(t *testing.T) { Run(t, cardKind(), cardPlay...) }

// TestPlaysAreDeep pins what a play of the cards reaches, so that the checks
// have something to check.
func TestPlaysAreDeep(t *testing.T) {
	s, err := newSuite(cardKind(), cardPlay)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.record(); err != nil {
		t.Fatal(err)
	}
	if len(s.scripts) < 4 || s.ticks() != 700 {
		t.Errorf("%d ticks in %d rooms: a room lasts 151 ticks", s.ticks(), len(s.scripts))
	}
	count := map[string]int{}
	for _, sc := range s.scripts {
		last := game.Tick(0)
		for i := range sc.turns {
			u := &sc.turns[i]
			if u.now > last+1 {
				count["slept"]++
			}
			last = u.now
			for _, a := range u.acts {
				count[[]string{"leave", "present", "join", "mail"}[a.kind]]++
				if a.refused != "" {
					count["refused"]++
				}
			}
			for _, c := range u.commands {
				count[[]string{"missed", "fresh", "repeated"}[c.state]]++
			}
		}
	}
	for _, what := range []string{"slept", "leave", "present", "join", "mail", "refused", "fresh", "repeated"} {
		if count[what] < 5 {
			t.Errorf("%s only %d times", what, count[what])
		}
	}
	s2, _ := newSuite(cardKind(), append([]Option{Seed(s.c.seed)}, cardPlay...))
	if err := s2.record(); err != nil {
		t.Fatal(err)
	}
	for i, sc := range s.scripts {
		for j := range sc.turns {
			if a, b := sc.turns[j], s2.scripts[i].turns[j]; a.now != b.now || len(a.acts) != len(b.acts) || len(a.commands) != len(b.commands) {
				t.Fatalf("room %d turn %d: the same seed plays differently", i, j)
			}
		}
	}
}
