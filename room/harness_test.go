package room

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/delta"
	"github.com/roomd/roomd/netcode/wire"
)

// court is the game of the tests: every player has a unit that adds up its
// inputs, a purse that nobody else sees, and a secret in the unit.
type court struct {
	w     *game.World
	units *game.Table[unit]
	purse *game.Table[purse]
	round *game.Value[round]
	hit   *game.Event[hit]
	spark *game.Event[hit]
	note  *game.Event[note]
	hooks *hooks
}

type unit struct {
	X     int32             `net:"all"`
	Last  int8              `net:"all"`
	State uint8             `net:"all"`
	Fires uint16            `net:"all"`
	Ammo  uint8             `net:"owner"`
	Aim   game.ID[unit]     `net:"all"`
	Trail [4]int16          `net:"all"`
	Seen  game.Tick         // of the newest input
	Log   [16]game.PlayerID // never leaves the server
}

type purse struct {
	Coins uint16 `net:"all"`
	Pin   uint32 `net:"owner"`
}

type round struct {
	N uint32 `net:"all"`
}

type hit struct{ N int32 }

type note struct {
	Text string `net:"max=20"`
}

type move struct {
	Dx   int8 `net:"range=-5..5"`
	Fire bool `net:"once"`
}

// hooks let a script put its own rules into the game.
type hooks struct {
	start   func(*court)
	join    func(*court, game.PlayerID, game.JoinInfo) error
	leave   func(*court, game.PlayerID)
	mail    func(*court, string, []byte)
	step    func(*court, game.Tick)
	summary func(*court) game.Params
	close   func() error

	ticks    []game.Tick // of Step
	applied  []string    // "p:State:dx:seen" of each command
	presence []string
}

func (g *court) Start() {
	if g.hooks.start != nil {
		g.hooks.start(g)
	}
}

func (g *court) Join(p game.PlayerID, info game.JoinInfo) error {
	if g.hooks.join != nil {
		if err := g.hooks.join(g, p, info); err != nil {
			return err
		}
	}
	id := g.units.Add(unit{Ammo: uint8(100 + p)})
	g.units.Own(id, p)
	coins := g.purse.Add(purse{Coins: uint16(p) * 10, Pin: 7000 + uint32(p)})
	g.purse.Own(coins, p)
	g.purse.Show(coins, game.Nobody)
	return nil
}

func (g *court) Leave(p game.PlayerID) {
	if g.hooks.leave != nil {
		g.hooks.leave(g, p)
	}
	for id := range g.purse.Of(p) {
		g.purse.Remove(id)
	}
	// The unit stays, without an owner: the engine takes its secrets.
}

func (g *court) Present(p game.PlayerID, connected bool) {
	g.hooks.presence = append(g.hooks.presence, fmt.Sprintf("%d:%t", p, connected))
}

func (g *court) Mail(topic string, body []byte) {
	if g.hooks.mail != nil {
		g.hooks.mail(g, topic, body)
	}
}

func (g *court) Summary() game.Params {
	if g.hooks.summary != nil {
		return g.hooks.summary(g)
	}
	return nil
}

func (g *court) Close() error {
	if g.hooks.close != nil {
		return g.hooks.close()
	}
	return nil
}

func (g *court) Step(now game.Tick, in game.Inputs[move]) {
	g.hooks.ticks = append(g.hooks.ticks, now)
	g.round.Get().N++
	for p := range g.w.Players() {
		c := in.Of(p)
		if c.State != game.Missed {
			g.hooks.applied = append(g.hooks.applied, fmt.Sprintf("%d:%s:%d:%d", p, stateNames[c.State], c.Input.Dx, c.Seen))
		}
		for _, u := range g.units.Of(p) {
			u.X += int32(c.Input.Dx)
			u.Last, u.State, u.Seen = c.Input.Dx, uint8(c.State), c.Seen
			u.Trail[now%4] = int16(u.X)
			if c.Input.Fire {
				u.Fires++
				u.Ammo--
			}
		}
	}
	if g.hooks.step != nil {
		g.hooks.step(g, now)
	}
}

var stateNames = map[game.State]string{game.Missed: "missed", game.Fresh: "fresh", game.Repeated: "repeated"}

func courtKind(o game.Options, h *hooks) *game.Kind {
	return game.Define("court", o, func(w *game.World) game.Game[move] { return newCourt(w, h) })
}

func newCourt(w *game.World, h *hooks) *court {
	return &court{
		w: w, hooks: h,
		units: game.NewTable[unit](w, "unit"), purse: game.NewTable[purse](w, "purse"),
		round: game.NewValue[round](w, "round"),
		hit:   game.NewEvent[hit](w, "hit"), spark: game.NewEvent[hit](w, "spark", game.Fleeting()),
		note: game.NewEvent[note](w, "note"),
	}
}

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
	p := newPeer(s, name)
	s.number++
	p.number = s.number
	s.tape.connect(p.number, false)
	s.peers = append(s.peers, p)
	p.v = s.Join(req, p)
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
	p.shared, p.own, p.lives, p.tick, p.ack = holder.shared, holder.own, holder.lives, holder.tick, old.ack
	holder.shared, holder.own, holder.tick = delta.NewState(s.schema), delta.NewState(s.schema), 0
	holder.lives = map[[2]int]life{}
	if holder.parts > 0 {
		p.tick = 0 // nothing whole is held
	}
	p.from = p.tick
	s.tape.connect(p.number, again)
	tok, err := ParseToken(old.welcome.Token)
	if err != nil {
		s.t.Fatal(err)
	}
	s.peers = append(s.peers, p)
	hash := s.aud.schemaHash
	if !again {
		hash = 0
	}
	p.v = s.Join(JoinRequest{SchemaHash: hash, Resume: &Resume{
		Seat: tok.Seat, Secret: tok.Secret, Epoch: old.welcome.Epoch, Tick: p.tick,
	}}, p)
	return p
}

// peer is a client at the other end of a connection without delay.
type peer struct {
	s      *stage
	name   string
	number uint16 // of the client, which may have had other connections
	handed bool   // the client has another connection now
	v      *Viewer
	closed bool // takes nothing
	limit  int  // frames taken at one time; 0 for all
	taken  int  // at now
	now    time.Duration
	dead   bool // Send fails

	node        string // of a grid
	epoch       uint64
	resets      int
	welcome     wire.Welcome
	shared, own *delta.State
	tick        game.Tick
	ack         uint32
	slack       int16
	drops       int
	kinds       []wire.Kind     // of all messages taken, in order
	backs       []game.Tick     // of all deltas
	from        game.Tick       // held when it resumed, 0 for nothing
	whole       bool            // and the first state was a delta
	lives       map[[2]int]life // by table and row
	parts       int             // taken of a keyframe that is not complete
	fresh       bool            // the newest state was a keyframe, or part of one
	keyAt       time.Duration   // when its first part came
	predicted   int             // deltas that told differences from a prediction
	checks      int             // hashes compared
	selfs       int
	events      []string // "tick:type:value" in order of application
	pongs       []wire.Pong
	bye         wire.Code
	byeText     string
	byes        int
	sentLanes   []int32
	sentSeen    int64
	heldEvents  []heldEvent
	heldBody    []byte
	heldElems   int
	onOffer     func()
}

type heldEvent struct {
	back game.Tick
	text string
}

func newPeer(s *stage, name string) *peer {
	return &peer{
		s: s, name: name, shared: delta.NewState(s.schema), own: delta.NewState(s.schema),
		sentLanes: make([]int32, s.schema.Input.Lanes), slack: -1, lives: map[[2]int]life{},
	}
}

func (p *peer) Send(f *wire.Frame) bool {
	if p.bye != 0 {
		p.s.fatalf("%s: Send after Bye", p.name)
	}
	if p.dead {
		return false
	}
	p.read(f)
	return true
}

func (p *peer) Offer(private, shared *wire.Frame) bool {
	if p.bye != 0 || p.welcome.Tick == 0 {
		p.s.fatalf("%s: Offer after Bye or before the welcome", p.name)
	}
	if p.onOffer != nil {
		p.onOffer()
	}
	if p.closed || p.now == p.s.now && p.taken >= p.limit && p.limit > 0 {
		return false
	}
	if p.now != p.s.now {
		p.now, p.taken = p.s.now, 0
	}
	p.taken++
	if private != nil {
		p.selfs++
		p.read(private)
	}
	p.read(shared)
	if p.parts == 0 && (p.heldBody != nil || len(p.heldEvents) > 0) {
		p.s.fatalf("%s: the frame leaves something held", p.name)
	}
	return true
}

func (p *peer) Bye(code wire.Code, text string, _ time.Duration) {
	p.bye, p.byeText = code, text
	p.byes++
}

// read takes in one frame as a client does (PROTOCOL.md).
func (p *peer) read(f *wire.Frame) {
	p.s.t.Helper()
	p.s.tape.message(p.number, f.Body())
	m := wire.ReadMessages(append([]byte(nil), f.Body()...))
	var events []heldEvent
	state := false
	for m.Next() {
		p.kinds = append(p.kinds, m.Kind())
		var err error
		switch m.Kind() {
		case wire.KindWelcome:
			if p.welcome, err = wire.ReadWelcome(m.Reader(), m.Len()); err == nil {
				p.ack, p.sentSeen, p.epoch = p.welcome.LastSeq, int64(p.welcome.Tick), p.welcome.Epoch
			}
		case wire.KindPong:
			var pong wire.Pong
			pong, err = wire.ReadPong(m.Reader(), m.Len())
			p.pongs = append(p.pongs, pong)
		case wire.KindReset:
			err = p.readReset(m.Reader(), m.Len())
		case wire.KindStalled:
		case wire.KindSelf:
			err = p.readSelf(m.Reader(), m.Len())
		case wire.KindDelta:
			state = true
			var back game.Tick
			var n int
			if back, n, err = wire.ReadDelta(m.Reader(), m.Len()); err == nil {
				p.backs = append(p.backs, back)
				err = p.delta(m.Reader(), n, back)
			}
		case wire.KindKeyframe:
			state = true
			err = p.keyframe(m.Reader(), m.Len())
		case wire.KindCheck:
			var hash uint32
			if hash, err = wire.ReadCheck(m.Reader(), m.Len()); err == nil && hash != p.shared.Hash() {
				err = fmt.Errorf("the state at %d has hash %08x, not %08x", p.tick, p.shared.Hash(), hash)
			}
			p.checks++
		case wire.KindEvent:
			var ev heldEvent
			ev, err = p.readEvent(m.Reader(), m.Len())
			events = append(events, ev)
		default:
			err = errors.New("a message that servers do not send")
		}
		if err != nil {
			p.s.fatalf("%s: %s: %v", p.name, m.Kind(), err)
		}
	}
	if m.Err() != nil {
		p.s.fatalf("%s: %v", p.name, m.Err())
	}
	if !state {
		p.heldEvents = append(p.heldEvents, events...)
		return
	}
	p.fire(events)
}

// readReset drops all but the seat (PROTOCOL.md section 9.5).
func (p *peer) readReset(r *wire.Reader, n int) error {
	q, err := wire.ReadReset(r, n)
	p.epoch, p.ack, p.tick, p.parts = q.Epoch, q.LastSeq, 0, 0
	p.heldBody, p.heldEvents, p.lives = nil, nil, map[[2]int]life{}
	p.resets++
	p.shared.Clear()
	p.own.Clear()
	return err
}

func (p *peer) readSelf(r *wire.Reader, n int) error {
	s, elems, err := wire.ReadSelf(r, n)
	p.ack += s.DAck
	p.slack = s.Slack
	p.drops += int(s.Drops)
	p.heldBody, p.heldElems = append([]byte{}, r.Rest()...), elems
	return err
}

// delta applies a delta, predicted if back says so.
func (p *peer) delta(r *wire.Reader, n int, back game.Tick) error {
	if p.parts > 0 {
		return errors.New("within a keyframe")
	}
	p.fresh = false
	if p.from != 0 && p.tick == p.from {
		p.whole = true
	}
	if back != wire.Predicted {
		p.tick += back
		return errors.Join(p.shared.Apply(r, n), p.takeSelf())
	}
	p.tick++
	p.predicted++
	return errors.Join(p.shared.ApplyPredicted(r, n), p.takeSelf())
}

// keyframe applies a part of a keyframe.
func (p *peer) keyframe(r *wire.Reader, n int) error {
	k, n, err := wire.ReadKeyframe(r, n)
	if err != nil {
		return err
	}
	if k.Part == 0 && p.parts > 0 && p.s.mayBeginAnew(p) {
		p.parts = 0
	}
	if int(k.Part) != p.parts || k.Part > 0 && k.Tick != p.tick {
		return fmt.Errorf("part %d of tick %d after %d of tick %d", k.Part, k.Tick, p.parts, p.tick)
	}
	if k.Part == 0 {
		p.shared.Clear()
		p.own.Clear()
		p.keyAt = p.s.now
	}
	p.tick, p.fresh = k.Tick, true
	p.parts++
	if err := p.shared.Apply(r, n); err != nil || !k.Last {
		return err
	}
	p.parts = 0
	return p.takeSelf()
}

// mayBeginAnew reports whether a keyframe under way may be given up for another:
// entries are kept for those who take long, but not for many and not for ever.
func (s *stage) mayBeginAnew(p *peer) bool {
	pins := 0
	for _, o := range s.peers {
		if o.fresh && o.bye == 0 {
			pins++
		}
	}
	return pins > delta.MaxPins || s.now-p.keyAt >= PinFor
}

func (p *peer) takeSelf() error {
	if p.heldBody == nil {
		return nil
	}
	own := wire.NewReader(p.heldBody)
	p.heldBody = nil
	return p.own.Apply(&own, p.heldElems)
}

func (p *peer) readEvent(r *wire.Reader, n int) (heldEvent, error) {
	ev, elems, err := wire.ReadEvent(r, n)
	if err != nil || elems != 1 {
		return heldEvent{}, errors.Join(err, fmt.Errorf("%d values", elems))
	}
	name := p.s.schema.Events[ev.Type].Name
	if name == "note" {
		text, err := r.ReadStr(20)
		return heldEvent{back: ev.Back, text: name + ":" + string(text)}, err
	}
	v, err := r.ReadInt()
	return heldEvent{back: ev.Back, text: fmt.Sprint(name, ":", v)}, err
}

// fire applies events in order of tick, shared before private ones.
func (p *peer) fire(shared []heldEvent) {
	for len(shared)+len(p.heldEvents) > 0 {
		from := &shared
		if len(shared) == 0 || len(p.heldEvents) > 0 && p.heldEvents[0].back > shared[0].back {
			from = &p.heldEvents
		}
		ev := (*from)[0]
		*from = (*from)[1:]
		p.events = append(p.events, fmt.Sprintf("%d:%s", p.tick-ev.back, ev.text))
	}
	p.heldEvents = nil
}

// input sends one input, dseq after the newest.
func (p *peer) input(dseq uint32, dx int8, fire bool) error {
	in := &p.s.schema.Input
	next := append([]int32(nil), p.sentLanes...)
	in.Fields[0].Leaves[0].Put(next, int64(dx))
	in.Fields[1].Leaves[0].Put(next, int64(map[bool]int{true: 1}[fire]))
	mask, values := delta.AppendInputValues(nil, in, p.sentLanes, next)
	p.sentLanes = next
	seen := int64(p.tick)
	err := p.v.Input(p.s.now, wire.Input{DSeq: dseq, DSeen: int32(seen - p.sentSeen), Mask: mask, Values: values})
	p.sentSeen = seen
	return err
}

func (p *peer) mustInput(dxs ...int8) {
	p.s.t.Helper()
	for _, dx := range dxs {
		if err := p.input(1, dx, false); err != nil {
			p.s.t.Fatal(err)
		}
	}
}

// deltas is the number of deltas and keyframes taken so far.
func (p *peer) states() (deltas, keyframes int) {
	for _, k := range p.kinds {
		switch k {
		case wire.KindDelta:
			deltas++
		case wire.KindKeyframe:
			keyframes++
		}
	}
	return deltas, keyframes
}

func (s *stage) expectStates(p *peer, deltas, keyframes int) {
	s.t.Helper()
	if d, k := p.states(); d != deltas || k != keyframes {
		s.fatalf("%s took %d deltas and %d keyframes, want %d and %d", p.name, d, k, deltas, keyframes)
	}
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
