package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/gate"
	"github.com/roomd/roomd/netcode/loop"
	"github.com/roomd/roomd/netcode/secure"
	"github.com/roomd/roomd/netcode/wire"
	"github.com/roomd/roomd/netcode/ws"
	"github.com/roomd/roomd/room"
	"github.com/roomd/roomd/room/cluster"
)

// Server is one roomd process: loops, rooms, sessions and routes. Make it with
// New, run it with Run; Mail and Addr may be called from any goroutine.
type Server struct {
	cfg     Config
	boot    time.Time
	kinds   map[string]*game.Kind
	dir     directory
	shard   *shard // nil without a cluster
	links   httpLinks
	gate    *gate.Gate
	ws      *ws.Server
	secure  *secure.Gate // nil without TLS
	http    *http.Server
	web     *ws.HTTPListener
	frames  wire.Pool
	scratch room.Scratch                 // of rooms that are not on a loop yet, or on one of their own
	warm    map[*loop.Loop]*room.Scratch // of each shared loop's rooms
	admits  admits
	posts   chan posted
	count   counters
	stats   statsTable
	ready   chan struct{} // closed once Addr is known
	addr    net.Addr

	loops []*loop.Loop   // shared by rooms; constant
	wg    sync.WaitGroup // a count for each loop that runs

	mu       sync.Mutex
	isolated []*loop.Loop // one for each isolated room
}

type posted struct {
	room, topic string
	body        []byte
}

// New checks the configuration, the kinds among it, and makes the loops. It
// opens no port.
func New(cfg Config) (*Server, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, boot: time.Now(), kinds: map[string]*game.Kind{},
		posts: make(chan posted, postQueue), ready: make(chan struct{}), warm: map[*loop.Loop]*room.Scratch{},
	}
	for _, k := range cfg.Kinds {
		s.kinds[k.Name()] = k
	}
	s.dir = directory{srv: s, rooms: map[string]*hosted{}, byKind: map[string][]*hosted{}, byLoop: map[*loop.Loop]int{}, past: map[string]*hosted{}}
	if cfg.Cluster != nil {
		s.shard = &shard{srv: s, waiting: map[string][]func(error){}, prepared: map[string]*hosted{}, loads: map[string]uint64{}, saved: map[string]saved{}, sent: map[cluster.SID]sentRooms{}}
	}
	s.web = ws.NewHTTPListener(nil) // its address is the loop's, and nobody asks
	var err error
	var node func(origin string) bool
	if s.shard != nil {
		node = s.shard.isNode
	}
	s.gate = s.newGate()
	s.ws, err = ws.NewServer(ws.Config{
		Gate: s.gate, ProxyProtocol: cfg.ProxyProtocol, Probe: isProbe,
		AllowOrigin: node,
		Path:        socketPath, Subprotocol: wire.Subprotocol, Origins: cfg.Origins,
		MaxMessage: wire.MaxMessage, Deflate: cfg.Deflate,
		Open: s.open, Route: s.route, HTTP: s.web.Hand, Log: cfg.Log,
	})
	if err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	if cfg.secure() {
		s.secure, err = secure.NewGate(secure.Config{
			Cert: cfg.TLSCert, Key: cfg.TLSKey, ACME: cfg.acme(), Admit: s.mayHandshake, Source: s.source, Take: s.secured, Log: cfg.Log,
		})
		if err != nil {
			return nil, fmt.Errorf("server: %w", err)
		}
	}
	s.http = &http.Server{
		Handler: s.routes(), ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHead,
		ErrorLog:       slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug),
	}
	for id := range cfg.Loops {
		l, err := loop.New(s.loopConfig(id))
		if err != nil {
			s.stopLoops()
			return nil, fmt.Errorf("server: %w", err)
		}
		s.loops = append(s.loops, l)
		s.warm[l] = &room.Scratch{}
	}
	return s, nil
}

func (s *Server) loopConfig(id int) loop.Config {
	return loop.Config{ID: id, Engine: s.cfg.Engine, Uring: s.cfg.Uring, Log: s.cfg.Log}
}

// Addr is the address that the server listens on. It waits for Run to listen.
func (s *Server) Addr(ctx context.Context) (net.Addr, error) {
	select {
	case <-s.ready:
		return s.addr, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Run serves until ctx ends, then drains: joins are refused, every player is
// told bye with a hint when to come back, and Run returns within
// Config.ShutdownTimeout. It returns nil after a drain.
func (s *Server) Run(ctx context.Context) error {
	for _, l := range s.loops {
		s.start(l)
	}
	defer s.stopLoops()
	addr, err := s.listen()
	if err != nil {
		return fmt.Errorf("server: %w", err)
	}
	s.addr = addr
	if s.shard != nil {
		if err := s.shard.begin(ctx); err != nil {
			return err
		}
		defer s.shard.close()
	}
	s.warnOfFiles(openFiles())
	s.cfg.Log.Info("listening", "addr", addr.String(), "loops", len(s.loops), "kinds", len(s.kinds))
	close(s.ready)
	posting, stopPosts := context.WithCancel(context.Background())
	posts := make(chan struct{})
	go func() { defer close(posts); s.deliverPosts(posting) }()
	failed := make(chan error, 1)
	go func() { failed <- s.http.Serve(s.web) }()
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.ShutdownTimeout)
	defer cancel()
	if err == nil {
		s.drain(end)
	}
	s.stopLoops() // games post until their loops end
	stopPosts()
	select {
	case <-posts:
	case <-end.Done():
		s.cfg.Log.Error("posts lost: Config.Post does not return", "waiting", len(s.posts))
	}
	return err
}

// start runs a loop on a goroutine of its own, with its watchdog.
func (s *Server) start(l *loop.Loop) {
	ctx, cancel := context.WithCancel(context.Background())
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		defer cancel()
		if err := l.Run(); err != nil {
			s.cfg.Log.Error("loop failed", "err", err)
			s.hung([]byte(err.Error()))
		}
	}()
	go loop.Watch(ctx, []*loop.Loop{l}, hungAfter, func(_ *loop.Loop, stacks []byte) { s.hung(stacks) })
}

// hung ends a process whose loop does not answer: its rooms are lost to their
// players until something starts it anew, and waiting longer does not help.
func (s *Server) hung(stacks []byte) {
	if s.cfg.Hung != nil {
		s.cfg.Hung(stacks)
		return
	}
	s.cfg.Log.Error("a loop hangs; exiting", "stacks", string(stacks))
	os.Exit(2)
}

func (s *Server) allLoops() []*loop.Loop {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Concat(s.loops, s.isolated)
}

func (s *Server) stopLoops() {
	if s.secure != nil {
		s.secure.Close()
	}
	for _, l := range s.allLoops() {
		l.Stop()
	}
	s.wg.Wait()
	s.scratch.Close()
	for _, w := range s.warm {
		w.Close()
	}
}

// drain tells everybody and waits until their sockets are flushed, for most of
// the time until end: some is left to Config.Post. The routes answer meanwhile,
// so that load balancers see that the server is not ready.
func (s *Server) drain(end context.Context) {
	rooms := s.dir.drain()
	if s.shard != nil {
		s.shard.leave(end)
		rooms = s.dir.all()
	}
	s.cfg.Log.Info("shutting down", "rooms", len(rooms))
	on := map[*loop.Loop][]*hosted{} // one function each
	for _, h := range rooms {
		on[h.loop] = append(on[h.loop], h)
	}
	s.dismiss(end, rooms)
	for l, list := range on {
		l.Must(func() {
			for _, h := range list {
				h.at().Stop(s.farewell(h))
				h.wake()
			}
		})
	}
	ctx, cancel := context.WithTimeout(end, s.cfg.ShutdownTimeout*3/4)
	defer cancel()
	s.awaitFlush(ctx)
	if err := s.http.Shutdown(ctx); err != nil {
		s.http.Close()
	}
}

// dismiss sends those to other nodes who are at edges here, one edge after the other:
// not all clients have to come there in the same moment.
func (s *Server) dismiss(end context.Context, rooms []*hosted) {
	edges := slices.DeleteFunc(slices.Clone(rooms), (*hosted).owned)
	if len(edges) == 0 {
		return
	}
	tick := time.NewTicker(max(time.Millisecond, min(dismissEvery, s.cfg.ShutdownTimeout/4/time.Duration(len(edges)))))
	defer tick.Stop()
	for _, h := range edges {
		h.loop.Must(func() {
			h.at().Stop(s.farewell(h))
			h.wake()
		})
		select {
		case <-tick.C:
		case <-end.Done():
			return
		}
	}
}

// farewell is what the viewers of a room are told at the end of the server.
func (s *Server) farewell(h *hosted) (code wire.Code, text string, retry time.Duration) {
	if s.shard != nil && !h.owned() {
		if at := s.shard.address(h.id); at != "" {
			return wire.ByeMoved, at, movedHint
		}
	}
	return wire.ByeShutdown, "the server is shutting down", s.wait(wire.ByeShutdown)
}

// wait is how long clients are told to wait whom this server does not take: in a
// cluster another node can take them, or this one in a moment.
func (s *Server) wait(code wire.Code) time.Duration {
	if s.shard != nil && code == wire.ByeShutdown {
		return rescueHint
	}
	return retryHint
}

// awaitFlush polls, since a closing connection waits for its peer's close
// frame and nobody else is told of it.
func (s *Server) awaitFlush(ctx context.Context) {
	tick := time.NewTicker(flushPoll)
	defer tick.Stop()
	for {
		open := 0
		for _, st := range s.loopStatsNow(ctx) {
			open += st.loop.Conns
		}
		if open == 0 && !s.links.any(func(k *httpLink) bool { return !k.told.Load() }) {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			s.cfg.Log.Warn("connections cut at the end of the shutdown time", "open", open)
			return
		}
	}
}

// loopFor is the loop for a new room: the shared loop with the fewest, or one
// of its own for an isolated kind. The directory's lock is held.
func (s *Server) loopFor(k *game.Kind) (*loop.Loop, error) {
	if k.Options().Isolated {
		s.mu.Lock()
		defer s.mu.Unlock()
		l, err := loop.New(s.loopConfig(len(s.loops) + len(s.isolated)))
		if err != nil {
			return nil, err
		}
		s.isolated = append(s.isolated, l)
		s.start(l)
		return l, nil
	}
	n := s.dir.byLoop
	best := s.loops[0]
	for _, l := range s.loops[1:] {
		if n[l] < n[best] {
			best = l
		}
	}
	return best, nil
}

// retiree ends the loop of an isolated room that is over, once its connections
// have been told.
type retiree struct {
	srv   *Server
	loop  *loop.Loop
	until time.Duration
}

// Advance implements loop.Driver.
func (r *retiree) Advance(now time.Duration) time.Duration {
	here := func(k *httpLink) bool { return k.Loop() == r.loop }
	if (r.loop.Stats().Conns > 0 || r.srv.links.any(here)) && now < r.until {
		return now + retirePoll
	}
	s := r.srv
	s.mu.Lock()
	if i := slices.Index(s.isolated, r.loop); i >= 0 {
		s.isolated = slices.Delete(s.isolated, i, i+1)
	}
	s.mu.Unlock()
	s.stats.retire(r.loop)
	r.loop.Stop()
	return loop.Never
}

// Errors of Mail.
var (
	ErrNoRoom = errors.New("server: no such room here")
	ErrBusy   = errors.New("server: the room's loop takes no more mail now")
	ErrTooBig = errors.New("server: mail body over 64 KiB")
)

// Mail hands a message from the outside to the game of a room, which sees it
// before the Step of its next tick. It may be called from any goroutine and
// does not block; body belongs to the room afterwards.
func (s *Server) Mail(room, topic string, body []byte) error {
	if len(body) > maxMail {
		return ErrTooBig
	}
	h := s.dir.get(room)
	if h == nil || !h.owned() {
		return ErrNoRoom
	}
	if !h.loop.Post(func() {
		if r := h.at().room; r != nil {
			r.Mail(topic, body)
		}
	}) {
		return ErrBusy
	}
	return nil
}

// post queues what a game posted. It is called on a loop and never blocks.
func (s *Server) post(room, topic string, body []byte) {
	if s.cfg.Post == nil {
		return
	}
	select {
	case s.posts <- posted{room, topic, body}:
	default:
		s.count.postsLost.Add(1)
		s.cfg.Log.Error("post lost: Config.Post is too slow", "room", room, "topic", topic)
	}
}

// deliverPosts runs Config.Post until ctx ends, and then for what is queued.
func (s *Server) deliverPosts(ctx context.Context) {
	for {
		select {
		case p := <-s.posts:
			s.cfg.Post(p.room, p.topic, p.body)
			continue
		default:
		}
		select {
		case p := <-s.posts:
			s.cfg.Post(p.room, p.topic, p.body)
		case <-ctx.Done():
			return
		}
	}
}

// Rooms lists the rooms of this server by name, each as of its last tick or
// the second before.
func (s *Server) Rooms() []room.Info {
	var list []room.Info
	for _, h := range s.dir.owned() {
		list = append(list, h.at().Info())
	}
	return list
}
