package room

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/delta"
	"github.com/roomd/roomd/netcode/wire"
)

// stage runs one room by a fake clock.
type stage struct {
	*Room
	t      *testing.T
	h      *hooks
	now    time.Duration
	peers  []*peer
	posted []string
	woken  int
	tape   *tape
	grid   *grid           // nil: all are here
	number uint16          // of the newest client
	left   []game.ID[unit] // what players owned who left
}

const rate = 20 // ticks per second of the tests, 50 ms each

func newStage(t *testing.T, o game.Options, edit func(*Config)) *stage {
	t.Helper()
	s := openStage(t, o, edit)
	t.Cleanup(func() { s.Stop(wire.ByeShutdown, "", 0) })
	return s
}

// openStage leaves it to the caller to stop the room.
func openStage(t *testing.T, o game.Options, edit func(*Config)) *stage {
	t.Helper()
	if o.TickRate == 0 {
		o.TickRate = rate
	}
	s := &stage{t: t, h: &hooks{}, now: time.Second}
	cfg := Config{
		ID: "court-1", Kind: courtKind(o, s.h), Epoch: 7, Seed: [32]byte{1},
		Post:   func(topic string, body []byte) { s.posted = append(s.posted, topic+"="+string(body)) },
		OnWake: func() { s.woken++ },
		Rand:   rand.NewChaCha8([32]byte{9}),
	}
	if edit != nil {
		edit(&cfg)
	}
	var err error
	if s.Room, err = New(cfg, s.now); err != nil {
		t.Fatal(err)
	}
	return s
}

// shortHistory is that of a room whose ring remembers ten ticks.
func shortHistory(c *Config) { c.History = 500 * time.Millisecond }

// fatalf names the room, which for a random schedule is its seed.
func (s *stage) fatalf(format string, args ...any) {
	s.t.Helper()
	s.t.Fatalf("room %s: %s", s.cfg.ID, fmt.Sprintf(format, args...))
}

// tick makes n ticks in time and checks after each that every viewer which took
// the newest frame holds just what it may see.
func (s *stage) tick(n int) {
	s.t.Helper()
	for range n {
		s.now = s.clock.deadline(s.clock.next)
		s.Advance(s.now)
		s.check()
	}
}

// advance moves the clock by d and calls Advance once.
func (s *stage) advance(d time.Duration) time.Duration {
	s.t.Helper()
	s.now += d
	next := s.Advance(s.now)
	s.check()
	return next
}

func (s *stage) check() {
	s.t.Helper()
	e := s.Entry()
	for _, p := range s.peers {
		if s.grid != nil {
			e = s.grid.past[[2]uint64{p.epoch, uint64(p.tick)}]
		}
		if e == nil || p.tick != e.Tick || p.parts > 0 || p.bye != 0 || p.welcome.Tick == 0 {
			continue
		}
		seat := p.welcome.Seat
		v := delta.View{Teams: s.aud.teams(e, seat)}
		if err := p.shared.Equal(delta.Filter(s.schema, e, v)); err != nil {
			s.fatalf("tick %d, %s, shared: %v", e.Tick, p.name, err)
		}
		s.checkLives(p, e)
		own := delta.NewState(s.schema)
		if v.Seat = seat; seat != 0 {
			own = delta.Filter(s.schema, e, v)
		}
		if err := p.own.Equal(own); err != nil {
			s.fatalf("tick %d, %s, own: %v", e.Tick, p.name, err)
		}
		s.tape.expect(p.number, p.tick, p.shared.Hash(), p.own.Hash())
	}
}

// checkLives demands that a viewer was told of every row that took the index of
// another.
func (s *stage) checkLives(p *peer, e *game.Entry) {
	for t := range e.Tables {
		for r := range e.Tables[t].Meta {
			at := [2]int{t, r}
			now := life{e.Tables[t].Meta[r].Gen, p.shared.Life(t, r)}
			if was, ok := p.lives[at]; ok && was.gen != now.gen && was.told == now.told && now.told != 0 {
				s.fatalf("tick %d, %s: table %d row %d is another one, but %s was not told so", e.Tick, p.name, t, r, p.name)
			}
			p.lives[at] = now
		}
	}
}

// life is a row's generation and what a viewer knows it by.
type life struct {
	gen  uint16
	told uint32
}

// join has a player ask for a seat; the next tick answers.
func (s *stage) join(name string) *peer { return s.bring(name, JoinRequest{Name: name}) }

func (s *stage) spectate(name string) *peer {
	return s.bring(name, JoinRequest{Name: name, Spectate: true})
}

func (s *stage) bring(name string, req JoinRequest) *peer {
	p := s.enter(name)
	p.v = s.Join(req, p)
	return p
}

// enter is a new client that has not asked for anything.
func (s *stage) enter(name string) *peer {
	p := newPeer(s, name)
	s.number++
	p.number = s.number
	s.tape.connect(p.number, false)
	s.peers = append(s.peers, p)
	return p
}

// resume reconnects with what old's client holds.
func (s *stage) resume(old *peer) *peer { return s.resumeWith(old, old) }

// resumeWith asks for old's seat and says to hold what another client does.
func (s *stage) resumeWith(old, holder *peer) *peer {
	p := newPeer(s, old.name+"'")
	p.number = holder.number
	again := !holder.handed
	if !again { // what it held is with another connection already: this is another client
		s.number++
		p.number = s.number
	}
	holder.handed = true
	p.inherit(holder)
	p.ack = old.ack
	s.tape.connect(p.number, again)
	s.peers = append(s.peers, p)
	hash := s.aud.schemaHash
	if !again {
		hash = 0
	}
	p.v = s.Join(JoinRequest{SchemaHash: hash, Resume: p.resumption(old)}, p)
	return p
}

func expect[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

func expectList(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("%s:\n got %q\nwant %q", what, got, want)
	}
}
