package room

import (
	"io"
	"log/slog"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/wire"
)

// simulation is the half of a room that plays: seats, commands, the game. It
// knows viewers as occupants of seats and never calls their peers. Game code
// runs inside its methods only, under guard.
type simulation struct {
	game  *game.Sim
	clock *clock
	stats *Stats
	log   *slog.Logger
	rand  io.Reader
	grace time.Duration
	width int // lanes of an input
	// repeat is how many ticks the last input stands in for a missing one.
	repeat game.Tick
	watch  func() time.Duration // measures Step; may be nil
	guard  guard

	tick game.Tick     // being made, or made last
	now  time.Duration // of that tick

	seats    []seat // by PlayerID, up to the highest that was ever taken; the first is unused
	most     int    // the highest that may be
	players  int    // seats taken
	waiting  int    // commands in all inboxes
	stirred  bool   // a player broke off or gives up its seat
	deadline time.Duration
	arrivals []*Viewer
	mail     []letter
	posts    []letter
	started  bool
	warned   time.Duration // when a slow step was last logged

	// Game code of the tick, as values made once: guard keeps what it runs.
	turnFn, playFn, summaryFn func()
	entry                     *game.Entry   // that playFn fills
	took                      time.Duration // by its Step
	summary                   game.Params   // that summaryFn got
}

// letter is a message between the game and the server's own handlers.
type letter struct {
	topic string
	body  []byte
}

func (s *simulation) init() {
	s.turnFn, s.playFn = s.turn, s.stepAndCapture
	s.summaryFn = func() { s.summary = s.game.Summary() }
	s.seats, s.most = make([]seat, 1), s.game.Options().MaxPlayers
	s.deadline = never
	s.width = s.game.Schema().Input.Lanes
	if s.game.Options().Missing == game.Repeat {
		s.repeat = s.clock.ticks(game.RepeatFor)
	}
}

// begin starts tick t.
func (s *simulation) begin(t game.Tick, now time.Duration) {
	s.tick, s.now = t, now
	s.game.Begin(t)
}

// turnover lets players leave, break off, return and join, and mail arrive. It
// reports whether the game survived. Arrivals then hold the game's answer.
func (s *simulation) turnover() bool {
	if s.started && !s.stirred && s.now < s.deadline && len(s.arrivals) == 0 && len(s.mail) == 0 {
		return true
	}
	return s.guard.run(s.turnFn)
}

// turn is turnover's game code. Those who leave make room for those who join.
func (s *simulation) turn() {
	if !s.started {
		s.started = true
		s.game.Start()
	}
	s.stirred = false
	for p := range s.seats {
		if s.seats[p].taken {
			s.review(game.PlayerID(p))
		}
	}
	for _, v := range s.arrivals {
		s.admit(v)
	}
	for i := range s.mail {
		s.game.Mail(s.mail[i].topic, s.mail[i].body)
		s.mail[i] = letter{}
	}
	s.mail = s.mail[:0]
	s.deadline = never
	for p := range s.seats {
		switch st := &s.seats[p]; {
		case st.taken && !st.present:
			s.deadline = min(s.deadline, st.until)
		case st.taken && st.viewer == nil:
			s.deadline = min(s.deadline, st.held)
		}
	}
}

// review frees the seat p if its player left or its grace is over, and tells the
// game when its connection broke.
func (s *simulation) review(p game.PlayerID) {
	st := &s.seats[p]
	broke := st.viewer == nil && st.present && s.now >= st.held
	switch {
	case st.leaving, broke && s.grace < 0, !st.present && st.viewer == nil && s.now >= st.until:
		s.vacate(p)
	case broke:
		st.present, st.until = false, s.now+s.grace
		s.game.Present(p, false)
	case st.viewer != nil && !st.present: // an edge claimed the seat
		st.present = true
		s.game.Present(p, true)
	}
}

// vacate frees the seat p. The engine releases what the player still owns before
// the seat can be taken again.
func (s *simulation) vacate(p game.PlayerID) {
	s.game.Leave(p)
	s.waiting -= s.seats[p].inbox.n
	s.seats[p].free()
	s.players--
	s.stats.Leaves++
}

// admit answers one arrival in v.answer.
func (s *simulation) admit(v *Viewer) {
	switch {
	case v.gone:
	case v.req.Resume != nil:
		v.answer = s.resume(v, v.req.Resume)
	case v.req.Spectate:
		v.answer = answer{ok: true}
	default:
		v.answer = s.join(v)
	}
}

// join seats a new player in the lowest free seat.
func (s *simulation) join(v *Viewer) answer {
	p := 1
	for p < len(s.seats) && s.seats[p].taken {
		p++
	}
	if p > s.most {
		return answer{code: wire.ByeFull, retry: retryFull}
	}
	var secret [SecretSize]byte
	if _, err := io.ReadFull(s.rand, secret[:]); err != nil {
		s.log.Error("no random numbers for a seat's secret", "err", err)
		return answer{code: wire.ByeRefused}
	}
	seat := game.PlayerID(p)
	info := game.JoinInfo{Name: v.req.Name, User: v.req.User, Params: v.req.Params, Data: v.req.Data}
	if err := s.game.Join(seat, info); err != nil {
		return answer{code: wire.ByeRefused, text: err.Error()}
	}
	s.reach(p)
	s.seats[p].occupy(v, s.tick, hashSecret(secret), s.width)
	s.players++
	s.stats.Joins++
	v.seat = seat
	return answer{ok: true, secret: secret}
}

// reach makes room for seat p, and little more: a seat is large, and few rooms are
// full.
func (s *simulation) reach(p int) {
	if p < len(s.seats) {
		return
	}
	if p >= cap(s.seats) {
		s.seats = append(make([]seat, 0, min(p+1+p/8, s.most+1)), s.seats...)
	}
	s.seats = s.seats[:p+1]
}

// resume gives a seat back to who holds its secret. The secret stays the same:
// were it changed, a player whose welcome got lost would be locked out.
func (s *simulation) resume(v *Viewer, req *Resume) answer {
	if int(req.Seat) >= len(s.seats) || !s.seats[req.Seat].taken || !s.seats[req.Seat].secret.opens(req.Secret) {
		return answer{code: wire.ByeTokenInvalid}
	}
	st := &s.seats[req.Seat]
	old := st.viewer
	st.viewer, v.seat = v, req.Seat
	// Commands of the old connection that wait would be sent again: the welcome
	// tells the newest one applied, and the client repeats what follows.
	s.waiting -= st.inbox.n
	st.inbox.clear()
	if !st.present {
		st.present = true
		s.game.Present(req.Seat, true)
	}
	s.stats.Resumes++
	return answer{ok: true, secret: req.Secret, resumed: true, replaced: old}
}

// claim keeps a seat for the player at an edge whom an owner before gave it to,
// unless the player has come by another way. It runs no game code.
func (s *simulation) claim(v *Viewer, req *Resume) answer {
	if req == nil || int(req.Seat) >= len(s.seats) || !s.seats[req.Seat].taken || !s.seats[req.Seat].secret.opens(req.Secret) {
		return answer{code: wire.ByeTokenInvalid}
	}
	st := &s.seats[req.Seat]
	if st.viewer != nil {
		return answer{code: wire.ByeShutdown, text: "the seat is in use elsewhere", retry: retryNow}
	}
	st.viewer, v.seat = v, req.Seat
	st.held = 0
	s.stirred = true
	return answer{ok: true, secret: req.Secret, resumed: true}
}

// command gives every seat its one command of the tick: the oldest that waits,
// or what the kind's policy puts in its place. This runs no game code.
func (s *simulation) command() {
	for p := range s.seats {
		st := &s.seats[p]
		if !st.taken {
			continue
		}
		state, seen, lanes := st.take(s.clock, s.tick, s.repeat, s.now)
		switch state {
		case game.Fresh:
			s.waiting--
			s.stats.InputsApplied++
		case game.Repeated:
			s.stats.InputsRepeated++
		case game.Missed:
			s.stats.InputsMissed++
			continue
		}
		s.game.Command(game.PlayerID(p), state, seen, lanes)
	}
}

// play runs the game's Step, fills the tick's entry and reports whether the game
// survived. The two are one run of the guard.
func (s *simulation) play(e *game.Entry) bool {
	s.entry, s.took = e, 0
	if !s.guard.run(s.playFn) {
		return false
	}
	s.seat(e)
	s.stats.StepTime += s.took
	s.stats.StepMax = max(s.stats.StepMax, s.took)
	if s.took >= slowStep {
		s.stats.StepsSlow++
		if s.warned == 0 || s.now-s.warned >= slowStepLogEvery {
			s.warned = max(s.now, 1)
			s.log.Warn("a step takes long: all rooms of its loop wait", "tick", s.tick, "took", s.took)
		}
	}
	return true
}

// stepAndCapture is play's game code.
func (s *simulation) stepAndCapture() {
	if s.watch == nil {
		s.game.Step(s.tick)
	} else {
		begin := s.watch()
		s.game.Step(s.tick)
		s.took = s.watch() - begin
	}
	s.game.Capture(s.entry)
}

// capture fills an entry without a Step and reports whether the game survived.
func (s *simulation) capture(e *game.Entry) bool {
	if !s.guard.run(func() { s.game.Capture(e) }) {
		return false
	}
	s.seat(e)
	return true
}

// seat writes what the room knows of the seats into an entry.
func (s *simulation) seat(e *game.Entry) {
	e.Tick = s.tick
	for p := range e.Seats {
		st, to := &s.seats[p], &e.Seats[p]
		to.Present, to.Ack, to.Slack, to.Drops = st.present, st.ack, st.slack, st.drops
	}
}

// post collects what the game posts until the tick is over.
func (s *simulation) post(topic string, body []byte) {
	if len(s.posts) >= MaxPosts {
		s.stats.PostsDropped++
		return
	}
	s.posts = append(s.posts, letter{topic, body})
}

// idle reports whether nothing waits for the next tick.
func (s *simulation) idle() bool {
	return s.waiting == 0 && !s.stirred && len(s.arrivals) == 0 && len(s.mail) == 0
}

// close frees what the game holds outside of Go's memory and reports whether the
// game survived that.
func (s *simulation) close() bool {
	ok := s.guard.run(func() {
		if err := s.game.Close(); err != nil {
			s.log.Warn("the game's Close failed", "err", err)
		}
	})
	s.guard.close()
	return ok
}

// holds reports whether the viewer has its seat: a room that is back from a
// checkpoint may not know the seat.
func (s *simulation) holds(v *Viewer) bool {
	return v.seat != 0 && int(v.seat) < len(s.seats) && s.seats[v.seat].viewer == v
}

// detach takes the viewer off its seat, which waits for its return unless the
// player leaves.
func (s *simulation) detach(v *Viewer, leaves bool) {
	if !s.holds(v) {
		return
	}
	s.seats[v.seat].viewer = nil
	s.seats[v.seat].leaving = s.seats[v.seat].leaving || leaves
	s.stirred = true
}
