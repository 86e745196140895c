package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/roomd/roomd/netcode/gate"
	"github.com/roomd/roomd/netcode/loop"
	"github.com/roomd/roomd/netcode/sse"
	"github.com/roomd/roomd/netcode/ws"
)

// The routes of those who only watch. Requests of HTTP/1 with nothing wrong are
// answered on the loop of their room, without a goroutine; all others, and those
// of HTTP/2, by net/http from the same log.

const (
	roomsPath    = "/v1/rooms/"
	spectateVerb = "spectate"
	pollVerb     = "poll"
)

// cutRoomPath splits /v1/rooms/{id}/{verb}.
func cutRoomPath(path string) (id, verb string, ok bool) {
	rest, ok := strings.CutPrefix(path, roomsPath)
	if !ok {
		return "", "", false
	}
	id, verb, ok = strings.Cut(rest, "/")
	return id, verb, ok && id != ""
}

// route implements ws.Config.Route.
func (s *Server) route(c *loop.Conn, req *ws.Request) bool {
	id, verb, ok := cutRoomPath(req.Path())
	if !ok || verb != spectateVerb && verb != pollVerb || !s.originAllowed(req.Header) {
		return false
	}
	h := s.dir.watched(id)
	q, err := sse.Parse(req.Query(), req.Header)
	if h == nil || err != nil || !h.shown() {
		return false
	}
	v := &visit{srv: s, host: h, q: q, cors: corsFields(req.Origin())}
	if v.poll = verb == pollVerb; v.poll {
		if v.wait, err = sse.ParseWait(req.Query()); err != nil {
			return false
		}
		v.keep = req.KeepAlive()
	}
	c.SetHandler(v)
	if c.Loop() == h.loop {
		v.arrive(c)
	} else {
		c.Move(h.loop, v.arrive)
	}
	return true
}

// corsFields lets the page of an allowed origin read the response.
func corsFields(origin string) [][2]string {
	if origin == "" {
		return nil
	}
	return [][2]string{{"Access-Control-Allow-Origin", origin}}
}

// visit is a request on its way to the loop of its room. It is the connection's
// handler until it arrives.
type visit struct {
	srv  *Server
	host *hosted
	q    sse.Request
	poll bool
	wait time.Duration
	keep bool
	cors [][2]string
}

// Read implements loop.Handler: what follows the request waits.
func (v *visit) Read(*loop.Conn, []byte) int { return 0 }

// Timer implements loop.Handler.
func (v *visit) Timer(*loop.Conn, time.Duration) {}

// Closed implements loop.Handler.
func (v *visit) Closed(*loop.Conn, error) {}

// arrive runs on the loop of the room.
func (v *visit) arrive(c *loop.Conn) {
	p := v.host.public()
	switch {
	case p == nil:
	case v.poll:
		next := v.srv.ws.Again
		if !v.keep {
			next = nil
		}
		p.log.PollConn(c, v.q, v.wait, v.cors, next)
		return
	case p.log.ServeConn(c, v.q, v.cors):
		return
	}
	// Over: 204 tells an EventSource not to connect again, if its page may see that.
	b := []byte("HTTP/1.1 204 No Content\r\nCache-Control: no-store\r\nVary: Origin\r\nConnection: close\r\n")
	for _, f := range v.cors {
		b = fmt.Appendf(b, "%s: %s\r\n", f[0], f[1])
	}
	if c.Write(append(b, "\r\n"...)) == nil {
		c.CloseAfterFlush(0)
	}
}

// publicRoutes adds the routes of those who only watch.
func (s *Server) publicRoutes(mux *http.ServeMux) {
	mux.Handle("GET "+roomsPath+"{id}/"+spectateVerb, s.watch(s.serveStream))
	mux.Handle("GET "+roomsPath+"{id}/"+pollVerb, s.watch(s.servePoll))
	mux.Handle("GET "+roomsPath+"{id}/snapshot", s.watch(s.serveSnapshot))
}

// watch checks what the routes have in common.
func (s *Server) watch(serve func(http.ResponseWriter, *http.Request, *hosted, sse.Request)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin := r.Header.Get("Origin")
		if !s.originAllowed(fieldsOf(r)) {
			fail(w, http.StatusForbidden, "origin", "pages of this origin may not connect")
			return
		}
		for _, f := range corsFields(origin) {
			w.Header().Set(f[0], f[1])
		}
		h := s.dir.watched(r.PathValue("id"))
		if s.shard != nil && (h == nil || !h.shown()) {
			h = s.shard.viewed(r.Context(), r.PathValue("id"))
		}
		if h == nil {
			fail(w, http.StatusNotFound, "unknown_room", "no room of this name is here")
			return
		}
		q, err := sse.Parse(r.URL.RawQuery, r.Header.Get)
		if err != nil {
			fail(w, http.StatusBadRequest, "bad_request", err.Error())
			return
		}
		stay, why := s.hold(r)
		if why != gate.Welcome {
			turnAway(w, why)
			return
		}
		defer stay.Gone()
		serve(w, r, h, q)
	})
}

// originAllowed reports whether a page may use the server: one of its own, of those
// allowed, or of another node.
func (s *Server) originAllowed(header func(name string) string) bool {
	return ws.OriginAllowed(header, s.cfg.Origins) || s.shard != nil && s.shard.isNode(header("Origin"))
}

// fieldsOf gives the header fields of a request as a client sent them.
func fieldsOf(r *http.Request) func(name string) string {
	return func(name string) string {
		if name == "Host" {
			return r.Host // net/http takes it out of the others
		}
		return r.Header.Get(name)
	}
}

// fail answers with an error as JSON.
func fail(w http.ResponseWriter, status int, code, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"error": text, "code": code})
}

// onLog runs f with the room's log on its loop, and reports whether there is one.
// If the client leaves before that, undo runs after it.
func (s *Server) onLog(r *http.Request, h *hosted, f func(*sse.Log), undo func()) bool {
	there := make(chan bool, 1)
	if !h.loop.Post(func() {
		p := h.public()
		if p != nil {
			f(p.log)
		}
		there <- p != nil
	}) {
		return false
	}
	select {
	case ok := <-there:
		return ok
	case <-r.Context().Done():
		h.loop.Post(undo)
		return false
	}
}

func (s *Server) serveStream(w http.ResponseWriter, r *http.Request, h *hosted, q sse.Request) {
	if r.Method == http.MethodHead { // no content, and no end to wait for (RFC 9110 section 9.3.2)
		for _, f := range q.Header(q.Gzip) {
			w.Header().Set(f[0], f[1])
		}
		return
	}
	out := sse.NewHTTPStream(q)
	if !s.onLog(r, h, out.Begin, out.Leave) {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	endless(w)
	out.Run(w, r)
	h.loop.Post(out.Leave)
}

func (s *Server) servePoll(w http.ResponseWriter, r *http.Request, h *hosted, q sse.Request) {
	wait, err := sse.ParseWait(r.URL.RawQuery)
	if err != nil {
		fail(w, http.StatusBadRequest, "bad_request", err.Error())
		return
	}
	s.answer(w, r, h, q, wait)
}

// serveSnapshot is a poll without cursor that does not wait: the newest state
// that is due.
func (s *Server) serveSnapshot(w http.ResponseWriter, r *http.Request, h *hosted, q sse.Request) {
	q.HasCursor = false
	s.answer(w, r, h, q, 0)
}

// answer polls the log from a handler of net/http.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, h *hosted, q sse.Request, wait time.Duration) {
	endless(w)
	got := make(chan sse.Answer, 1)
	var poll *sse.Poll
	leave := func() {
		if poll != nil {
			poll.Leave()
		}
	}
	if !s.onLog(r, h, func(l *sse.Log) {
		poll = l.Poll(loop.Now(), q, wait, func(a sse.Answer) { got <- a })
	}, leave) {
		fail(w, http.StatusGone, "over", "the room is over")
		return
	}
	select {
	case a := <-got:
		status, fields, body := a.Response()
		for _, f := range fields {
			w.Header().Set(f[0], f[1])
		}
		code, _ := strconv.Atoi(status[:3])
		w.WriteHeader(code)
		w.Write(body)
	case <-r.Context().Done():
		h.loop.Post(leave)
	}
}
