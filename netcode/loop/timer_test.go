package loop

import (
	"net"
	"slices"
	"testing"
	"time"
)

func TestTimersRingInOrder(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		l := start(t, cfg)
		type ring struct{ set, at time.Duration }
		rings := make(chan ring, 100)
		set := map[*Conn]time.Duration{}
		h := &funcs{timer: func(c *Conn, now time.Duration) { rings <- ring{set[c], now} }}
		var conns []*Conn
		for range 6 {
			c, _ := connect(t, l, h)
			conns = append(conns, c)
		}
		call(t, l, func() {
			now := Now()
			for i, c := range conns {
				set[c] = now + time.Duration(5-i)*40*time.Millisecond
				c.SetTimer(now + time.Hour)        // replaced by
				c.SetTimer(now + time.Millisecond) // replaced by
				c.SetTimer(set[c])
			}
			conns[5].SetTimer(0)
		})
		var got []time.Duration
		for range 5 {
			r := await(t, rings)
			got = append(got, r.set)
			if late := r.at - r.set; late < 0 || late > 2*time.Second {
				t.Errorf("%v late", late)
			}
		}
		if !slices.IsSorted(got) {
			t.Errorf("order %v", got)
		}
		call(t, l, func() {
			if len(rings) > 0 {
				t.Error("a cleared timer rang, or one rang twice")
			}
		})
	})
}

// wheelRig runs a wheel on a time of its own.
type wheelRig struct {
	l    *Loop
	rang []rung
}

type rung struct {
	c  *Conn
	at time.Duration
}

func (r *wheelRig) conn() *Conn {
	c := newConn(r.l, nil, -1, remoteOf(nowhere{}))
	c.handler = &funcs{timer: func(c *Conn, now time.Duration) { r.rang = append(r.rang, rung{c, now}) }}
	r.l.slots.put(c)
	return c
}

func (r *wheelRig) to(at time.Duration) { r.l.wheel.advance(r.l, at) }

func TestWheel(t *testing.T) {
	r := &wheelRig{l: &Loop{}}
	w := &r.l.wheel
	if w.next() != Never {
		t.Fatal("an empty wheel has something to do")
	}
	near, far, again := r.conn(), r.conn(), r.conn()
	near.SetTimer(20 * time.Millisecond)
	far.SetTimer(time.Minute) // several rounds away
	again.SetTimer(100 * time.Millisecond)
	if w.next() != 32*time.Millisecond {
		t.Errorf("next %v", w.next())
	}
	r.to(31 * time.Millisecond)
	if len(r.rang) != 0 {
		t.Fatal("rang before its time")
	}
	r.to(32 * time.Millisecond)
	if len(r.rang) != 1 || r.rang[0].c != near {
		t.Fatalf("rang %v", r.rang)
	}
	for at := 40 * time.Millisecond; at < 10*time.Second; at += 50 * time.Millisecond {
		again.SetTimer(at + 100*time.Millisecond) // a deadline that keeps moving
		r.to(at)
	}
	if len(r.rang) != 1 {
		t.Fatalf("a moving deadline rang: %v", r.rang)
	}
	entries := 0
	for _, b := range w.buckets {
		entries += len(b)
	}
	if entries > 3 {
		t.Errorf("%d entries for 2 timers", entries)
	}
	r.to(11 * time.Second)
	if len(r.rang) != 2 || r.rang[1].c != again {
		t.Fatalf("rang %v", r.rang)
	}
	r.to(time.Minute - time.Millisecond)
	if len(r.rang) != 2 {
		t.Fatal("the far timer rang early")
	}
	r.to(time.Hour) // a loop that slept long
	if len(r.rang) != 3 || r.rang[2].c != far || w.next() != Never {
		t.Fatalf("rang %v, next %v", r.rang, w.next())
	}
}

func TestWheelForgetsGoneConnections(t *testing.T) {
	r := &wheelRig{l: &Loop{}}
	old := r.conn()
	old.SetTimer(50 * time.Millisecond)
	r.l.slots.drop(old)
	young := r.conn() // the same slot, another generation
	if young.slot != 0 {
		t.Fatal("the slot is not reused")
	}
	young.SetTimer(200 * time.Millisecond)
	r.to(100 * time.Millisecond)
	if len(r.rang) != 0 {
		t.Fatal("the timer of a gone connection rang")
	}
	r.to(300 * time.Millisecond)
	if len(r.rang) != 1 || r.rang[0].c != young {
		t.Fatalf("rang %v", r.rang)
	}
}

// Random timers, set and set again, ring once each, never early and at most a
// slot late.
func TestWheelRandom(t *testing.T) {
	r := &wheelRig{l: &Loop{}}
	deadlines := map[*Conn]time.Duration{}
	var conns []*Conn
	for range 100 {
		conns = append(conns, r.conn())
	}
	x := uint32(7)
	rand := func(n int) int { x = x*1664525 + 1013904223; return int(x>>8) % n }
	now := time.Duration(0)
	for range 20_000 {
		now += time.Duration(rand(5000)) * time.Microsecond
		c := conns[rand(len(conns))]
		deadlines[c] = now + time.Duration(rand(20_000))*time.Millisecond + 1
		c.SetTimer(deadlines[c])
		r.rang = r.rang[:0]
		r.to(now)
		for _, g := range r.rang {
			if d, ok := deadlines[g.c]; !ok || g.at < d {
				t.Fatalf("rang at %v, deadline %v", g.at, d)
			}
			delete(deadlines, g.c)
		}
		for c, d := range deadlines {
			if d < now-wheelSlot {
				t.Fatalf("%v: timer for %v did not ring (at %d, done %d)", now, d, c.wheelAt, r.l.wheel.done)
			}
		}
	}
}

// nowhere is a net.Conn without an address.
type nowhere struct{ net.Conn }

func (nowhere) RemoteAddr() net.Addr { return nil }

// A timer set to Never is not looked at all the time.
func TestTimerNever(t *testing.T) {
	l := start(t, Config{})
	c, _ := connect(t, l, &funcs{})
	call(t, l, func() {
		c.SetTimer(Never)
		if ticks := c.wheelAt - l.wheel.done; ticks < wheelSlots-1 {
			t.Errorf("looked at after %d ticks", ticks)
		}
	})
}

// A loop that comes late rings in order too, also timers that were set earlier before.
func TestLateTimersRingInOrder(t *testing.T) {
	l := start(t, Config{})
	var rang []time.Duration
	set := map[*Conn]time.Duration{}
	h := &funcs{timer: func(c *Conn, _ time.Duration) { rang = append(rang, set[c]) }}
	a, _ := connect(t, l, h)
	b, _ := connect(t, l, h)
	const round = wheelSlots * wheelSlot
	call(t, l, func() {
		now := Now()
		for _, late := range []time.Duration{round * 3 / 4, round * 3 / 2, round * 5 / 2} {
			rang = rang[:0]
			set[a], set[b] = now+round*5/8, now+100*time.Millisecond
			for _, c := range []*Conn{a, b} {
				c.SetTimer(now)
				c.SetTimer(set[c])
			}
			now += late
			l.wheel.advance(l, now)
			if len(rang) != 2 || !slices.IsSorted(rang) {
				t.Errorf("%v late: order %v", late, rang)
			}
		}
	})
}
