package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"github.com/roomd/roomd/loadtest/crowd"
	"github.com/roomd/roomd/room/cluster"
)

const (
	// tickTime is that of the workload.
	tickTime = time.Second / crowd.TickRate
	// backTime bounds how long players may be without a state after a failure.
	backTime = 30 * time.Second
	// afterMove is how long players are looked at when a move is done.
	afterMove = 500 * time.Millisecond
)

// answers asks for url until there is an answer.
func answers(ctx context.Context, url string, deadline time.Time) error {
	c := http.Client{Timeout: httpTimeout, Transport: &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{}).DialContext}}
	for {
		resp, err := c.Get(url)
		if err == nil {
			resp.Body.Close()
			return nil
		}
		if time.Now().After(deadline) {
			return err
		}
		if err := wait(ctx, 500*time.Microsecond); err != nil {
			return err
		}
	}
}

// moves has rooms moved by an operator while they are played.
func (r *clusterRun) moves(ctx context.Context, f *fleet, t *troupe) error {
	n := r.cmd.Moves
	if n == 0 {
		return nil
	}
	say("moving rooms %d times in %v", n, r.cmd.Duration)
	m, err := newPorter(ctx, f, t)
	if err != nil {
		return err
	}
	defer m.admin.Close()
	before := t.totals()
	every := r.cmd.Duration / time.Duration(n)
	begin := time.Now()
	for i := range n {
		if err := wait(ctx, time.Until(begin.Add(time.Duration(i)*every))); err != nil {
			return err
		}
		m.move(ctx, t.rooms[i%len(t.rooms)])
	}
	m.wg.Wait()
	if err := t.playing(ctx, backTime); err != nil {
		return err
	}
	if err := t.settle(ctx); err != nil {
		return err
	}
	after := t.totals()
	r.rep.Moves, r.rep.MovesFailed = len(m.pauses), m.failed
	if len(m.pauses) > 0 {
		r.rep.MovePauseP50, r.rep.MovePauseP99 = some(nearest(m.pauses, 0.50)), some(nearest(m.pauses, 0.99))
	}
	r.rep.DisconnectsByMoves = after.broken - before.broken
	r.rep.InputsLost = after.lost
	if m.why != nil {
		say("of %d moves %d failed, the last one: %v", n, m.failed, m.why)
	}
	return nil
}

// porter moves rooms, each one at a time.
type porter struct {
	admin *cluster.Admin
	names []string
	wg    sync.WaitGroup

	mu     sync.Mutex
	at     map[string]string // node by room
	busy   map[string]bool
	pauses []float64 // in ticks
	failed int
	why    error
}

func newPorter(ctx context.Context, f *fleet, t *troupe) (*porter, error) {
	at, err := f.rooms(ctx)
	if err != nil {
		return nil, err
	}
	a, err := f.admin(ctx)
	if err != nil {
		return nil, err
	}
	m := &porter{admin: a, names: f.names(), at: map[string]string{}, busy: map[string]bool{}}
	for _, h := range t.rooms {
		m.at[h.name] = at[h.name].node
	}
	return m, nil
}

// move begins the move of a room to another node, unless one is under way.
func (m *porter) move(ctx context.Context, h *history) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.busy[h.name] {
		m.failed++
		m.why = fmt.Errorf("room %s: the move before is not over", h.name)
		return
	}
	m.busy[h.name] = true
	others := slices.DeleteFunc(slices.Clone(m.names), func(name string) bool { return name == m.at[h.name] })
	to := others[rand.IntN(len(others))]
	m.wg.Go(func() {
		pause, err := m.order(ctx, h, to)
		m.mu.Lock()
		defer m.mu.Unlock()
		m.busy[h.name] = false
		if err != nil {
			m.failed++
			m.why = fmt.Errorf("room %s to %s: %w", h.name, to, err)
			return
		}
		m.at[h.name] = to
		m.pauses = append(m.pauses, pause)
	})
}

// order moves a room and returns the longest time that one of its players was
// without a state, in ticks beyond the usual one.
func (m *porter) order(ctx context.Context, h *history, to string) (float64, error) {
	clearGaps(h.players)
	ctx, cancel := context.WithTimeout(ctx, backTime)
	defer cancel()
	if err := m.admin.Move(ctx, h.name, to); err != nil {
		return 0, err
	}
	if err := wait(ctx, afterMove); err != nil {
		return 0, err
	}
	return max(float64(worstGap(h.players))/float64(tickTime)-1, 0), nil
}

// kills kills loaded nodes, starts them again and times the players' return.
func (r *clusterRun) kills(ctx context.Context, f *fleet, t *troupe) error {
	var took []float64
	for i := range r.cmd.Kills {
		if err := wait(ctx, 2*r.cmd.Checkpoint+r.cmd.Lease); err != nil {
			return err
		}
		k, err := killOne(ctx, f, t)
		if err != nil {
			return fmt.Errorf("kill %d: %w", i+1, err)
		}
		say("kill %d of %d: %s", i+1, r.cmd.Kills, k)
		for _, d := range k.took {
			took = append(took, d.Seconds())
		}
		r.rep.RoomsLost += len(k.lost)
	}
	slices.Sort(took)
	r.rep.Kills = r.cmd.Kills
	if len(took) > 0 {
		r.rep.ResumeP50, r.rep.ResumeP99, r.rep.ResumeMax = some(nearest(took, 0.50)), some(nearest(took, 0.99)), some(nearest(took, 1))
	}
	return nil
}

// killed is how a kill of a node went.
type killed struct {
	node  string
	rooms int
	took  []time.Duration // until each of its players was shown a state again, sorted
	lost  []string        // rooms that nobody was shown again
}

func (k *killed) String() string {
	return fmt.Sprintf("node %s with %d rooms; %d players back, p50 %s, max %s", k.node, k.rooms, len(k.took),
		seconds(nearest(k.took, 0.50)), seconds(nearest(k.took, 1)))
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

// loaded is some node that has rooms, and which.
func loaded(ctx context.Context, f *fleet) (string, map[string]bool, error) {
	at, err := f.rooms(ctx)
	if err != nil {
		return "", nil, err
	}
	by := map[string]map[string]bool{}
	for room, p := range at {
		if by[p.node] == nil {
			by[p.node] = map[string]bool{}
		}
		by[p.node][room] = true
	}
	running := f.names()
	var names []string
	for name := range maps.Keys(by) {
		if slices.Contains(running, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "", nil, fmt.Errorf("no node has rooms: %v", at)
	}
	slices.Sort(names)
	name := names[rand.IntN(len(names))]
	return name, by[name], nil
}

// concerned has all players expect a state whom the end of a node concerns: those of
// its rooms in a new history, others that are connected there on another connection.
func concerned(f *fleet, t *troupe, node string, rooms map[string]bool) (list []*player) {
	addr := f.get(node).addr
	for _, p := range t.all() {
		if its := rooms[p.room.name]; its || p.at() == addr {
			p.expect(its)
			list = append(list, p)
		}
	}
	return list
}

// killOne kills a loaded node, starts it again under its name at once, as a supervisor
// does, and waits until all its players are back.
func killOne(ctx context.Context, f *fleet, t *troupe) (*killed, error) {
	node, rooms, err := loaded(ctx, f)
	if err != nil {
		return nil, err
	}
	list := concerned(f, t, node, rooms)
	f.get(node).kill()
	if err := f.restart(node); err != nil {
		return nil, err
	}
	k := &killed{node: node, rooms: len(rooms)}
	if k.took, err = comeBack(ctx, list, backTime); err != nil {
		return nil, fmt.Errorf("node %s with %d rooms was killed: %w", node, len(rooms), err)
	}
	at, err := f.rooms(ctx)
	for room := range rooms {
		if at[room].node == "" {
			k.lost = append(k.lost, room)
		}
	}
	return k, err
}

// relay measures what it costs to play through a node that has not the room.
func (r *clusterRun) relay(ctx context.Context) (err error) {
	if !r.knowsRelay() {
		r.rep.Notes = append(r.rep.Notes, "relays are not measured: roomd serve has no flag --relay")
		return nil
	}
	say("measuring relays: bots at the owners and elsewhere in the same rooms")
	flags := append(r.cmd.nodeFlags(), "--relay", "always")
	f, err := newFleet(ctx, filepath.Join(r.dir, "relay"), 1, 0, nil, flags...)
	if err != nil {
		return err
	}
	defer f.stop()
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, f.logs())
		}
	}()
	if err := f.startNodes(r.cmd.Nodes); err != nil {
		return err
	}
	// The rooms stay where they were made while the next ones join.
	if _, err := r.sit(ctx, f, nil, nil); err != nil {
		return err
	}
	at, err := f.rooms(ctx)
	if err != nil {
		return err
	}
	near, far := hdr.New(1, maxLatency.Microseconds(), 3), hdr.New(1, maxLatency.Microseconds(), 3)
	var mu sync.Mutex
	note := func(p *player, d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		h := near
		if p.far {
			h = far
		}
		h.RecordValue(max(d.Microseconds(), 1))
	}
	if _, err := r.sit(ctx, f, r.seating(f, at, func(i int) bool { return i%2 == 1 }), note); err != nil {
		return err
	}
	added := func(q float64) float64 { return float64(far.ValueAtQuantile(q)-near.ValueAtQuantile(q)) / 1000 }
	own, err := r.sit(ctx, f, r.seating(f, at, func(int) bool { return false }), nil)
	if err != nil {
		return err
	}
	relayed, err := r.sit(ctx, f, r.seating(f, at, func(int) bool { return true }), nil)
	if err != nil {
		return err
	}
	if near.TotalCount() == 0 || far.TotalCount() == 0 || own.states == 0 || relayed.states == 0 {
		r.rep.Notes = append(r.rep.Notes, "relays are not measured: nothing was shown to players both near and far, in rooms of two or more, for half of --duration")
		return nil
	}
	r.rep.RelayP50, r.rep.RelayP99 = some(added(50)), some(added(99))
	r.rep.RelayCPU = some(relayed.perFrame() - own.perFrame())
	return nil
}

// seating says at which address the players of a room join, and which are far.
func (r *clusterRun) seating(f *fleet, at map[string]placed, far func(i int) bool) func(p *player, i int) {
	return func(p *player, i int) {
		owner := at[p.room.name].node
		if p.home = f.get(owner).addr; !far(i) {
			return
		}
		others := slices.DeleteFunc(f.names(), func(name string) bool { return name == owner })
		p.home, p.far = f.get(others[i%len(others)]).addr, true
	}
}

// window is what the nodes used while players sat somewhere.
type window struct {
	cpu    time.Duration
	states int64
}

// perFrame is in microseconds.
func (w window) perFrame() float64 { return float64(w.cpu.Microseconds()) / float64(w.states) }

// sit has a troupe join, play for half of the duration, and leave. Without a seating
// it joins anywhere and leaves at once.
func (r *clusterRun) sit(ctx context.Context, f *fleet, seat func(p *player, i int), note func(*player, time.Duration)) (w window, err error) {
	t := newTroupe(f, r.cmd.Rooms, r.cmd.Players, r.cmd.Rate)
	if note != nil {
		t.latency = note
	}
	if seat != nil {
		for _, h := range t.rooms {
			for i, p := range h.players {
				seat(p, i)
			}
		}
	}
	defer t.leave()
	if err := t.enter(ctx); err != nil || seat == nil {
		return w, err
	}
	cpu, err := f.cpu()
	if err != nil {
		return w, err
	}
	states := t.totals().states
	if err := wait(ctx, r.cmd.Duration/2); err != nil {
		return w, err
	}
	w.states = t.totals().states - states
	if w.cpu, err = f.cpu(); err != nil {
		return w, err
	}
	w.cpu -= cpu
	for _, p := range t.all() {
		if p.at() != p.home {
			return w, fmt.Errorf("a bot that came to %s for room %s plays at %s: relays cannot be measured", p.home, p.room.name, p.at())
		}
	}
	return w, errors.Join(t.promises(), f.whole())
}

// nearest is a quantile of a sorted or unsorted list, 0 of an empty one.
func nearest[T float64 | time.Duration](list []T, q float64) (zero T) {
	if len(list) == 0 {
		return zero
	}
	list = slices.Clone(list)
	slices.Sort(list)
	return list[min(int(q*float64(len(list))), len(list)-1)]
}

func some(v float64) *float64 { return &v }
