package server

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/loop"
	"github.com/roomd/roomd/netcode/wire"
	"github.com/roomd/roomd/room"
)

type stage uint8

const (
	waiting stage = iota // for hello
	placing              // Admit, the directory or the move to the room's loop is under way
	playing              // the room knows the viewer
	closed
)

// link is what carries the messages of a session: a socket or an httpLink. All
// methods are called on its loop.
type link interface {
	Loop() *loop.Loop
	// Move hands the link to another loop, where then runs first.
	Move(to *loop.Loop, then func())
	// SetTimer has session.timer called once at that time; 0 clears it.
	SetTimer(at time.Duration)
	// Quiet and ReadSoon are those of loop.Conn.
	Quiet(on bool)
	ReadSoon()
	// Send and Offer are those of room.Peer.
	Send(f *wire.Frame) bool
	Offer(private, shared *wire.Frame) bool
	// Close ends the link behind everything sent. The reason is for people.
	Close(code uint16, reason string)
}

// session is one connection's life above its link. It belongs to the loop of the
// link, and moves with it. It is the room's Peer.
type session struct {
	srv   *Server
	conn  link
	stage stage
	addr  netip.AddrPort

	*greeting
	host   *hosted
	viewer *room.Viewer
	slot   int  // in host.sessions, -1 when not there
	claim  bool // host.claims counts a seat for this session
	back   bool // it came with the token of a seat

	window time.Duration // second that messages are counted in
	count  int
	bytes  int
}

// greeting is what a session has between its hello and the room's viewer, nil before
// and after.
type greeting struct {
	hello wire.Hello
	admit Admission
	tries int
}

func newSession(srv *Server, l link, addr netip.AddrPort) *session {
	return &session{srv: srv, conn: l, slot: -1, addr: addr}
}

// timer is called by the link: no hello came in time, or no answer to one.
func (s *session) timer() {
	switch s.stage {
	case waiting:
		s.Bye(wire.ByeTimeout, "no hello in time", 0)
	case placing:
		s.Bye(wire.ByeTimeout, "the join took too long", retryHint)
	}
}

// broken is called by the link when it is gone. A seat is kept if the client can know
// of it: by the welcome, as the link tells, or since it came for that seat.
func (s *session) broken(known bool) {
	if s.stage == closed {
		return
	}
	s.stage = closed
	s.leaveHost()
	switch {
	case s.viewer == nil:
	case known || s.back:
		s.viewer.Detach()
	default:
		s.viewer.Leave()
	}
	s.viewer = nil
}

func (s *session) leaveHost() {
	s.answered()
	if s.host != nil {
		s.host.remove(s)
	}
}

// answered releases the seat claimed in the directory: from now on the room's
// own figures count this session, or it is gone.
func (s *session) answered() {
	if s.claim {
		s.claim = false
		s.host.claims.Add(-1)
	}
}

// message takes in what the client sent at once: one message of a WebSocket, or
// the body of a request. b is valid until return.
func (s *session) message(b []byte) {
	if s.stage == closed {
		return
	}
	now := loop.Now()
	if !s.allow(now, len(b)) {
		return
	}
	if err := s.read(now, b); err != nil {
		s.srv.cfg.Log.Debug("bad message", "remote", s.addr, "err", err)
		s.Bye(wire.ByeProtocol, err.Error(), 0)
	}
}

// allow counts a message of n bytes and ends a session that sends too much.
func (s *session) allow(now time.Duration, n int) bool {
	if now-s.window >= time.Second {
		s.window, s.count, s.bytes = now, 0, 0
	}
	s.count++
	s.bytes += n
	switch {
	case s.stage == closed:
		return false
	case s.count > maxMessagesPerSecond:
		s.srv.count.messages.Add(1)
		s.Bye(wire.ByeTooFast, "too many messages", retryHint)
	case s.bytes > maxBytesPerSecond:
		s.srv.count.bytes.Add(1)
		s.Bye(wire.ByeTooFast, "too many bytes", retryHint)
	default:
		return true
	}
	return false
}

// read walks messages that came together (PROTOCOL.md section 3).
// Each counts, as if it had come alone: thousands of pings fit into one, and
// each costs a write.
func (s *session) read(now time.Duration, b []byte) error {
	m := wire.ReadMessages(b)
	for n := 0; m.Next(); n++ {
		if s.stage == closed || n > 0 && !s.allow(now, 0) {
			return nil
		}
		if err := s.dispatch(now, &m); err != nil {
			return err
		}
	}
	return m.Err()
}

var errEarly = errors.New("only hello may come before the welcome")

func (s *session) dispatch(now time.Duration, m *wire.Messages) error {
	r := m.Reader()
	kind := m.Kind()
	if s.stage != playing {
		if kind != wire.KindHello || s.stage != waiting {
			return errEarly
		}
		h, err := wire.ReadHello(r, m.Len())
		if err == nil {
			s.greet(h)
		}
		return err
	}
	switch kind {
	case wire.KindInput:
		in, err := wire.ReadInput(r, m.Len())
		if err != nil {
			return err
		}
		return s.viewer.Input(now, in)
	case wire.KindPing:
		p, err := wire.ReadPing(r, m.Len())
		if err == nil {
			s.viewer.Ping(now, p.ID, p.T)
		}
		return err
	case wire.KindResync:
		q, err := wire.ReadResync(r, m.Len())
		if err == nil {
			s.viewer.Resync(q)
		}
		return err
	case wire.KindLeave:
		s.viewer.Leave()
		s.viewer = nil
		s.Bye(wire.ByeLeft, "", 0)
	case wire.KindHello:
		return errors.New("a second hello")
	}
	return nil
}

// greet checks the hello and sends the session on its way to a room.
func (s *session) greet(h wire.Hello) {
	s.greeting, s.stage = &greeting{hello: h}, placing
	s.conn.SetTimer(loop.Now() + placeTimeout)
	switch {
	case h.Proto != wire.ProtocolVersion:
		s.Bye(wire.ByeVersion, "this server speaks protocol version 1", 0)
	case s.srv.dir.isDraining():
		s.Bye(wire.ByeShutdown, errDraining.Error(), s.srv.wait(wire.ByeShutdown))
	case s.srv.cfg.Admit == nil:
		s.place()
	default:
		s.askAdmit()
	}
}

func (s *session) askAdmit() {
	source := s.srv.gate.Source(s.addr.Addr())
	if !s.srv.admits.begin(source) {
		s.Bye(wire.ByeFull, "too many people are joining", retryHint)
		return
	}
	req := AdmitRequest{
		Kind: s.hello.Kind, Room: s.hello.Room, Name: s.hello.Name, Auth: s.hello.Auth,
		Spectate: s.hello.Spectate(), Params: s.hello.Params, RemoteAddr: s.addr,
	}
	l := s.conn.Loop()
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), admitTimeout)
		defer cancel()
		a, err := s.srv.cfg.Admit(ctx, req)
		s.srv.admits.end(source)
		l.Post(func() { s.admitted(a, err) }) // if the mailbox is full, Timer ends the session
	}()
}

func (s *session) admitted(a Admission, err error) {
	if s.stage != placing {
		return
	}
	if err != nil {
		s.srv.count.refused.Add(1)
		s.Bye(wire.ByeRefused, err.Error(), 0)
		return
	}
	s.admit = a
	s.place()
}

// place finds the room and moves the connection to its loop.
func (s *session) place() {
	a := ask{kind: s.hello.Kind, room: s.hello.Room, spectate: s.hello.Spectate()}
	if k := s.srv.kinds[a.kind]; a.spectate && k != nil && k.Options().SpectateDelay > 0 {
		s.Bye(wire.ByeRefused, "this game is not watched live: see /v1/rooms/{id}/spectate", 0)
		return
	}
	if s.hello.Token != "" {
		t, err := room.ParseToken(s.hello.Token)
		if err != nil {
			s.Bye(wire.ByeTokenInvalid, err.Error(), 0)
			return
		}
		a.room, a.resume = t.Room, true
	}
	if s.srv.shard == nil {
		s.seat(a)
		return
	}
	l := s.conn.Loop()
	s.srv.shard.locate(a, func(to located) {
		l.Post(func() { s.located(a, to) }) // if the mailbox is full, Timer ends the session
	})
}

// located goes on where the cluster says that the room is.
func (s *session) located(a ask, to located) {
	switch {
	case s.stage != placing:
	case to.err != nil:
		s.Bye(byeCode(to.err), to.err.Error(), s.srv.wait(byeCode(to.err)))
	default:
		a.room = to.room
		s.seat(a)
	}
}

// seat goes to a room here, and claims the seat that it is to have there.
func (s *session) seat(a ask) {
	h, err := s.srv.dir.place(a)
	if err != nil {
		s.Bye(byeCode(err), err.Error(), s.srv.wait(byeCode(err)))
		return
	}
	s.host, s.claim = h, a.seat()
	if s.conn.Loop() == h.loop {
		s.arrive()
		return
	}
	s.conn.Move(h.loop, s.arrive)
}

// arrive runs on the room's loop.
func (s *session) arrive() {
	if s.stage != placing {
		return
	}
	if s.host.at().Ended() {
		s.elsewhere(wire.ByeRoomGone, errNoRoom.Error())
		return
	}
	name := s.hello.Name
	if s.admit.Name != "" {
		name = s.admit.Name
	}
	req := room.JoinRequest{
		Name: name, User: s.admit.User, Params: s.hello.Params, Data: s.admit.Data,
		Spectate: s.hello.Spectate(), SchemaHash: s.hello.SchemaHash, Epoch: s.hello.Epoch, Tick: game.Tick(s.hello.Tick),
	}
	if s.hello.Token != "" {
		t, _ := room.ParseToken(s.hello.Token) // parsed once already, in place
		s.back = true
		req.Resume = &room.Resume{Seat: t.Seat, Secret: t.Secret, Epoch: s.hello.Epoch, Tick: game.Tick(s.hello.Tick)}
	}
	s.stage = playing
	s.conn.SetTimer(0)
	if !s.hello.Spectate() { // who only watches says so little that the poller can listen
		s.host.add(s)
	}
	s.viewer = s.host.at().Join(req, s)
	s.greeting = nil
}

// elsewhere tries another room for a session that did not name one, else says
// bye.
func (s *session) elsewhere(code wire.Code, text string) {
	if s.hello.Room != "" || s.hello.Token != "" || s.tries >= placeTries {
		s.Bye(code, text, retryHint)
		return
	}
	s.tries++
	s.leaveHost()
	s.host = nil
	s.place()
}

// Send implements room.Peer. The first thing a room sends is its welcome; the
// claim is released once the room has published that the seat is taken.
func (s *session) Send(f *wire.Frame) bool {
	if s.claim {
		s.host.answered = append(s.host.answered, s)
	}
	return s.conn.Send(f)
}

// Offer implements room.Peer.
func (s *session) Offer(private, shared *wire.Frame) bool {
	return s.conn.Offer(private, shared)
}

// Bye implements room.Peer: it tells the reason and closes. The viewer is the
// room's to forget; it is told nothing more.
func (s *session) Bye(code wire.Code, text string, retry time.Duration) {
	if s.stage == closed {
		return
	}
	s.stage = closed
	s.viewer = nil
	s.leaveHost()
	s.srv.count.bye(code)
	f := s.srv.frames.Get()
	defer f.Release()
	if code.Action() != wire.Retry {
		retry = 0 // waiting would change nothing
	}
	f.B = wire.AppendBye(f.B, wire.Bye{Code: code, Text: text, Retry: retry})
	f.Seal()
	s.conn.Send(f)
	s.conn.Close(code.CloseCode(), closeReason(code, text))
}
