package server

import (
	"crypto/rand"
	"encoding/base32"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/loop"
	"github.com/roomd/roomd/netcode/wire"
	"github.com/roomd/roomd/room"
)

// Reasons why a join finds no room. Each has its bye code.
var (
	errNoKind    = errors.New("no such kind of game here")
	errNoRoom    = errors.New("no such room")
	errOtherKind = errors.New("this room plays another game")
	errTooMany   = errors.New("this server holds as many rooms as it may")
	errFull      = errors.New("the room is full")
	errUnmade    = errors.New("the room cannot be made")
	errDraining  = errors.New("the server is shutting down")

	// In a cluster; each is over soon.
	errStalled     = errors.New("this node has no lease now")
	errRescue      = errors.New("the room is changing hands")
	errUnknownNode = errors.New("the room's node does not say where it is")
)

func byeCode(err error) wire.Code {
	switch {
	case errors.Is(err, errNoKind), errors.Is(err, errOtherKind):
		return wire.ByeUnknownKind
	case errors.Is(err, errNoRoom):
		return wire.ByeRoomGone
	case errors.Is(err, errTooMany), errors.Is(err, errFull):
		return wire.ByeFull
	case errors.Is(err, errDraining), errors.Is(err, errStalled), errors.Is(err, errRescue), errors.Is(err, errUnknownNode):
		return wire.ByeShutdown
	case errors.Is(err, errUnmade):
		return wire.ByeGameFailed
	}
	return wire.ByeRefused
}

// directory maps room names to rooms. It is the only part of the server that
// several loops share, and only joins, ends and lists come here.
type directory struct {
	srv *Server

	mu       sync.Mutex
	rooms    map[string]*hosted
	byKind   map[string][]*hosted // in order of making
	byLoop   map[*loop.Loop]int   // how many of rooms
	past     map[string]*hosted   // rooms that ended, by name, whose end the public is still to see
	epoch    uint64               // the last one given
	draining bool
}

// ask is one search for a room.
type ask struct {
	kind     string
	room     string // empty: any with a free seat, or any to watch
	resume   bool   // the seat is there already, if the room is
	spectate bool
}

// seat reports whether it takes a free seat.
func (a *ask) seat() bool { return !a.resume && !a.spectate }

// place finds or makes the room for a and claims a seat there, if it takes one. The
// caller releases the claim when the room has answered.
func (d *directory) place(a ask) (*hosted, error) {
	kind := d.srv.kinds[a.kind]
	if kind == nil {
		return nil, errNoKind
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.draining {
		return nil, errDraining
	}
	h, err := d.find(kind, a)
	switch {
	case err != nil || h != nil:
	case d.srv.shard != nil:
		err = errRescue // it was here when the cluster was asked
	default:
		h, err = d.create(kind, a.room)
	}
	if err != nil {
		return nil, err
	}
	if a.seat() {
		h.claims.Add(1)
	}
	return h, nil
}

func (d *directory) find(kind *game.Kind, a ask) (*hosted, error) {
	if a.room == "" {
		for _, h := range d.byKind[kind.Name()] {
			if a.spectate || h.free() > 0 {
				return h, nil
			}
		}
		return nil, nil
	}
	h := d.rooms[a.room]
	switch {
	case h == nil && !a.seat():
		return nil, errNoRoom
	case h == nil:
		return nil, nil
	case h.kind != kind:
		return nil, errOtherKind
	case a.seat() && h.free() <= 0:
		return nil, errFull
	}
	return h, nil
}

// free is the number of seats that nobody has or is about to take. The room's
// figures are as of its last tick, claims cover what came since.
func (h *hosted) free() int {
	if !h.owned() {
		return math.MaxInt // the owner knows
	}
	i := h.at().Info()
	return i.MaxPlayers - i.Players - int(h.claims.Load())
}

func (d *directory) create(kind *game.Kind, id string) (*hosted, error) {
	for id == "" || d.rooms[id] != nil {
		id = newRoomID()
	}
	d.epoch = max(d.epoch+1, uint64(d.srv.boot.UnixMilli())) // above those of the process before
	if len(d.rooms) >= d.srv.cfg.MaxRooms {
		return nil, errTooMany
	}
	h, err := d.make(kind, id, d.epoch, nil)
	if err != nil {
		return nil, err
	}
	return h, d.enlist(h)
}

// make makes a room, new or from a checkpoint, that nobody can find yet.
func (d *directory) make(kind *game.Kind, id string, epoch uint64, checkpoint []byte) (*hosted, error) {
	h := &hosted{id: id, srv: d.srv, isolated: kind.Options().Isolated, kind: kind}
	log := d.srv.cfg.Log.With("room", id, "kind", kind.Name())
	cfg := room.Config{
		ID: id, Kind: kind, Epoch: epoch, Params: d.srv.cfg.Params,
		Phase: phase(kind, epoch), Grace: d.srv.cfg.Grace, Empty: d.srv.cfg.Empty,
		Post:   func(topic string, body []byte) { d.srv.post(id, topic, body) },
		OnWake: h.wake, Clock: loop.Now, Frames: &d.srv.frames,
		Scratch: &d.srv.scratch, Log: log,
	}
	var err error
	var r *room.Room
	if checkpoint != nil {
		r, err = room.Restore(cfg, checkpoint, loop.Now())
	} else {
		r, err = room.New(cfg, loop.Now())
	}
	if err != nil {
		log.Error("a room cannot be made", "err", err) // the game's own failure is not the client's to read
		return nil, errUnmade
	}
	h.play.Store(playRoom(r))
	return h, nil
}

// adopt takes in a room that make made, or has an edge of it here become it. One that
// is not fresh is nobody's if it is not this server's: it may be one more than MaxRooms.
func (d *directory) adopt(h *hosted, fresh bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	edge := d.rooms[h.id]
	switch {
	case edge != nil && edge.loop.Must(func() { edge.become(h) }):
		return nil
	case edge == nil && (!fresh || len(d.rooms) < d.srv.cfg.MaxRooms):
		return d.enlist(h)
	}
	h.at().Stop(wire.ByeFull, "", 0)
	return errTooMany
}

// takes reports whether a room may come here beside n others that are on their way.
func (d *directory) takes(id string, n int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rooms[id] != nil || len(d.rooms)+n < d.srv.cfg.MaxRooms
}

// list has joins that name no room find one, and unlist not any more.
func (d *directory) list(h *hosted) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.rooms[h.id] == h && !slices.Contains(d.byKind[h.kind.Name()], h) {
		d.byKind[h.kind.Name()] = append(d.byKind[h.kind.Name()], h)
	}
}

func (d *directory) unlist(h *hosted) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.strike(h)
}

func (d *directory) strike(h *hosted) {
	list := d.byKind[h.kind.Name()]
	if i := slices.Index(list, h); i >= 0 {
		d.byKind[h.kind.Name()] = slices.Delete(list, i, i+1)
	}
}

// enlist gives a room a loop and lets it be found. The lock is held.
func (d *directory) enlist(h *hosted) (err error) {
	if h.loop, err = d.srv.loopFor(h.kind); err != nil {
		d.srv.cfg.Log.Error("no loop for a room", "room", h.id, "err", err)
	}
	if err != nil || !h.loop.Must(h.begin) {
		h.at().Stop(wire.ByeFull, "", 0) // frees what its game holds
		return errTooMany
	}
	d.rooms[h.id] = h
	d.byLoop[h.loop]++
	if h.owned() {
		d.byKind[h.kind.Name()] = append(d.byKind[h.kind.Name()], h)
	}
	return nil
}

// seek is a room here for a join that names none, nil if there is none.
func (d *directory) seek(a ask) (*hosted, error) {
	kind := d.srv.kinds[a.kind]
	if kind == nil {
		return nil, errNoKind
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.find(kind, a)
}

// phase spreads the ticks of rooms over the millisecond slots of a tick, so
// that a loop's work, its writes and the garbage they make are even. Taking
// every golden-section step fills the gaps first, however many rooms there are.
func phase(kind *game.Kind, epoch uint64) time.Duration {
	const golden = 0.6180339887498949
	dt := float64(time.Second) / float64(kind.Options().TickRate)
	n := float64(epoch%4096) * golden
	return time.Duration((n - float64(int(n))) * dt)
}

func (d *directory) remove(h *hosted) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.drop(h)
}

func (d *directory) drop(h *hosted) {
	if d.rooms[h.id] != h {
		return
	}
	delete(d.rooms, h.id)
	if d.byLoop[h.loop]--; d.byLoop[h.loop] == 0 {
		delete(d.byLoop, h.loop)
	}
	if h.pub != nil {
		d.past[h.id] = h
	}
	d.strike(h)
}

// watched is the room of that name, or the last one of that name as long as the
// public has not seen its end.
func (d *directory) watched(id string) *hosted {
	d.mu.Lock()
	defer d.mu.Unlock()
	if h := d.rooms[id]; h != nil {
		return h
	}
	return d.past[id]
}

// shown is every room, and those that ended and whose end the public is still to
// see.
func (d *directory) shown() []*hosted {
	list := d.all()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, h := range d.past {
		list = append(list, h)
	}
	return list
}

// forget lets go of a room whose end everybody has seen.
func (d *directory) forget(h *hosted) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.past[h.id] == h {
		delete(d.past, h.id)
	}
}

func (d *directory) get(id string) *hosted {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rooms[id]
}

// owned is every room that is this server's, ordered by name.
func (d *directory) owned() []*hosted {
	return slices.DeleteFunc(d.all(), func(h *hosted) bool { return !h.owned() })
}

// all is every room and every edge, ordered by name.
func (d *directory) all() []*hosted {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := make([]*hosted, 0, len(d.rooms))
	for _, h := range d.rooms {
		list = append(list, h)
	}
	slices.SortFunc(list, func(a, b *hosted) int { return strings.Compare(a.id, b.id) })
	return list
}

// drain refuses joins from now on and returns the rooms to stop.
func (d *directory) drain() []*hosted {
	d.mu.Lock()
	d.draining = true
	d.mu.Unlock()
	return d.all()
}

func (d *directory) isDraining() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.draining
}

func newRoomID() string {
	var b [5]byte
	rand.Read(b[:]) // never fails, see crypto/rand
	return strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
}
