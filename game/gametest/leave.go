package gametest

import (
	"fmt"
	"slices"

	"github.com/roomd/roomd/game"
)

// checkLeave lets players leave and looks at what stays: the engine's promise
// is that a seat's next player owns and learns nothing of the one before.
func (s *suite) checkLeave() error {
	if err := s.record(); err != nil {
		return err
	}
	looked := 0
	for _, sc := range s.scripts {
		n, err := s.part(sc)
		if err != nil {
			return err
		}
		looked += n
	}
	if !s.failed() {
		s.note("%d players left", looked)
	}
	return nil
}

// parting is a player who is about to leave a room.
type parting struct {
	s      *suite
	saved  []byte
	before *game.Entry // the tick before
	now    game.Tick
	player game.PlayerID
	first  *game.Entry // when the player had joined; nil if that is not known
}

// part plays a script and follows up on those who leave it.
func (s *suite) part(sc *script) (looked int, err error) {
	r, err := newRoom(s.kind, s.c, sc.seed)
	if err != nil {
		return 0, err
	}
	defer r.close()
	e, first := r.newEntry(), map[game.PlayerID]*game.Entry{}
	for i := range sc.turns {
		t := &sc.turns[i]
		if i > 0 && looked < partings && t.leaves() {
			p := &parting{s: s, saved: r.sim.AppendCheckpoint(nil), before: e, now: t.now, player: t.acts[0].player}
			for _, a := range t.acts {
				if a.kind == actLeave {
					p.player = a.player
				}
			}
			p.first = first[p.player]
			if err := p.follow(); err != nil {
				return looked, err
			}
			looked++
		}
		if err := r.play(t, e); err != nil {
			return looked, err
		}
		for _, a := range t.acts {
			if a.kind == actJoin {
				first[a.player] = r.newEntry()
				copyEntry(first[a.player], e)
			}
		}
	}
	return looked, nil
}

// follow lets the player leave, and then somebody else take the seat, and in
// another room another seat.
func (p *parting) follow() error {
	left, same, err := p.replace(p.player)
	if err != nil || left == nil {
		return err
	}
	if err := p.judge(left); err != nil {
		return fmt.Errorf("tick %d, when player %d has left: %w. %s", p.now, p.player, err, engineAdvice)
	}
	other := p.emptySeat()
	if other == 0 || same == nil || p.first == nil {
		return nil
	}
	_, elsewhere, err := p.replace(other)
	if err != nil || elsewhere == nil {
		return err
	}
	p.inherits(same, elsewhere, other)
	return nil
}

// replace lets the player leave and a newcomer take a seat a tick later. The
// entries are of these two ticks; nil when the game refuses.
func (p *parting) replace(seat game.PlayerID) (left, joined *game.Entry, err error) {
	r, err := newRoom(p.s.kind, p.s.c, p.s.seedOf(maxPlays))
	if err != nil {
		return nil, nil, err
	}
	defer r.close()
	info := game.JoinInfo{Name: "newcomer"}
	if p.s.c.joins != nil {
		d := newDirector(p.s.kind, p.s.schema, p.s.c, p.s.chance(uint64(p.now)))
		info = d.info(seat)
	}
	left, joined = r.newEntry(), r.newEntry()
	err = r.restore(p.saved)
	if err == nil {
		err = r.turnover(p.now, []act{{kind: actLeave, player: p.player}})
	}
	if err == nil {
		err = r.capture(p.now, left)
	}
	if err == nil {
		err = r.turnover(p.now+1, []act{{kind: actJoin, player: seat, info: info}})
	}
	if err == nil {
		err = r.capture(p.now+1, joined)
	}
	if err != nil {
		return nil, nil, errAsked{"a room made from a checkpoint fails: see the subtest checkpoint"}
	}
	if r.refused[0] != "" {
		return left, nil, nil
	}
	return left, joined, nil
}

// judge looks for what the player still has.
func (p *parting) judge(left *game.Entry) error {
	for t := range left.Tables {
		row := &p.s.schema.Tables[t]
		for i := range left.Tables[t].Meta {
			m := &left.Tables[t].Meta[i]
			name := rowName{row.Name, i, p.player}
			if m.Gen != 0 && m.Owner == p.player {
				return fmt.Errorf("%v is still owned", name)
			}
			if !p.before.Tables[t].Live(i) {
				continue
			}
			was := &p.before.Tables[t].Meta[i]
			if was.Gen != m.Gen || was.Owner != p.player || m.Owner != 0 {
				continue
			}
			if f, l := ownersValue(row, left.Tables[t].Row(i, row.Lanes)); l != nil {
				return fmt.Errorf("%v still has %s", name, leafName(f, l))
			}
		}
	}
	for i := range left.Events {
		if left.Events[i].To == p.player {
			return fmt.Errorf("an event %q waits for the player of the seat", p.s.schema.Events[left.Events[i].Type].Name)
		}
	}
	return nil
}

// emptySeat is a seat beside the player's that nobody has, 0 for none.
func (p *parting) emptySeat() game.PlayerID {
	for seat := 1; seat <= p.s.kind.Options().MaxPlayers; seat++ {
		if seat >= len(p.before.Seats) || !p.before.Seats[seat].Taken {
			return game.PlayerID(seat)
		}
	}
	return 0
}

// inherits tells of owner fields with which the next player of the seat begins
// as the one before ended, while that one began, and a newcomer in another seat
// begins, with something else.
func (p *parting) inherits(same, elsewhere *game.Entry, other game.PlayerID) {
	for t := range p.s.schema.Tables {
		s := &p.s.schema.Tables[t]
		was, began := owned(p.before, t, s, p.player), owned(p.first, t, s, p.player)
		is, others := owned(same, t, s, p.player), owned(elsewhere, t, s, other)
		for i := range min(len(was), len(began), len(is), len(others)) {
			for f := range s.Fields {
				if s.Fields[f].Vis != game.VisOwner {
					continue
				}
				for j := range s.Fields[f].Leaves {
					l := &s.Fields[f].Leaves[j]
					of := func(row []int32) []int32 { return row[l.Lane : l.Lane+l.Lanes] }
					if slices.Equal(of(is[i]), of(was[i])) && !slices.Equal(of(is[i]), of(others[i])) && !slices.Equal(of(is[i]), of(began[i])) {
						p.s.note("warning: table %q: when player %d left at tick %d, the next player of the seat began with the same %s (%s), "+
							"which only its owner may see; a newcomer in another seat did not. If that is not meant, clear in Leave what the game keeps by seat",
							s.Name, p.player, p.now, leafName(&s.Fields[f], l), leafText(l, is[i]))
						return
					}
				}
			}
		}
	}
}

// owned is the rows of table t that a player owns.
func owned(e *game.Entry, t int, s *game.RowSchema, p game.PlayerID) (rows [][]int32) {
	for i := range e.Tables[t].Meta {
		if m := &e.Tables[t].Meta[i]; m.Gen != 0 && m.Owner == p {
			rows = append(rows, e.Tables[t].Row(i, s.Lanes))
		}
	}
	return rows
}
