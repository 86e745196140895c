package server

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roomd/roomd/netcode/gate"
	"github.com/roomd/roomd/netcode/loop"
	"github.com/roomd/roomd/netcode/sse"
	"github.com/roomd/roomd/netcode/wire"
)

// httpLink carries a session over HTTP requests (PROTOCOL.md section 17): what
// goes down waits in a Downlink until the client says that it has it, what comes
// up is numbered so that a request sent twice counts once. It belongs to the loop
// that at names, and is the loop.Driver of its deadlines.
type httpLink struct {
	srv *Server
	id  string
	at  atomic.Pointer[loop.Loop]

	stay    *gate.Stay // that it counts for its address
	ses     *session
	task    *loop.Task
	down    sse.Downlink
	timer   time.Duration // the session's; 0: none
	seq     uint64        // of the newest post taken
	heard   time.Duration // when the client last asked for something
	present time.Duration // when a reader was last there
	acked   bool          // the client has something
	ended   time.Duration // when it was closed; 0: not yet
	told    atomic.Bool   // its end was given to the client

	to   *loop.Loop // where it is going; nil: nowhere
	then func()
	wait []func(gone bool) // what arrived meanwhile
}

// httpLinks finds links by name. Every goroutine may use it.
type httpLinks struct {
	mu sync.Mutex
	by map[string]*httpLink
}

func (t *httpLinks) get(id string) *httpLink {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.by[id]
}

// add reports false when there are as many as may be.
func (t *httpLinks) add(k *httpLink) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.by) >= maxHTTPLinks {
		return false
	}
	if t.by == nil {
		t.by = map[string]*httpLink{}
	}
	t.by[k.id] = k
	return true
}

func (t *httpLinks) remove(k *httpLink) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.by, k.id)
	k.stay.Gone()
}

// any reports whether there is a link for which f holds.
func (t *httpLinks) any(f func(k *httpLink) bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, k := range t.by {
		if f(k) {
			return true
		}
	}
	return false
}

func (t *httpLinks) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.by)
}

// Reasons why a request of a session is not served. Each has its status.
var (
	errNoSession = errors.New("no session of this name is here")
	errBusy      = errors.New("the server is busy, try again")
	errGap       = errors.New("seq leaves a gap: post what comes before it first")
	errEnded     = errors.New("the session has ended")
)

// newHTTPLink begins a session with its hello, which it takes over, as it does with
// stay.
func (s *Server) newHTTPLink(hello []byte, addr netip.AddrPort, stay *gate.Stay) (*httpLink, error) {
	var name [16]byte
	rand.Read(name[:]) // never fails, see crypto/rand
	k := &httpLink{srv: s, id: base64.RawURLEncoding.EncodeToString(name[:]), stay: stay}
	k.at.Store(s.loops[0])
	if !s.links.add(k) {
		stay.Gone()
		s.count.sessions.Add(1)
		return nil, errBusy
	}
	k.ses = newSession(s, k, addr)
	s.count.links.Add(1)
	if !s.loops[0].Post(func() {
		k.heard = loop.Now()
		k.task = s.loops[0].Add(k)
		k.SetTimer(k.heard + helloTimeout)
		k.ses.message(hello)
	}) {
		s.links.remove(k)
		return nil, errBusy
	}
	return k, nil
}

// run calls f on the loop of the link, or tells it that the link is gone, and
// reports whether it will.
func (k *httpLink) run(f func(gone bool)) bool {
	l := k.at.Load()
	return l.Post(func() {
		switch {
		case k.at.Load() != l: // it moved meanwhile
			if !k.run(f) {
				f(true)
			}
		case k.to != nil:
			k.wait = append(k.wait, f)
		default:
			f(k.task == nil)
		}
	})
}

// post takes in the body of the client's post number seq, which has everything up
// to number after. It answers with what waits for the client.
func (k *httpLink) post(seq, after uint64, body []byte) (sse.Batch, error) {
	if err := k.asked(after); err != nil {
		return sse.Batch{}, err
	}
	switch {
	case seq > k.seq+1:
		return sse.Batch{}, errGap
	case seq <= k.seq:
		k.srv.count.postsRepeated.Add(1)
	default:
		k.seq = seq
		k.srv.count.posts.Add(1)
		if len(body) > 0 {
			k.ses.message(body)
		}
	}
	b := k.down.Take(after)
	if b.Over && len(b.Messages) == 0 {
		return b, errEnded
	}
	return b, nil
}

// attach announces a reader of a client that has everything up to number after.
func (k *httpLink) attach(after uint64) (reader uint64, err error) {
	if err := k.asked(after); err != nil {
		return 0, err
	}
	return k.down.Attach(), nil
}

// asked is what all requests of a client have in common: they count as messages,
// show that it is there, and say what it has.
func (k *httpLink) asked(after uint64) error {
	k.heard = loop.Now()
	k.ses.allow(k.heard, 0)
	err := k.down.Ack(after)
	k.acked = k.acked || err == nil && after > 0
	return err
}

// Advance implements loop.Driver.
func (k *httpLink) Advance(now time.Duration) time.Duration {
	if k.to != nil {
		k.depart()
		return loop.Never
	}
	next := k.down.Advance(now)
	if next == 0 {
		next = loop.Never
	}
	if k.timer != 0 {
		if now >= k.timer {
			k.timer = 0
			k.ses.timer()
		} else {
			next = min(next, k.timer)
		}
	}
	if k.ended != 0 {
		given, acked := k.down.Over()
		k.told.Store(given)
		if acked || now >= k.ended+linkLinger {
			k.forget()
			return loop.Never
		}
		return min(next, k.ended+linkLinger)
	}
	quiet := max(k.heard, k.present) + linkSilence
	if k.down.Waiting() {
		k.present, quiet = now, k.heard+readerSilence
	}
	if now >= quiet {
		k.srv.count.linksLost.Add(1)
		k.lose(now)
		return now
	}
	return min(next, quiet)
}

// forget ends what is left of a link that has ended.
func (k *httpLink) forget() {
	k.srv.links.remove(k)
	k.task.Remove()
	k.task, k.to, k.then = nil, nil, nil
	for _, f := range k.wait {
		f(true)
	}
	k.wait = nil
}

// lose ends a link whose client is gone.
func (k *httpLink) lose(now time.Duration) {
	k.ses.broken(k.acked)
	k.shut(now)
}

// shut says that nothing more will go down. On the loop of an isolated room,
// which ends with the room, the link does not stay.
func (k *httpLink) shut(now time.Duration) {
	if k.ended != 0 {
		return
	}
	k.ended, k.timer = now, 0
	k.down.End(now)
	if home := k.srv.loops[0]; k.Loop() != home {
		k.Move(home, func() {})
	}
	k.wake()
}

// wake has Advance run soon.
func (k *httpLink) wake() {
	if k.task != nil {
		k.task.Wake()
	}
}

// Loop implements link.
func (k *httpLink) Loop() *loop.Loop { return k.at.Load() }

// Move implements link. It leaves at its next turn, since who called may still
// have something to do with the session; requests wait until it has arrived.
func (k *httpLink) Move(to *loop.Loop, then func()) {
	k.to, k.then = to, then
	k.wake()
}

// depart is the last that this loop does with the link.
func (k *httpLink) depart() {
	to := k.to
	k.task.Remove()
	arrive := func() {
		then, wait := k.then, k.wait
		k.to, k.then, k.wait = nil, nil, nil
		k.task = to.Add(k)
		then()
		for _, f := range wait {
			f(false)
		}
	}
	from := k.at.Swap(to)
	if to.Post(arrive) {
		return
	}
	k.at.Store(from)
	k.lose(loop.Now())
	k.forget()
}

// SetTimer implements link.
func (k *httpLink) SetTimer(at time.Duration) {
	k.timer = at
	k.wake()
}

// Quiet implements link: requests come by the loop's mailbox.
func (k *httpLink) Quiet(bool) {}

// ReadSoon implements link.
func (k *httpLink) ReadSoon() {}

// Send implements link. A client that leaves everything unacknowledged is gone.
func (k *httpLink) Send(f *wire.Frame) bool {
	now := loop.Now()
	if k.ended != 0 {
		return false
	}
	if !k.down.Send(now, f.Body()) {
		k.shut(now)
		return false
	}
	k.wake()
	return true
}

// Offer implements link.
func (k *httpLink) Offer(private, shared *wire.Frame) bool {
	var own []byte
	if private != nil {
		own = private.Body()
	}
	if k.ended != 0 || !k.down.Offer(loop.Now(), own, shared.Body()) {
		return false
	}
	k.wake()
	return true
}

// Close implements link. What the code says is in the bye that went before.
func (k *httpLink) Close(uint16, string) { k.shut(loop.Now()) }
