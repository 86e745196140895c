package room

import (
	"errors"
	"fmt"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/delta"
	"github.com/roomd/roomd/netcode/wire"
)

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

// inherit has p hold what holder does, which then holds nothing.
func (p *peer) inherit(holder *peer) {
	p.shared, p.own, p.lives, p.tick, p.epoch = holder.shared, holder.own, holder.lives, holder.tick, holder.epoch
	if holder.parts > 0 {
		p.tick = 0 // nothing whole is held
	}
	p.from = p.tick
	holder.shared, holder.own, holder.tick = delta.NewState(p.s.schema), delta.NewState(p.s.schema), 0
	holder.lives = map[[2]int]life{}
}

// resumption asks for old's seat with the state that p holds.
func (p *peer) resumption(old *peer) *Resume {
	p.s.t.Helper()
	tok, err := ParseToken(old.welcome.Token)
	if err != nil {
		p.s.t.Fatal(err)
	}
	return &Resume{Seat: tok.Seat, Secret: tok.Secret, Epoch: old.epoch, Tick: p.tick}
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
