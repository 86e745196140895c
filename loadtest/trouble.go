package main

import (
	"errors"
	"math/rand/v2"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"github.com/roomd/roomd/netcode/loop"
)

// troubleFlags make some bots bad at their part.
type troubleFlags struct {
	Drop  float64 `help:"Bots that lose their connection and resume, in percent a second."`
	Stall float64 `help:"Bots that read nothing for a second, in percent a second."`
	Storm float64 `help:"Bots that lose their connection in the same moment, in percent, in the middle of the time measured."`
}

func (f *troubleFlags) validate() error {
	for _, v := range []float64{f.Drop, f.Stall, f.Storm} {
		if !(v >= 0 && v <= 100) { // NaN too
			return errors.New("drop, stall and storm must be 0 to 100 percent")
		}
	}
	return nil
}

func (f *troubleFlags) any() bool { return f.Drop > 0 || f.Stall > 0 || f.Storm > 0 }

const (
	// troubleEvery is the time between two looks whom trouble befalls.
	troubleEvery = 50 * time.Millisecond
	// stallTime is how long a bot that stalls reads nothing.
	stallTime = time.Second
	// redialJitter spreads bots that come back, as clients do that lost a server.
	redialJitter = 250 * time.Millisecond
)

// errDropped ends a connection that trouble befell.
var errDropped = errors.New("dropped on purpose")

// trouble is the loop.Driver that lets connections break and bots stall, and brings
// them back.
type trouble struct {
	flags   troubleFlags
	swarm   *swarm
	loop    *loop.Loop
	stormAt time.Duration // 0: none, or over
	back    *hdr.Histogram
	redials []recovery
	stalls  []recovery

	drops, stalled, reseated int64
}

// recovery is a bot and when it is well again.
type recovery struct {
	at  time.Duration
	bot *bot
}

// Advance implements loop.Driver.
func (t *trouble) Advance(now time.Duration) time.Duration {
	if t.swarm.measure {
		t.befall(now)
	}
	t.redials = due(t.redials, now, func(b *bot) {
		if err := b.start(t.loop); err != nil {
			b.Closed(nil, err)
		}
	})
	t.stalls = due(t.stalls, now, func(b *bot) {
		if !b.gone && b.dropped == 0 {
			b.conn.Quiet(false)
		}
	})
	return now + troubleEvery
}

// due calls f for those whose time has come and returns the others.
func due(list []recovery, now time.Duration, f func(*bot)) []recovery {
	left := list[:0]
	for _, r := range list {
		if r.at > now {
			left = append(left, r)
		} else {
			f(r.bot)
		}
	}
	return left
}

func (t *trouble) befall(now time.Duration) {
	share := troubleEvery.Seconds() / 100
	storm := t.stormAt != 0 && now >= t.stormAt
	if storm {
		t.stormAt = 0
	}
	for _, b := range t.swarm.bots {
		switch x := rand.Float64(); {
		case b.gone || b.dropped != 0 || !b.seen:
		case x < t.flags.Drop*share, storm && x < t.flags.Storm/100:
			t.drops++
			b.dropped = now
			b.conn.Close(errDropped)
		case x < (t.flags.Drop+t.flags.Stall)*share:
			t.stalled++
			b.conn.Quiet(true)
			t.stalls = append(t.stalls, recovery{now + stallTime, b})
		}
	}
}

// broken takes in the end of a bot's connection, and reports whether it comes back.
func (t *trouble) broken(b *bot) bool {
	if b.token == "" || b.tries >= maxRedials {
		return false
	}
	if b.dropped == 0 { // the server's doing: a bot that stalled for too long
		b.dropped = loop.Now()
	}
	b.tries++
	b.upgraded, b.playing, b.holds = false, false, false
	t.redials = append(t.redials, recovery{loop.Now() + rand.N(redialJitter), b})
	return true
}

// maxRedials is how often in a row a bot tries.
const maxRedials = 20

// returned notes that a bot has a state again.
func (t *trouble) returned(b *bot) {
	t.back.RecordValue(max((loop.Now() - b.dropped).Milliseconds(), 1))
	b.dropped, b.tries = 0, 0
}
