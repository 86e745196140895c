package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/loadtest/crowd"
	"github.com/roomd/roomd/netcode/client"
)

const (
	// sentKept is the number of inputs whose time a player remembers; a power of two.
	sentKept = 64
	// maxUnderWay is the most inputs that a player has unacknowledged: less than an
	// inbox holds, so that one that is not applied was lost by the cluster.
	maxUnderWay = 6
	// redial is the time between two attempts of a player's first join.
	redial = 100 * time.Millisecond
)

// player is a bot that checks every state that it is shown. Its methods may be
// called by any goroutine.
type player struct {
	troupe *troupe
	room   *history
	home   string
	far    bool // joins at a node that has not the room
	client *client.Client
	cancel context.CancelFunc

	mu    sync.Mutex
	addr  string // dialled last
	epoch uint64
	tick  game.Tick
	last  time.Time     // when the newest state came
	gap   time.Duration // longest time between two states since it was last cleared

	states int64
	broken int      // connections
	faults []string // what must not be

	// Of the inputs, by the number that they carry.
	sent   uint32
	sentAt [sentKept]time.Time
	tally  tally
	row    int    // of the tally; -1 while unknown
	pardon uint32 // gaps up to this number were counted, or are the player's own
	lives  uint8  // of press alone, as lived is
	lived  uint64
	lost   int64
	twice  int64
	reseat bool // the seat was not kept

	// What it waits for: the first state of a later epoch, or after a break.
	waiting bool
	over    uint64 // epoch that it must be above; 0 for any
	breaks  int    // of the connection, that it must be above; -1 for any
	from    string // or the node that it must have left
	since   time.Time
	back    time.Time
}

// tally is the player's row of that table.
type tally struct{ first, last, gaps, twice uint32 }

// enter joins the room and plays until leave. The client finds its way alone from
// the first welcome on.
func (p *player) enter(ctx context.Context) error {
	var err error
	for ctx.Err() == nil {
		p.client, err = client.Dial(ctx, "ws://"+p.home+"/v1/ws", client.Options{
			Config:   client.Config{Kind: p.troupe.kind, Room: p.room.name, Name: "bot"},
			OnUpdate: p.update,
			NetDial:  p.troupe.fleet.dial,
		})
		if err == nil {
			var play context.Context
			play, p.cancel = context.WithCancel(context.Background())
			go p.press(play)
			return nil
		}
		if wait(ctx, redial) != nil {
			break
		}
	}
	return fmt.Errorf("a bot cannot join room %s: %w", p.room.name, err)
}

// leave gives the seat up.
func (p *player) leave() {
	if p.client == nil {
		return
	}
	p.cancel()
	p.client.Leave()
	select {
	case <-p.client.Done():
	case <-time.After(time.Second):
	}
	p.client.Close()
}

// update looks at what the client was shown.
func (p *player) update(c *client.Client) {
	now := time.Now()
	at := c.RemoteAddr()
	p.mu.Lock()
	defer p.mu.Unlock()
	if at == nil {
		p.broken++
		return
	}
	p.addr = at.String()
	c.View(func(core *client.Core) { p.look(core, now) })
}

// look checks a state: history only goes on, and nobody was shown another content
// of the same tick.
func (p *player) look(core *client.Core, now time.Time) {
	tick, ok := core.Tick()
	epoch := core.Epoch()
	if !ok || tick == p.tick && epoch == p.epoch {
		return
	}
	if epoch < p.epoch || epoch == p.epoch && tick < p.tick {
		p.fault("the history went back from %d-%d to %d-%d", p.epoch, p.tick, epoch, tick)
	}
	if hash := core.Shared().Hash(); !p.room.check(epoch, tick, hash) {
		p.fault("tick %d-%d was shown with two contents", epoch, tick)
	}
	if wrong := core.Stats().WrongHashes; wrong > 0 && len(p.faults) == 0 {
		p.fault("%d states have not the hash that the server told: %v", wrong, core.Fault())
	}
	if !p.last.IsZero() {
		p.gap = max(p.gap, now.Sub(p.last))
	}
	if p.waiting && epoch > p.over && (p.broken > p.breaks || p.addr != p.from) {
		p.waiting, p.back = false, now
	}
	p.account(core, epoch != p.epoch, now)
	p.epoch, p.tick, p.last = epoch, tick, now
	p.states++
}

func (p *player) fault(format string, args ...any) {
	const most = 5 // of one player
	if len(p.faults) < most {
		p.faults = append(p.faults, fmt.Sprintf("room %s: "+format, append([]any{p.room.name}, args...)...))
	}
	p.troupe.wrong.Add(1)
}

// account compares the player's tally with the one before. A new history begins with
// what a checkpoint kept: what was lost with it is not counted.
func (p *player) account(core *client.Core, anew bool, now time.Time) {
	t, ok := p.find(core)
	if !ok {
		return
	}
	if p.tally.first != 0 && t.first != p.tally.first {
		p.reseat = true
	}
	if !anew && p.tally.first != 0 {
		if t.last > p.pardon {
			p.lost += int64(t.gaps - p.tally.gaps)
		}
		p.twice += int64(t.twice - p.tally.twice)
		for n := p.tally.last + 1; n <= t.last; n++ {
			p.troupe.latency(p, now.Sub(p.sentAt[n%sentKept]))
		}
	}
	p.tally = t
}

// find is the player's own row of tallies.
func (p *player) find(core *client.Core) (tally, bool) {
	r, ok := core.Row("tally", p.row)
	if !ok || !r.Mine {
		p.row, ok = -1, false
		for r = range core.Rows("tally") {
			if ok = r.Mine; ok {
				p.row = r.Index
				break
			}
		}
	}
	if !ok {
		return tally{}, false
	}
	field := func(name string) uint32 { return uint32(r.Value(name)) }
	return tally{field("first"), field("last"), field("gaps"), field("twice")}, true
}

// press sends inputs at the troupe's rate until ctx ends.
func (p *player) press(ctx context.Context) {
	every := time.Duration(float64(time.Second) / p.troupe.rate)
	if wait(ctx, rand.N(every)) != nil {
		return
	}
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			if !p.troupe.silent.Load() {
				p.send()
			}
		case <-ctx.Done():
			return
		}
	}
}

// send sends one input. Its life is how many epochs the player has been in.
func (p *player) send() {
	epoch, free := p.mind()
	if !free {
		return
	}
	if epoch != p.lived {
		p.lived = epoch
		p.lives++
	}
	p.mu.Lock()
	n := p.sent + 1
	before := p.sentAt[n%sentKept]
	p.sentAt[n%sentKept] = time.Now()
	p.mu.Unlock()
	err := p.client.SendInput(func(b *client.InputBuilder) { p.troupe.fill(b, n, p.lives) })
	then, _ := p.mind()
	p.mu.Lock()
	defer p.mu.Unlock()
	if then != epoch {
		p.pardon = n + maxUnderWay
	}
	// An input that failed on its way is sent again by the client.
	if errors.Is(err, client.ErrDisconnected) || errors.Is(err, client.ErrNotJoined) || errors.Is(err, client.ErrSchemaChanged) {
		p.sentAt[n%sentKept] = before
		return
	}
	p.sent = n
}

// mind is the epoch of the client's newest welcome, and whether it may send.
func (p *player) mind() (epoch uint64, free bool) {
	p.client.View(func(core *client.Core) { epoch, free = core.Epoch(), core.Unacked() < maxUnderWay })
	return epoch, free
}

// count fills the input of the counted workload: a new direction twice a second, the
// number and the life.
func count(b *client.InputBuilder, n uint32, life uint8) {
	b.Set("dir", float64(crowd.CountedDir(uint8(n/turnEvery), life)))
	b.Set("seq", float64(n))
}

// expect has the player note when the next state comes after now: of an epoch above
// the one it is in, or on another connection.
func (p *player) expect(anew bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting, p.over, p.breaks, p.from, p.since, p.back = true, 0, p.broken, p.addr, time.Now(), time.Time{}
	if anew {
		p.over, p.breaks = p.epoch, -1
	}
}

// returned is how long it took, if it is over.
func (p *player) returned() (time.Duration, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.back.Sub(p.since), !p.waiting
}

// at is the address that the player is connected to, or was last.
func (p *player) at() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.addr
}
