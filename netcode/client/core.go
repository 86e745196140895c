package client

import (
	"errors"
	"fmt"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/delta"
	"github.com/roomd/roomd/netcode/wire"
)

// Config says what to join and as whom. Kind is needed, all else may be zero.
type Config struct {
	Kind     string // which game
	Room     string // which room; empty for any, or a new one
	Name     string // what to call the player
	Auth     string // for the game's own backend
	Token    string // of a seat to take back, from Core.Token of an earlier process
	Params   game.Params
	Spectate bool // watch without a seat
	// Schema is one that the client knows beforehand: if the server has the
	// same it need not send it.
	Schema *game.Schema
	// Blind follows ticks and acknowledgements but decodes no rows and no
	// events, which is enough, and much cheaper, for generating load.
	Blind bool
}

// ByeError is the server's reason for ending the connection.
type ByeError wire.Bye

func (e *ByeError) Error() string {
	if e.Text != "" && e.Text != e.Code.String() {
		return fmt.Sprintf("client: server said bye: %s: %s", e.Code, e.Text)
	}
	return fmt.Sprintf("client: server said bye: %s", e.Code)
}

// Errors of Core that a caller may want to tell apart.
var (
	// ErrNotJoined: there is no seat on this connection to send inputs for.
	ErrNotJoined = errors.New("client: no seat yet")
	// ErrSchemaChanged: the input was made for another schema; make a new one.
	ErrSchemaChanged = errors.New("client: schema changed")
)

// Stats counts since NewCore.
type Stats struct {
	Bytes     uint64 // received
	Frames    uint64 // state frames applied, keyframes among them
	Keyframes uint64
	Resyncs   uint64 // keyframes asked for
	// Checks is the hashes that the server sent and WrongHashes how many of them
	// were not the state's.
	Checks, WrongHashes uint64
	Drops               uint64 // inputs that the server dropped
	EventsLost          uint64 // dropped because nobody asked for them
	Resets              uint64 // histories that ended while connected
}

// Core is one viewer: it turns received messages into state and makes the
// messages to send. It does no I/O and reads no clock. It is used by one
// goroutine at a time and keeps no slice that it is given.
//
// For each connection, the first and those after a break alike: send Hello,
// give every message to Receive, and after each send what Outgoing returns.
type Core struct {
	cfg   Config
	stats Stats

	// The session, which outlives connections.
	schema   *game.Schema
	hash     uint64
	tables   []names
	eventsBy []names
	inputs   names
	welcome  wire.Welcome // the last one; Schema is not kept
	room     string
	token    string
	shared   *delta.State
	own      *delta.State
	scratch  []int32 // the longest row
	holds    bool    // the states are those of tick
	tick     game.Tick
	ack      uint32
	slack    int16
	seq      uint32
	unacked  []sentInput // oldest first
	spare    [][]int32   // lanes of inputs that are no longer kept
	values   []byte      // of the input being appended
	fault    error       // why a keyframe was asked for

	events     []Event
	eventLanes []int32
	taken      bool // the events were given out

	link link
}

// link is what belongs to one connection.
type link struct {
	resuming bool // hello carried a token or a cursor
	welcomed bool
	bye      *wire.Bye
	out      []byte // to send

	prev     []int32   // the input sent last
	prevSeq  uint32    // its sequence
	prevSeen game.Tick // its seen tick

	told    uint32 // ack as last told
	slack   int16
	waiting bool      // for the keyframe that was asked for
	key     game.Tick // of the keyframe whose parts come
	part    uint16    // the next one
	resyncs int

	// A self waits for its state frame.
	self      []byte // body
	selfElems int
	hasSelf   bool

	// Events wait for the end of the message, private ones for their frame.
	mode    eventMode
	private []Event // Tick is still how far back
	public  []Event

	pong    wire.Pong
	hasPong bool
	stalled bool
	moved   string // where the room is, until it is asked for
}

// NewCore returns a viewer that has not been connected.
func NewCore(cfg Config) *Core {
	c := &Core{cfg: cfg, slack: -1, token: cfg.Token}
	if cfg.Schema != nil {
		c.setSchema(cfg.Schema, cfg.Schema.Hash())
	}
	return c
}

func (c *Core) setSchema(s *game.Schema, hash uint64) {
	c.schema, c.hash, c.holds = s, hash, false
	c.shared, c.own = delta.NewState(s), delta.NewState(s)
	c.tables, c.eventsBy, c.inputs = nil, nil, namesOf(&s.Input)
	lanes := 0
	for i := range s.Tables {
		c.tables = append(c.tables, namesOf(&s.Tables[i]))
		lanes = max(lanes, s.Tables[i].Lanes)
	}
	for i := range s.Events {
		c.eventsBy = append(c.eventsBy, namesOf(&s.Events[i]))
	}
	c.scratch = make([]int32, lanes)
	c.events, c.eventLanes, c.unacked, c.spare = nil, nil, nil, nil
}

// Hello begins a connection and is its first message (PROTOCOL.md, hello). If
// there was one before it asks to resume that: the seat by the token, and the
// state by the cursor.
func (c *Core) Hello() []byte {
	h := wire.Hello{
		Kind: c.cfg.Kind, Room: c.cfg.Room, Name: c.cfg.Name, Auth: c.cfg.Auth, Params: c.cfg.Params,
		Token: c.token, SchemaHash: c.hash,
	}
	if c.cfg.Spectate {
		h.Flags = wire.FlagSpectate
	}
	if c.room != "" {
		h.Room = c.room
	}
	if c.holds {
		h.Epoch, h.Tick = c.welcome.Epoch, c.tick
	}
	l := &c.link
	*l = link{
		resuming: c.token != "" || c.holds,
		out:      l.out[:0], prev: l.prev[:0], self: l.self[:0], private: l.private[:0], public: l.public[:0],
	}
	return wire.AppendHello(nil, h)
}

// Forget gives up what would be resumed, so that the next Hello joins anew.
func (c *Core) Forget() {
	c.token, c.room, c.holds, c.unacked = "", "", false, c.unacked[:0]
}

// Goto names the room of the next Hello, as a server said that it is elsewhere.
func (c *Core) Goto(room string) { c.room = room }

// Outgoing is what must be sent now, whole messages, or nothing. It is valid
// until the next call of Receive or Outgoing.
func (c *Core) Outgoing() []byte {
	out := c.link.out
	c.link.out = out[:0]
	return out
}

// Schema is the room's schema, nil before the first welcome.
func (c *Core) Schema() *game.Schema { return c.schema }

// Welcomed reports whether this connection was welcomed.
func (c *Core) Welcomed() bool { return c.link.welcomed }

// Resumed reports whether this connection goes on from the state of the last.
func (c *Core) Resumed() bool { return c.link.welcomed && c.welcome.Resumed() }

// Seat is the player's seat, 0 for a spectator and before the first welcome.
func (c *Core) Seat() game.PlayerID { return c.welcome.Seat }

// Room is the room's name, empty before the first welcome.
func (c *Core) Room() string { return c.welcome.Room }

// Epoch is the history of the room that ticks count in.
func (c *Core) Epoch() uint64 { return c.welcome.Epoch }

// Token resumes the seat, with the epoch and tick of the state held.
func (c *Core) Token() string { return c.token }

// TickRate is the room's ticks per second, 0 before the first welcome.
func (c *Core) TickRate() int { return c.welcome.TickRate }

// Grace is how long the room keeps the seat of a player who is away.
func (c *Core) Grace() time.Duration { return c.welcome.Grace }

// Tick is the tick of the state held; ok is false while none is.
func (c *Core) Tick() (tick game.Tick, ok bool) { return c.tick, c.holds }

// Ack is the newest input sequence that the state held takes into account.
func (c *Core) Ack() uint32 { return c.ack }

// Slack is how long the input applied in the state's tick had waited in the
// room, in quarter ticks, -1 if none was in time.
func (c *Core) Slack() int { return int(c.slack) }

// Seq is the sequence of the newest input sent.
func (c *Core) Seq() uint32 { return c.seq }

// Unacked is the number of inputs sent and not yet acknowledged, of the last
// MaxUnacked.
func (c *Core) Unacked() int { return len(c.unacked) }

// Fault is why a keyframe was last asked for, nil if none ever was.
func (c *Core) Fault() error { return c.fault }

// Stats is the counts so far.
func (c *Core) Stats() Stats { return c.stats }

// Bye is why the server ended this connection, nil as long as it did not.
func (c *Core) Bye() *ByeError { return (*ByeError)(c.link.bye) }

// Shared is what all of this viewer's teams are shown, nil before the first
// welcome. It is read only; rows are composed of both parts, see delta.Compose.
func (c *Core) Shared() *delta.State { return c.shared }

// Own is what this player alone is shown, like Shared.
func (c *Core) Own() *delta.State { return c.own }

// AppendPing appends a ping; Pong has the answer.
func (c *Core) AppendPing(dst []byte, id uint32, t uint64) []byte {
	return wire.AppendPing(dst, wire.Ping{ID: id, T: t})
}

// Pong is the newest answer to a ping that was not yet asked for here.
func (c *Core) Pong() (p wire.Pong, ok bool) {
	ok, c.link.hasPong = c.link.hasPong, false
	return c.link.pong, ok
}

// Stalled reports whether the server said that the room stands still, and it has not
// gone on since.
func (c *Core) Stalled() bool { return c.link.stalled }

// Moved is where the server said that the room is, if that was not yet asked for: to
// go there or to stay are both right.
func (c *Core) Moved() string {
	url := c.link.moved
	c.link.moved = ""
	return url
}

// AppendLeave appends what gives up the seat at once.
func (c *Core) AppendLeave(dst []byte) []byte { return wire.AppendLeave(dst) }
