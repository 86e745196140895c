package room

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/delta"
	"github.com/roomd/roomd/netcode/wire"
)

// Peer is one viewer's connection, as the room sees it. All calls come from the
// room's goroutine, outside game code. A Peer may call the Viewer's methods and
// Room.Join from inside its own.
type Peer interface {
	// Send queues a control frame, within the connection's bound. false says
	// that the connection is closing.
	Send(f *wire.Frame) bool
	// Offer hands over one tick in one write: first private, which may be nil
	// and is valid until return only, then shared, which the peer retains if it
	// keeps it. true says that the first byte is on its way and the rest will
	// follow; false that nothing was taken, and the next tick's offer will hold
	// what this one did.
	Offer(private, shared *wire.Frame) bool
	// Bye tells why the connection ends and closes it when that is flushed. The
	// room makes no more calls.
	Bye(code wire.Code, text string, retry time.Duration)
}

// JoinRequest says who wants to play or watch. Params and Data are kept until
// the join is answered.
type JoinRequest struct {
	Name   string // as the player asks to be called; cut to wire.MaxName bytes
	User   string // as the server identified the player
	Params game.Params
	Data   []byte
	// Spectate asks to watch without a seat.
	Spectate bool
	// Resume asks for a seat held before, rather than a new one.
	Resume *Resume
	// Epoch and Tick are the cursor of a client that was here before: it is shown
	// nothing older. 0 for none.
	Epoch uint64
	Tick  game.Tick
	// SchemaHash is that of the schema the client has, 0 for none: the welcome
	// leaves out a schema that the client has.
	SchemaHash uint64
}

// Resume names a seat to take back and the last state the client holds of it.
type Resume struct {
	Seat   game.PlayerID
	Secret [SecretSize]byte
	Epoch  uint64    // with Tick, the client's cursor; 0 for none
	Tick   game.Tick // newest tick that the client holds
}

// Viewer is one connection to a room: a player's or a spectator's. Its methods
// belong to the room's goroutine; after a Bye, Leave or Detach they do nothing.
type Viewer struct {
	aud  *audience
	peer Peer
	*arrival
	secret [SecretSize]byte // that holds the seat
	seat   game.PlayerID    // 0 for spectators and until seated
	joined bool             // welcomed
	gone   bool             // the room makes no more calls to the peer

	// What the peer holds.
	base      game.Tick     // newest tick taken, up to which events are known; 0 for none
	based     bool          // the state of base is held: the next frame is a delta
	baseTeams game.Teams    // the viewer's teams at base
	run       int           // states taken tick after tick by the same teams, up to predictRun
	transfer  *transfer     // the keyframe under way
	pinned    *game.Entry   // that of a keyframe under way
	pinnedAt  time.Duration // since when
	took      time.Duration // when a frame was last taken, or none was left to take
	lost      bool          // lasting events are gone for this viewer
	told      inputState    // that the peer took
	offered   inputState    // of the newest offer

	resync   bool          // the peer asked for a keyframe
	resynced time.Duration // when it last got one that it asked for

	remote *remote // where the viewer is, if not here
	relay  *errand // what an edge keeps of it

	// The inputs of this connection: the newest, as it was sent.
	seq   uint32
	seen  int64
	sent  []int32
	input []int32 // decoded
}

// arrival is what a viewer is until it is welcomed, nil afterwards.
type arrival struct {
	req    JoinRequest
	answer answer
}

// inputState is what a self message says of a player's inputs.
type inputState struct {
	ack   uint32
	drops uint32 // modulo 2^32
	slack int16
}

// answer is the simulation's to an arrival.
type answer struct {
	ok       bool
	code     wire.Code // when not ok
	text     string
	retry    time.Duration
	secret   [SecretSize]byte
	resumed  bool
	replaced *Viewer // who had the seat until now
}

var (
	errEarlyInput = errors.New("room: an input before the welcome")
	errSpectator  = errors.New("room: an input from a spectator")
	errSequence   = errors.New("room: input sequence out of range")
)

// Join brings a viewer in. It takes effect at the next tick, which tells the
// peer a welcome or a bye. The returned Viewer is valid at once.
func (r *Room) Join(req JoinRequest, p Peer) *Viewer {
	v := &Viewer{aud: r.aud, peer: p, arrival: &arrival{req: req}}
	v.req.Name = cutText(req.Name, wire.MaxName)
	switch {
	case r.ended:
		v.bye(wire.ByeRoomGone, "", 0)
	default:
		r.arrive(v)
	}
	return v
}

func (r *Room) arrive(v *Viewer) {
	if len(r.sim.arrivals) >= MaxArrivals || len(r.aud.viewers)+len(r.sim.arrivals) >= MaxViewers {
		v.bye(wire.ByeFull, "", retryFull)
		return
	}
	r.sim.arrivals = append(r.sim.arrivals, v)
	r.wake()
}

// Input takes in one input of the player. in.Values are not kept. An error says
// that the client broke the protocol, and the caller ends the connection; how
// often inputs may come is the caller's to bound.
func (v *Viewer) Input(now time.Duration, in wire.Input) error {
	switch {
	case v.gone:
		return nil
	case !v.joined:
		return errEarlyInput
	case v.seat == 0:
		return errSpectator
	case in.DSeq == 0 || in.DSeq > math.MaxUint32-v.seq:
		return errSequence
	}
	if err := delta.DecodeInput(&v.aud.schema.Input, v.sent, in, v.input); err != nil {
		return fmt.Errorf("room: %w", err)
	}
	v.seq += in.DSeq
	v.seen += int64(in.DSeen)
	seen := game.Tick(min(max(v.seen, 0), int64(v.aud.tick())))
	v.aud.actor.input(v, command{seq: v.seq, seen: seen, at: now}, v.input)
	return nil
}

// Resync has the viewer sent a keyframe in place of the next delta, at most once
// a second.
func (v *Viewer) Resync(q wire.Resync) {
	if v.gone || !v.joined {
		return
	}
	a := v.aud
	a.stats.Resyncs++
	if q.Hashed && !v.resync {
		a.stats.WrongHashes++
		a.blame(v, q)
	}
	if !v.resync {
		v.resync = true
		a.unserved++
	}
	a.actor.wake()
}

// Ping answers at once with the room's tick at now.
func (v *Viewer) Ping(now time.Duration, id uint32, t uint64) {
	if v.gone || !v.joined {
		return
	}
	f := v.aud.pool.Get()
	f.B = wire.AppendPong(f.B, wire.Pong{ID: id, T: t, Tick: v.aud.actor.tickAt(now)})
	v.send(f)
}

// Leave gives up the seat at the next tick. The room makes no more calls to the
// peer, which the caller closes.
func (v *Viewer) Leave() { v.part(true) }

// Detach says that the connection is gone. The seat is kept for Config.Grace.
func (v *Viewer) Detach() { v.part(false) }

// part takes the viewer out and reports whether it was in.
func (v *Viewer) part(leaves bool) bool {
	if v.gone {
		return false
	}
	v.gone = true
	v.aud.forget(v)
	v.aud.actor.detach(v, leaves)
	v.aud.actor.wake()
	return true
}

// Seat is the player's, or 0 for a spectator and before the welcome.
func (v *Viewer) Seat() game.PlayerID { return v.seat }

// bye tells the peer why it ends, unless that is no peer of the room's any more.
// A seat is kept as by Detach.
func (v *Viewer) bye(code wire.Code, text string, retry time.Duration) {
	if v.part(false) {
		v.peer.Bye(code, cutText(text, wire.MaxText), retry)
	}
}

// send seals, sends and releases a control frame.
func (v *Viewer) send(f *wire.Frame) {
	f.Seal()
	ok := v.peer.Send(f)
	f.Release()
	if !ok {
		v.Detach()
	}
}

// seated is what a welcome says of the seat.
type seated struct {
	answer
	ack, drops uint32
	since      game.Tick // tick of the join
}

// welcome attaches a viewer whose answer is there.
func (a *audience) welcome(v *Viewer, st seated, now time.Duration) {
	w := wire.Welcome{
		Proto: wire.ProtocolVersion, Room: a.id, Epoch: a.epoch, Seat: v.seat,
		Tick: a.tick(), TickRate: a.schema.TickRate, Grace: max(a.grace, 0), SchemaHash: a.schemaHash,
	}
	if v.req.SchemaHash != a.schemaHash {
		w.Schema = a.schema
	}
	v.joined, v.took, v.told.slack = true, now, -1
	v.seen = int64(w.Tick)
	if v.seat != 0 {
		w.Token = Token{Room: a.id, Seat: v.seat, Secret: st.secret}.String()
		w.LastSeq = st.ack
		v.seq, v.told.ack, v.told.drops = st.ack, st.ack, st.drops
		width := a.schema.Input.Lanes
		v.sent, v.input = make([]int32, width), make([]int32, width)
	}
	if st.resumed {
		w.Flags |= wire.FlagResumed
		a.restore(v, v.req.Resume, st.since)
	}
	v.arrival, v.secret = nil, st.secret
	f := a.pool.Get()
	f.B = wire.AppendWelcome(f.B, w)
	a.admit(v)
	v.send(f)
}

// cutText makes s valid UTF-8 of at most n bytes.
func cutText(s string, n int) string {
	s = strings.ToValidUTF8(s, "")
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n], "")
	}
	return s
}
