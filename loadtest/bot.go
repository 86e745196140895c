package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/loadtest/human"
	"github.com/roomd/roomd/netcode/delta"
	"github.com/roomd/roomd/netcode/loop"
	"github.com/roomd/roomd/netcode/wire"
)

const (
	// turnEvery is the number of inputs between changes of direction, as the
	// fixed workload wants it.
	turnEvery = 15
	// steerEvery is the number of states between two looks at the slack.
	steerEvery = 30
	// inFlight is the number of inputs whose send time a bot remembers.
	inFlight = 256
	// maxFrame bounds what a bot keeps of one frame, in bytes.
	maxFrame = 4 << 20
)

// swarm is what all bots of a run share. It belongs to the bots' loop.
type swarm struct {
	addr, kind string
	bots       []*bot
	schemas    map[uint64]*game.Schema
	rooms      map[string]roomState
	measure    bool
	from, to   time.Duration // inputs due from and before which are timed
	ready      int           // bots that have had a state
	lost       int
	why        error // of the first bot that was lost
	sent       int64
	bytes      int64
	frames     int64
	checked    int64
	wrong      int64
	latency    func(time.Duration)
	trouble    *trouble // nil: all are well
}

// begin begins to measure.
func (s *swarm) begin() { s.measure, s.from, s.to = true, loop.Now(), loop.Never }

// end ends it. Inputs that were due before are timed until their answers are here.
func (s *swarm) end() { s.measure, s.to = false, loop.Now() }

// away is the number of bots that lost their connection and have no state since.
func (s *swarm) away() (n int) {
	for _, b := range s.bots {
		if b.dropped != 0 && !b.gone {
			n++
		}
	}
	return n
}

// waiting is the number of inputs to be timed that no state has answered yet.
func (s *swarm) waiting() (n int) {
	for _, b := range s.bots {
		if !b.decode && b.brain == nil || !b.playing || b.gone {
			continue
		}
		for ahead := range min(b.seq-b.ack, inFlight) {
			if s.timed(b.sentAt[(b.seq-ahead)%inFlight]) {
				n++
			}
		}
	}
	return n
}

// timed reports whether inputs that were due then are timed.
func (s *swarm) timed(due time.Duration) bool { return due >= s.from && due < s.to }

// roomState is the newest state that any decoding bot of a room has seen.
type roomState struct {
	tick game.Tick
	hash uint32
}

// bot is one player. Most bots only count what they get; those with decode set
// keep the state, time their inputs and check what they see.
type bot struct {
	swarm    *swarm
	conn     *loop.Conn
	room     string
	decode   bool
	upgraded bool
	playing  bool
	seen     bool // has had a state
	gone     bool

	schema *game.Schema
	state  *delta.State
	holds  bool // state is that of tick
	tick   game.Tick
	ack    uint32
	own    int    // row that carries this bot's numbers, -1 while not found
	base   uint32 // Seq fields are base + the input's sequence
	first  uint32 // sequence that the welcome told

	brain  *brain        // nil: it presses the script
	script []human.Press // nil: random inputs
	line   int           // of it, next

	reports int   // of slack, since the bot last steered
	least   int16 // of them, in quarter ticks
	skip    int   // inputs that are not to be sent

	token   string
	seat    game.PlayerID
	dropped time.Duration // since when there is no connection, 0: there is one
	tries   int           // to come back

	seq      uint32
	told     game.Tick // seen, as last sent
	sent     []int32
	next     []int32
	sentAt   [inFlight]time.Duration
	out, msg []byte
}

func (b *bot) start(l *loop.Loop) error {
	c, err := l.Dial(b.swarm.addr, b)
	if err != nil {
		return err
	}
	b.conn = c
	c.SetMaxPending(maxFrame)
	return c.Write(upgradeRequest(b.swarm.addr))
}

// Read implements loop.Handler.
func (b *bot) Read(c *loop.Conn, p []byte) int {
	used := 0
	if !b.upgraded {
		n, err := cutHead(p)
		if n == 0 || err != nil {
			if err != nil {
				c.Close(err)
			}
			return 0
		}
		used, b.upgraded = n, true
		hello := b.hello()
		c.Write(appendFrame(nil, opBinary, hello))
	}
	for {
		op, payload, n := cutFrame(p[used:])
		if n == 0 {
			return used
		}
		used += n
		if err := b.frame(c, op, payload, n); err != nil {
			c.Close(err)
			return used
		}
	}
}

func (b *bot) hello() []byte {
	if b.brain != nil {
		return b.brain.core.Hello()
	}
	return wire.AppendHello(nil, wire.Hello{Kind: b.swarm.kind, Room: b.room, Name: "bot", Token: b.token})
}

// Timer implements loop.Handler; bots set none.
func (b *bot) Timer(*loop.Conn, time.Duration) {}

// Closed implements loop.Handler.
func (b *bot) Closed(_ *loop.Conn, err error) {
	if b.swarm.trouble != nil && b.swarm.trouble.broken(b) {
		return
	}
	b.gone = true
	b.swarm.lost++
	if b.swarm.why == nil {
		b.swarm.why = fmt.Errorf("bot in room %s: %w", b.room, err)
	}
}

func (b *bot) frame(c *loop.Conn, op byte, payload []byte, size int) error {
	switch op {
	case opPing:
		return c.Write(appendFrame(nil, opPong, payload))
	case opClose:
		return errors.New("the server closed")
	case opBinary:
		if b.swarm.measure {
			b.swarm.bytes += int64(size)
			b.swarm.frames++
		}
		if b.brain != nil {
			return b.see(payload)
		}
		if b.playing && !b.decode && b.seen && b.dropped == 0 {
			return nil
		}
		return b.messages(payload)
	}
	return nil
}

func (b *bot) messages(payload []byte) error {
	m := wire.ReadMessages(payload)
	for m.Next() {
		if err := b.message(&m); err != nil {
			return err
		}
	}
	return m.Err()
}

func (b *bot) message(m *wire.Messages) error {
	r, n := m.Reader(), m.Len()
	switch m.Kind() {
	case wire.KindWelcome:
		w, err := wire.ReadWelcome(r, n)
		if err == nil {
			b.welcome(w)
		}
		return err
	case wire.KindBye:
		bye, err := wire.ReadBye(r, n)
		if err == nil {
			err = fmt.Errorf("bye: %s (%s)", bye.Code, bye.Text)
		}
		return err
	case wire.KindSelf:
		if s, _, err := wire.ReadSelf(r, n); err != nil {
			return err
		} else if b.decode {
			b.acked(s.DAck)
			b.steer(s.Slack)
		}
	case wire.KindKeyframe, wire.KindDelta:
		return b.frameOfState(m.Kind(), r, n)
	case wire.KindCheck:
		return b.checked(r, n)
	}
	return nil
}

func (b *bot) welcome(w wire.Welcome) {
	b.schema = b.swarm.schemas[w.SchemaHash]
	if b.schema == nil {
		b.schema = w.Schema
		b.swarm.schemas[w.SchemaHash] = w.Schema
	}
	if b.token != "" && b.seat != w.Seat {
		b.swarm.trouble.reseated++
	}
	b.playing, b.token, b.seat = true, w.Token, w.Seat
	b.seq, b.ack, b.first, b.told = w.LastSeq, w.LastSeq, w.LastSeq, w.Tick
	b.sent = make([]int32, b.schema.Input.Lanes)
	b.next = make([]int32, b.schema.Input.Lanes)
	if b.decode {
		b.state = delta.NewState(b.schema)
	}
}

// shown notes that the bot is shown a state.
func (b *bot) shown() {
	if !b.seen {
		b.seen = true
		b.swarm.ready++
	}
	if b.dropped != 0 {
		b.swarm.trouble.returned(b)
	}
}

// frameOfState decodes a state, or only notes that there is one.
func (b *bot) frameOfState(kind wire.Kind, r *wire.Reader, n int) error {
	b.shown()
	if !b.decode {
		return nil
	}
	if kind == wire.KindKeyframe {
		k, elems, err := wire.ReadKeyframe(r, n)
		if err != nil {
			return err
		}
		if k.Part == 0 {
			b.state.Clear()
		}
		b.tick, b.holds = k.Tick, k.Last
		return b.state.Apply(r, elems)
	}
	back, elems, err := wire.ReadDelta(r, n)
	if err != nil {
		return err
	}
	if !b.holds {
		return errors.New("a delta before the first keyframe")
	}
	if back == wire.Predicted {
		b.tick++
		err = b.state.ApplyPredicted(r, elems)
	} else {
		b.tick += back
		err = b.state.Apply(r, elems)
	}
	if err == nil && b.swarm.measure {
		b.check()
	}
	return err
}

// checked compares the state with the server's own hash of it.
func (b *bot) checked(r *wire.Reader, n int) error {
	hash, err := wire.ReadCheck(r, n)
	if err == nil && b.decode && b.swarm.measure && hash != b.state.Hash() {
		b.swarm.wrong++
	}
	return err
}

// acked times the inputs that the state to come is the first to hold. When they were due
// decides which are measured: the answers that are slow come after the time measured.
func (b *bot) acked(n uint32) {
	now := loop.Now()
	for range n {
		b.ack++
		if b.seq-b.ack < inFlight {
			if at := b.sentAt[b.ack%inFlight]; b.swarm.timed(at) {
				b.swarm.latency(now - at)
			}
		}
	}
}

// steer gives up the lead that a pause of either side has left: inputs that came
// in a burst wait one behind the other for ever if all go on at the same rate.
// Players' clients do the same (PROTOCOL.md section 8.4), only more smoothly.
func (b *bot) steer(slack int16) {
	if b.reports == 0 || slack < b.least {
		b.least = slack
	}
	if b.reports++; b.reports == steerEvery {
		b.skip, b.reports = max(int(b.least)/4, 0), 0
	}
}

// check compares the state with what this bot knows to be true: its own row
// holds the number of its newest input that was acknowledged, and every bot of
// the room sees the same rows in the same tick.
func (b *bot) check() {
	s := b.swarm
	s.checked++
	if !b.ownRow() {
		s.wrong++
	}
	known := s.rooms[b.room]
	switch sum := b.state.Hash(); {
	case known.tick == b.tick && known.hash != sum:
		s.wrong++
	case b.tick > known.tick:
		s.rooms[b.room] = roomState{b.tick, sum}
	}
}

// ownRow finds this bot's row by its numbers, where the kind has them.
func (b *bot) ownRow() bool {
	leaf := seqLeaf(&b.schema.Tables[0])
	if leaf == nil || b.ack == b.first {
		return true
	}
	want := int64(b.base + b.ack)
	if b.own < 0 {
		for row, lanes := range b.state.Rows(0) {
			if leaf.Get(lanes) == want {
				b.own = row
			}
		}
	}
	lanes, ok := b.state.Row(0, max(b.own, 0))
	return b.own >= 0 && ok && leaf.Get(lanes) == want
}

// seqLeaf is the field that carries inputs' numbers.
func seqLeaf(r *game.RowSchema) *game.Leaf {
	for i := range r.Fields {
		if f := &r.Fields[i]; f.Name == "seq" && len(f.Leaves) == 1 {
			return &f.Leaves[0]
		}
	}
	return nil
}

// send writes one input that was due at the given time: a new direction every
// turnEvery inputs, and the input's number where the kind has a field for it.
func (b *bot) send(due time.Duration) {
	if !b.playing || b.gone {
		return
	}
	if b.skip > 0 {
		b.skip--
		return
	}
	if b.brain != nil {
		b.think(due)
		return
	}
	b.seq++
	in := &b.schema.Input
	number := seqLeaf(in)
	if b.script != nil {
		b.press(b.script[b.line%len(b.script)])
		b.line++
	} else if (b.seq+b.base)%turnEvery == 0 {
		for i := range in.Fields {
			for j := range in.Fields[i].Leaves {
				b.randomize(&in.Fields[i].Leaves[j])
			}
		}
	}
	if number != nil {
		number.Put(b.next, int64(b.base+b.seq))
	}
	m := wire.Input{DSeq: 1, DSeen: int32(int64(b.tick) - int64(b.told))}
	if b.tick == 0 {
		m.DSeen = 0
	} else {
		b.told = b.tick
	}
	b.msg = b.msg[:0]
	m.Mask, m.Values = delta.AppendInputValues(b.msg, in, b.sent, b.next)
	copy(b.sent, b.next)
	b.sentAt[b.seq%inFlight] = due
	b.out = appendFrame(b.out[:0], opBinary, wire.AppendInput(nil, m))
	b.swarm.sent++
	b.conn.Write(b.out)
}

// press puts what a person did into the inputs of those names.
func (b *bot) press(p human.Press) {
	x, y, aim, fire := p.Stick()
	values := map[string]int64{"moveX": int64(x), "moveY": int64(y), "aim": int64(aim), "fire": 0}
	if fire {
		values["fire"] = 1
	}
	for i := range b.schema.Input.Fields {
		f := &b.schema.Input.Fields[i]
		if v, ok := values[f.Name]; ok && len(f.Leaves) == 1 {
			f.Leaves[0].Put(b.next, v)
		}
	}
}

func (b *bot) randomize(l *game.Leaf) {
	switch l.Type {
	case game.LeafString, game.LeafRef:
	case game.LeafBool:
		l.Put(b.next, rand.Int64N(2))
	default:
		span := min(l.Max-l.Min, 1<<16)
		l.Put(b.next, l.Min+rand.Int64N(span+1))
	}
}
