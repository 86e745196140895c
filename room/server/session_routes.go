package server

import (
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/roomd/roomd/netcode/gate"
	"github.com/roomd/roomd/netcode/loop"
	"github.com/roomd/roomd/netcode/sse"
	"github.com/roomd/roomd/netcode/wire"
)

// The routes of players whose network lets no WebSocket through (PROTOCOL.md
// section 17). They are few, so each request may have the goroutine that net/http
// gives it; the sessions have none.

const sessionsPath = "/v1/sessions"

// supersededField is a response's that has nothing since a newer request reads.
const supersededField = "Roomd-Superseded"

// sessionRoutes adds them.
func (s *Server) sessionRoutes(mux *http.ServeMux) {
	one := sessionsPath + "/{id}"
	mux.Handle("POST "+sessionsPath, s.allowed(s.beginSession))
	mux.Handle("GET "+one+"/stream", s.allowed(s.withLink(s.streamSession)))
	mux.Handle("GET "+one+"/poll", s.allowed(s.withLink(s.pollSession)))
	mux.Handle("POST "+one, s.allowed(s.withLink(s.postSession)))
	mux.Handle("DELETE "+one, s.allowed(s.withLink(s.endSession)))
	mux.Handle("OPTIONS "+sessionsPath, s.allowed(preflight))
	mux.Handle("OPTIONS "+sessionsPath+"/", s.allowed(preflight))
}

// allowed refuses pages of other origins, as upgrades are refused to them.
func (s *Server) allowed(serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		origin := r.Header.Get("Origin")
		if !s.originAllowed(fieldsOf(r)) {
			fail(w, http.StatusForbidden, "origin", "pages of this origin may not connect")
			return
		}
		for _, f := range corsFields(origin) {
			w.Header().Set(f[0], f[1])
		}
		if origin != "" { // a page reads few other fields (https://fetch.spec.whatwg.org/#http-access-control-expose-headers)
			w.Header().Set("Access-Control-Expose-Headers", "Retry-After, "+supersededField)
		}
		w.Header().Set("Vary", "Origin")
		w.Header().Set("Cache-Control", "no-store, no-transform")
		serve(w, r)
	}
}

// preflight answers what browsers ask before a request with a body of this type
// to another origin (https://fetch.spec.whatwg.org/#cors-preflight-fetch).
func preflight(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Access-Control-Allow-Methods", "GET, POST, DELETE")
	w.Header().Set("Access-Control-Allow-Headers", "Content-Type, Last-Event-ID")
	w.Header().Set("Access-Control-Max-Age", "7200")
	w.WriteHeader(http.StatusNoContent)
}

// body reads a request's body, or answers why not.
func body(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, wire.MaxMessage))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		fail(w, http.StatusRequestEntityTooLarge, "too_large", "a body is at most "+strconv.Itoa(wire.MaxMessage)+" bytes")
	case err != nil:
		fail(w, http.StatusBadRequest, "bad_request", "the body broke off")
	default:
		return b, true
	}
	return nil, false
}

func (s *Server) beginSession(w http.ResponseWriter, r *http.Request) {
	addr := s.client(r)
	if why := s.gate.Handshake(loop.Now(), addr.Addr()); why != gate.Welcome {
		turnAway(w, why)
		return
	}
	hello, ok := body(w, r)
	if !ok {
		return
	}
	m := wire.ReadMessages(hello)
	err := errors.New("the body must begin with a hello")
	if m.Next() && m.Kind() == wire.KindHello {
		_, err = wire.ReadHello(m.Reader(), m.Len())
	}
	if err != nil {
		fail(w, http.StatusBadRequest, "bad_hello", err.Error())
		return
	}
	stay, why := s.gate.Hold(addr.Addr())
	if why != gate.Welcome {
		turnAway(w, why)
		return
	}
	k, err := s.newHTTPLink(hello, addr, stay)
	if err != nil {
		s.refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Location", sessionsPath+"/"+k.id)
	w.WriteHeader(http.StatusCreated)
	json.NewEncoder(w).Encode(map[string]string{"session": k.id})
}

// refuse answers a request of a session that is not served.
func (s *Server) refuse(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, errNoSession):
		fail(w, http.StatusNotFound, "unknown_session", err.Error())
	case errors.Is(err, errEnded):
		fail(w, http.StatusGone, "ended", err.Error())
	case errors.Is(err, errGap):
		fail(w, http.StatusConflict, "gap", err.Error())
	case errors.Is(err, errBusy):
		w.Header().Set("Retry-After", "1")
		fail(w, http.StatusServiceUnavailable, "busy", err.Error())
	default:
		fail(w, http.StatusBadRequest, "bad_request", err.Error())
	}
}

// withLink finds the session of a request.
func (s *Server) withLink(serve func(http.ResponseWriter, *http.Request, *httpLink)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		k := s.links.get(r.PathValue("id"))
		if k == nil {
			s.refuse(w, errNoSession)
			return
		}
		serve(w, r, k)
	}
}

// number reads a whole number from the query, 0 if it is not there.
func number(r *http.Request, name string) (uint64, error) {
	v := r.URL.Query().Get(name)
	if v == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(v, 10, 53)
	if err != nil {
		return 0, errors.New(name + " is a whole number")
	}
	return n, nil
}

// ask runs f on the loop of the link and waits for what it returns, unless the
// request ends first.
func (k *httpLink) ask(r *http.Request, f func() (sse.Batch, error)) (sse.Batch, error) {
	type answer struct {
		b   sse.Batch
		err error
	}
	got := make(chan answer, 1)
	if !k.run(func(gone bool) {
		if gone {
			got <- answer{err: errNoSession}
			return
		}
		b, err := f()
		got <- answer{b, err}
	}) {
		return sse.Batch{}, errBusy
	}
	select {
	case a := <-got:
		return a.b, a.err
	case <-r.Context().Done():
		return sse.Batch{}, errBusy
	}
}

func (s *Server) postSession(w http.ResponseWriter, r *http.Request, k *httpLink) {
	seq, err := number(r, "seq")
	if err == nil && seq == 0 {
		err = errors.New("seq counts the posts of a session, from 1")
	}
	after, err2 := number(r, "after")
	if err := errors.Join(err, err2); err != nil {
		s.refuse(w, err)
		return
	}
	b, ok := body(w, r)
	if !ok {
		return
	}
	batch, err := k.ask(r, func() (sse.Batch, error) { return k.post(seq, after, b) })
	if err != nil {
		s.refuse(w, err)
		return
	}
	writeBatch(w, batch)
}

// writeBatch answers with messages, if there are any.
func writeBatch(w http.ResponseWriter, b sse.Batch) {
	if len(b.Messages) == 0 {
		if b.Superseded {
			w.Header().Set(supersededField, "1")
		}
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Content-Type", "application/msgpack")
	w.Write(b.AppendPacked(nil))
}

func (s *Server) endSession(w http.ResponseWriter, r *http.Request, k *httpLink) {
	_, err := k.ask(r, func() (sse.Batch, error) {
		k.lose(loop.Now())
		k.forget()
		return sse.Batch{}, nil
	})
	if err != nil {
		s.refuse(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// linkReader is a request that reads from a link: a poll or a stream.
type linkReader struct {
	k    *httpLink
	kind int // in counters.reads
	id   uint64
	got  chan sse.Batch
}

const (
	pollReader = iota
	streamReader
)

// read begins to read for a client that has everything up to number after.
func (k *httpLink) read(r *http.Request, kind int, after uint64) (*linkReader, error) {
	d := &linkReader{k: k, kind: kind, got: make(chan sse.Batch, 1)}
	_, err := k.ask(r, func() (b sse.Batch, err error) {
		d.id, err = k.attach(after)
		return b, err
	})
	if err == nil {
		k.srv.count.reads[kind].Add(1)
	}
	return d, err
}

func (d *linkReader) leave() { d.k.srv.count.reads[d.kind].Add(-1) }

// next waits for messages after number after, at most for that time. The second
// result is false when the request ended first, or cannot be served now.
func (d *linkReader) next(r *http.Request, after uint64, wait time.Duration) (sse.Batch, bool) {
	var f *sse.Fetch
	k := d.k
	if !k.run(func(gone bool) {
		if gone {
			d.got <- sse.Batch{Over: true}
			return
		}
		now := loop.Now()
		k.present = now
		f = k.down.Fetch(now, d.id, after, wait, func(b sse.Batch) { d.got <- b })
		k.wake()
	}) {
		return sse.Batch{}, false
	}
	select {
	case b := <-d.got:
		if b.Superseded {
			k.srv.count.superseded.Add(1)
		}
		return b, true
	case <-r.Context().Done():
		k.run(func(gone bool) {
			if !gone {
				k.down.Leave(f)
				k.present = loop.Now()
				k.wake()
			}
		})
		return sse.Batch{}, false
	}
}

func (s *Server) pollSession(w http.ResponseWriter, r *http.Request, k *httpLink) {
	after, err := number(r, "after")
	wait, err2 := sse.ParseWait(r.URL.RawQuery)
	if err := errors.Join(err, err2); err != nil {
		s.refuse(w, err)
		return
	}
	d, err := k.read(r, pollReader, after)
	if err != nil {
		s.refuse(w, err)
		return
	}
	defer d.leave()
	endless(w)
	switch b, ok := d.next(r, after, wait); {
	case !ok:
		s.refuse(w, errBusy)
	case b.Over && len(b.Messages) == 0:
		s.refuse(w, errEnded)
	default:
		writeBatch(w, b)
	}
}

// endless lifts the server's limits on how long a request may take: the answer
// comes when there is something to say. Writes have limits of their own.
func endless(w http.ResponseWriter) {
	c := http.NewResponseController(w)
	c.SetReadDeadline(time.Time{})
	c.SetWriteDeadline(time.Time{})
}

func (s *Server) streamSession(w http.ResponseWriter, r *http.Request, k *httpLink) {
	after, err := number(r, "after")
	if last := r.Header.Get("Last-Event-ID"); err == nil && last != "" {
		after, err = strconv.ParseUint(last, 10, 53)
	}
	if err != nil {
		s.refuse(w, err)
		return
	}
	d, err := k.read(r, streamReader, after)
	if err != nil {
		s.refuse(w, err)
		return
	}
	defer d.leave()
	endless(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would keep it until a buffer is full
	out := []byte(":\n\n")
	c := http.NewResponseController(w)
	for end := time.Now().Add(streamAge - rand.N(streamAge/5)); time.Now().Before(end); {
		c.SetWriteDeadline(time.Now().Add(streamStall))
		if _, err := w.Write(out); err != nil || c.Flush() != nil {
			return
		}
		b, ok := d.next(r, after, streamBeat)
		if !ok || b.Superseded || b.Over && len(b.Messages) == 0 {
			return
		}
		out = append(out[:0], ":\n\n"...)
		if len(b.Messages) > 0 {
			after = b.First + uint64(len(b.Messages)) - 1
			out = b.AppendEvents(out[:0])
		}
	}
}
