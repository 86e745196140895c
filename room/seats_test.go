package room

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/delta"
	"github.com/roomd/roomd/netcode/wire"
)

func TestJoinIsWelcomedAndKeyframed(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	ann := s.join("ann")
	expect(t, "messages before the tick", len(ann.kinds), 0)
	s.tick(1)
	w := ann.welcome
	expect(t, "seat", w.Seat, 1)
	expect(t, "room", w.Room, "court-1")
	expect(t, "epoch", w.Epoch, 7)
	expect(t, "tick", w.Tick, 1)
	expect(t, "rate", w.TickRate, rate)
	expect(t, "grace", w.Grace, 20*time.Second)
	expect(t, "last sequence", w.LastSeq, 0)
	expect(t, "resumed", w.Resumed(), false)
	expect(t, "schema", w.Schema != nil && w.Schema.Hash() == s.Schema().Hash(), true)
	expectKinds(t, ann, wire.KindWelcome, wire.KindSelf, wire.KindKeyframe)
	s.tick(3)
	s.expectStates(ann, 3, 1)

	bob := s.bring("bob", JoinRequest{SchemaHash: s.Schema().Hash()})
	s.tick(1)
	expect(t, "bob's seat", bob.welcome.Seat, 2)
	expect(t, "bob's schema", bob.welcome.Schema == nil, true)
	expect(t, "schema hash", bob.welcome.SchemaHash, s.Schema().Hash())
	if _, ok := bob.own.Row(1, 1); !ok {
		t.Fatal("bob does not see his purse")
	}
	if _, ok := ann.shared.Row(1, 1); ok {
		t.Fatal("ann sees bob's purse")
	}
}

func expectKinds(t *testing.T, p *peer, want ...wire.Kind) {
	t.Helper()
	if !slices.Equal(p.kinds, want) {
		t.Fatalf("%s got %v, want %v", p.name, p.kinds, want)
	}
}

func TestSeatsAreDense(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	a, b, c := s.join("a"), s.join("b"), s.join("c")
	s.tick(1)
	expect(t, "seats", [3]game.PlayerID{a.v.Seat(), b.v.Seat(), c.v.Seat()}, [3]game.PlayerID{1, 2, 3})
	b.v.Leave()
	d := s.join("d")
	s.tick(1)
	expect(t, "the lowest free seat", d.v.Seat(), 2)
	expect(t, "players", s.Info().Players, 3)
}

func TestFullRoom(t *testing.T) {
	s := newStage(t, game.Options{MaxPlayers: 2}, nil)
	s.join("a")
	s.join("b")
	c := s.join("c")
	s.tick(1)
	expect(t, "bye", c.bye, wire.ByeFull)
	expect(t, "refused", s.Stats().Refused, 1)
	watcher := s.spectate("w")
	s.tick(2)
	expect(t, "a spectator needs no seat", watcher.bye, 0)
	expect(t, "spectators", s.Info().Spectators, 1)
}

func TestRefusedJoin(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	s.h.join = func(_ *court, p game.PlayerID, info game.JoinInfo) error {
		if info.Name == "bad" {
			return errors.New("go away")
		}
		return nil
	}
	bad, good := s.join("bad"), s.join("good")
	s.tick(1)
	expect(t, "bye", bad.bye, wire.ByeRefused)
	expect(t, "text", bad.byeText, "go away")
	expect(t, "the seat stays free", good.welcome.Seat, 1)
}

func TestJoinInfoReachesTheGame(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	var got game.JoinInfo
	s.h.join = func(_ *court, _ game.PlayerID, info game.JoinInfo) error { got = info; return nil }
	long := string(make([]byte, 100))
	s.bring("x", JoinRequest{Name: long, User: "u7", Params: game.Params{"k": "v"}, Data: []byte("d")})
	s.tick(1)
	expect(t, "name length", len(got.Name), wire.MaxName)
	expect(t, "user, param, data", got.User+got.Params["k"]+string(got.Data), "u7vd")
}

func TestGraceExpiryFreesTheSeatAndItsSecrets(t *testing.T) {
	s := newStage(t, game.Options{}, func(c *Config) { c.Grace = time.Second })
	ann, bob := s.join("ann"), s.join("bob")
	s.tick(2)
	ann.v.Detach()
	s.tick(1)
	expectList(t, "presence", s.h.presence, "1:false")
	expect(t, "present in the entry", s.Entry().Seats[1].Present, false)
	expect(t, "taken in the entry", s.Entry().Seats[1].Taken, true)
	s.tick(rate - 1)
	expect(t, "players within the grace", s.Info().Players, 2)
	cid := s.join("cid")
	s.tick(1)
	expect(t, "seat of who came when it was free", cid.welcome.Seat, 1)
	expect(t, "leaves", s.Stats().Leaves, 1)

	// Row 0 of units was ann's and is nobody's: cid must not find her ammo.
	if _, ok := cid.own.Row(0, 0); ok {
		t.Fatal("cid owns what ann owned")
	}
	e := s.Entry()
	leaf := &s.schema.Tables[0].Fields[4].Leaves[0]
	expect(t, "ammo left behind", leaf.Get(e.Tables[0].Row(0, s.schema.Tables[0].Lanes)), 0)

	late := s.resume(ann)
	s.tick(1)
	expect(t, "ann's token", late.bye, wire.ByeTokenInvalid)
	expect(t, "bob is untouched", bob.bye, 0)
}

func TestLeaveFreesAtTheTick(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	var left []game.PlayerID
	s.h.leave = func(_ *court, p game.PlayerID) { left = append(left, p) }
	ann := s.join("ann")
	s.tick(1)
	ann.v.Leave()
	expect(t, "left before the tick", len(left), 0)
	s.tick(1)
	expect(t, "left", len(left), 1)
	expect(t, "byes", ann.byes, 0)
	expect(t, "players", s.Info().Players, 0)
	ann.v.Leave()
	ann.v.Detach()
	s.tick(1)
	expect(t, "left once", len(left), 1)
}

func TestLeaveAndDetachBeforeTheAnswer(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	s.join("ann").v.Detach()
	s.join("bob").v.Leave()
	s.tick(2)
	expect(t, "players", s.Info().Players, 0)
	expect(t, "joins", s.Stats().Joins, 0)
}

func TestResumeIsExact(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	ann, bob := s.join("ann"), s.join("bob")
	s.tick(2)
	ann.mustInput(3, 3)
	bob.mustInput(-1)
	s.tick(3)
	ann.v.Detach()
	bob.mustInput(2, 2)
	s.tick(5)

	ann2 := s.resume(ann)
	s.tick(1)
	expect(t, "seat", ann2.welcome.Seat, 1)
	expect(t, "resumed", ann2.welcome.Resumed(), true)
	expect(t, "token", ann2.welcome.Token, ann.welcome.Token)
	expect(t, "last sequence", ann2.welcome.LastSeq, 2)
	expectList(t, "presence", s.h.presence, "1:false", "1:true")
	s.expectStates(ann2, 1, 0)
	expect(t, "ticks since the base", ann2.backs[0], 6)
	ann2.mustInput(1)
	s.tick(2)
	expect(t, "ack", ann2.ack, 3)
	s.expectStates(ann2, 3, 0)
	expect(t, "resumes", s.Stats().Resumes, 1)
}

func TestResumeBeyondTheRingResets(t *testing.T) {
	s := newStage(t, game.Options{}, shortHistory)
	ann := s.join("ann")
	s.tick(3)
	ann.v.Detach()
	s.tick(30)
	ann2 := s.resume(ann)
	s.tick(2)
	expect(t, "resumed", ann2.welcome.Resumed(), true)
	s.expectStates(ann2, 1, 1)
}

func TestResumeWithAnotherCursorResets(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	ann := s.join("ann")
	s.tick(3)
	tok, _ := ParseToken(ann.welcome.Token)
	for _, r := range []Resume{{Epoch: 6, Tick: 3}, {Epoch: 7, Tick: 99}, {}} {
		r.Seat, r.Secret = tok.Seat, tok.Secret
		p := s.bring("again", JoinRequest{Resume: &r})
		s.tick(2)
		expect(t, "seat", p.welcome.Seat, 1)
		s.expectStates(p, 1, 1)
	}
}

func TestResumeDoesNotUseTheTimeBeforeTheSeat(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	s.join("ann")
	s.tick(5)
	bob := s.join("bob")
	s.tick(2)
	tok, _ := ParseToken(bob.welcome.Token)
	p := s.bring("bob'", JoinRequest{Resume: &Resume{Seat: 2, Secret: tok.Secret, Epoch: 7, Tick: 3}})
	s.tick(1)
	s.expectStates(p, 0, 1)
}

func TestResumeTakesOver(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	ann := s.join("ann")
	s.tick(3)
	held := ann.tick
	again := s.resume(ann)
	s.tick(1)
	expect(t, "the old peer's bye", ann.bye, wire.ByeReplaced)
	expect(t, "the new peer's base", again.backs[0], s.Entry().Tick-held)
	expect(t, "presence never broke", len(s.h.presence), 0)
	if err := ann.v.Input(s.now, wire.Input{DSeq: 1}); err != nil {
		t.Fatal("the old connection's input is ignored, not an error:", err)
	}
	ann.v.Detach()
	s.tick(2)
	expect(t, "detaching the old viewer is nothing", again.bye, 0)
	expect(t, "players", s.Info().Players, 1)
	expect(t, "replaced", s.Stats().Replaced, 1)
}

func TestTwoResumesInOneTick(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	ann := s.join("ann")
	s.tick(2)
	one := s.resume(ann)
	two := newPeer(s, "two")
	tok, _ := ParseToken(ann.welcome.Token)
	s.peers = append(s.peers, two)
	two.v = s.Join(JoinRequest{Resume: &Resume{Seat: 1, Secret: tok.Secret}}, two)
	s.tick(2)
	expect(t, "the first", one.bye, wire.ByeReplaced)
	expect(t, "the second", two.bye, 0)
	s.expectStates(two, 1, 1)
}

func TestResumeRepeatsWhatWaited(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	ann := s.join("ann")
	s.tick(1)
	ann.mustInput(1, 2, 3)
	s.tick(1) // applies the first
	again := s.resume(ann)
	s.tick(1)
	expect(t, "last sequence", again.welcome.LastSeq, 1)
	again.mustInput(2, 3)
	s.tick(3)
	expect(t, "ack", again.ack, 3)
	expect(t, "X", s.unitX(1), 6)
}

// unitX is X of the first unit of seat p.
func (s *stage) unitX(p game.PlayerID) int64 {
	e, table := s.Entry(), &s.schema.Tables[0]
	for r, m := range e.Tables[0].Meta {
		if m.Gen != 0 && m.Owner == p {
			return table.Fields[0].Leaves[0].Get(e.Tables[0].Row(r, table.Lanes))
		}
	}
	return -1
}

func TestWrongTokens(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	ann := s.join("ann")
	s.tick(1)
	tok, _ := ParseToken(ann.welcome.Token)
	wrong := tok.Secret
	wrong[3] ^= 1
	for _, r := range []Resume{{Seat: 1, Secret: wrong}, {Seat: 2, Secret: tok.Secret}, {Seat: 2}, {}, {Seat: 999}} {
		p := s.bring("eve", JoinRequest{Resume: &r})
		s.tick(1)
		expect(t, "bye", p.bye, wire.ByeTokenInvalid)
	}
	expect(t, "ann", ann.bye, 0)
	expect(t, "players", s.Info().Players, 1)
}

func TestKick(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	ann, bob := s.join("ann"), s.join("bob")
	s.tick(1)
	s.h.step = func(g *court, now game.Tick) {
		if now == 3 {
			g.w.Kick(1, "cheating")
		}
	}
	s.tick(2)
	expect(t, "bye", ann.bye, wire.ByeKicked)
	expect(t, "reason", ann.byeText, "cheating")
	expect(t, "the last frame is that of the tick", ann.tick, 3)
	again := s.resume(ann)
	s.tick(1)
	expect(t, "the token", again.bye, wire.ByeTokenInvalid)
	expect(t, "players", s.Info().Players, 1)
	expect(t, "bob", bob.bye, 0)
	expect(t, "kicks", s.Stats().Kicks, 1)
}

func TestKickOfAnAbsentPlayer(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	ann := s.join("ann")
	s.join("bob")
	s.tick(1)
	ann.v.Detach()
	s.h.step = func(g *court, now game.Tick) { g.w.Kick(1, "") }
	s.tick(2)
	expect(t, "players", s.Info().Players, 1)
	expect(t, "byes", ann.byes, 0)
}

// Who leaves in the tick of a kick takes it along.
func TestKickIsNotForWhoTakesTheSeat(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	ann, bob := s.join("ann"), s.join("bob")
	s.tick(1)
	s.h.leave = func(g *court, _ game.PlayerID) {
		for p := range g.w.Players() {
			g.w.Kick(p, "the round is off")
		}
	}
	ann.v.Leave()
	bob.v.Leave()
	cyd, dan := s.join("cyd"), s.join("dan")
	s.tick(2)
	expect(t, "seats", [2]game.PlayerID{cyd.welcome.Seat, dan.welcome.Seat}, [2]game.PlayerID{1, 2})
	expect(t, "byes", cyd.byes+dan.byes, 0)
	expect(t, "players", s.Info().Players, 2)
}

func TestNoGrace(t *testing.T) {
	s := newStage(t, game.Options{}, func(c *Config) { c.Grace = -1 })
	ann := s.join("ann")
	s.tick(1)
	ann.v.Detach()
	s.tick(1)
	expect(t, "players", s.Info().Players, 0)
	expect(t, "grace told", ann.welcome.Grace, 0)
}

func TestFailedSendDetaches(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	p := newPeer(s, "gone")
	p.dead = true
	p.v = s.Join(JoinRequest{}, p)
	s.tick(2)
	expectList(t, "presence", s.h.presence, "1:false")
}

func TestOwnFieldsReachTheOwnerOnly(t *testing.T) {
	s := newStage(t, game.Options{}, nil)
	ann, bob := s.join("ann"), s.join("bob")
	s.tick(1)
	ann.input(1, 0, true)
	s.tick(1)
	ammo := &s.schema.Tables[0].Fields[4].Leaves[0]
	row := make([]int32, s.schema.Tables[0].Lanes)
	delta.Compose(ann.shared, ann.own, 0, 0, row)
	expect(t, "ann's ammo to ann", ammo.Get(row), 100)
	delta.Compose(bob.shared, bob.own, 0, 0, row)
	expect(t, "ann's ammo to bob", ammo.Get(row), 0)
}

// Who was told that the room stands still is told when it goes on, even if it sleeps.
func TestSleepingRoomThatStoodStillGoesOn(t *testing.T) {
	s := newStage(t, game.Options{Sleeps: true}, nil)
	s.h.step = func(c *court, _ game.Tick) { c.w.Sleep(0) }
	ann := s.join("ann")
	s.tick(2)
	expect(t, "asleep", s.asleep, true)
	before := ann.tick
	s.now += time.Second
	s.Stalled()
	s.advance(0)
	if ann.tick <= before {
		t.Error("ann was told that the room stands still, and nothing after that")
	}
	expect(t, "asleep", s.asleep, true)
}
