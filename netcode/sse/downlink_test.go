package sse

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// got collects the answers of fetches.
type got []Batch

func (g *got) answer(b Batch) { *g = append(*g, b) }

func texts(b Batch) string {
	var all []string
	for i, m := range b.Messages {
		all = append(all, fmt.Sprintf("%d:%s", b.First+uint64(i), m))
	}
	return fmt.Sprint(all)
}

func TestMessagesStayUntilAcknowledged(t *testing.T) {
	var d Downlink
	d.Send(1, []byte("a"))
	d.Send(1, []byte("b"))
	if s := texts(d.Take(0)); s != "[1:a 2:b]" {
		t.Error(s)
	}
	if s := texts(d.Take(0)); s != "[1:a 2:b]" {
		t.Error("after a lost response:", s)
	}
	if s := texts(d.Take(1)); s != "[2:b]" {
		t.Error(s)
	}
	if err := d.Ack(1); err != nil {
		t.Error(err)
	}
	d.Send(1, []byte("c"))
	if s := texts(d.Take(0)); s != "[2:b 3:c]" {
		t.Error(s)
	}
	if err := d.Ack(4); !errors.Is(err, ErrAck) {
		t.Error("acknowledged what was not sent:", err)
	}
	if err := d.Ack(3); err != nil || d.size != 0 || len(d.waiting) != 0 {
		t.Error(err, d.size, len(d.waiting))
	}
}

// A response that is on its way is not filled further, and the next one waits a
// little for what comes together.
func TestFetchWaitsForSomething(t *testing.T) {
	var d Downlink
	var g got
	now := time.Second
	id := d.Attach()
	d.Fetch(now, id, 0, MaxWait, g.answer)
	if next := d.Advance(now); next < now+MaxWait*9/10 || next > now+MaxWait || len(g) != 0 {
		t.Fatalf("next %v, %d answers", next, len(g))
	}
	d.Send(now, []byte("a"))
	d.Advance(now)
	if len(g) != 1 || texts(g[0]) != "[1:a]" || d.Waiting() {
		t.Fatal(g)
	}
	d.Fetch(now+time.Millisecond, id, 1, MaxWait, g.answer)
	d.Send(now+time.Millisecond, []byte("b"))
	if next := d.Advance(now + time.Millisecond); next != now+answerEvery {
		t.Fatalf("next %v", next)
	}
	d.Send(now+2*time.Millisecond, []byte("c"))
	d.Advance(now + answerEvery)
	if len(g) != 2 || texts(g[1]) != "[2:b 3:c]" {
		t.Fatal(g)
	}
	d.Fetch(now, id, 3, time.Second, g.answer)
	d.Advance(now + time.Second)
	if len(g) != 3 || len(g[2].Messages) != 0 || g[2].Superseded || g[2].Over {
		t.Fatal(g)
	}
}

func TestNewerReaderTakesOver(t *testing.T) {
	var d Downlink
	var old, newer got
	a := d.Attach()
	d.Fetch(1, a, 0, MaxWait, old.answer)
	b := d.Attach()
	if len(old) != 1 || !old[0].Superseded {
		t.Fatal(old)
	}
	d.Fetch(1, b, 0, MaxWait, newer.answer)
	d.Fetch(1, a, 0, MaxWait, old.answer)
	if len(old) != 2 || !old[1].Superseded || !d.Waiting() {
		t.Fatal(old)
	}
	d.Send(1, []byte("a"))
	d.Advance(1)
	if len(newer) != 1 || texts(newer[0]) != "[1:a]" {
		t.Fatal(newer)
	}
	f := d.Fetch(time.Minute, b, 1, MaxWait, newer.answer)
	d.Leave(f)
	d.Send(time.Minute, []byte("b"))
	d.Advance(time.Minute)
	if len(newer) != 1 || texts(d.Take(1)) != "[2:b]" {
		t.Error("who left was answered", newer)
	}
}

// Ticks make way, control messages do not; neither grows without end.
func TestClientThatDoesNotFetchCostsLittle(t *testing.T) {
	var d Downlink
	now := time.Second
	big := make([]byte, 1000)
	for range 1000 {
		if !d.Offer(now, nil, big) {
			break
		}
	}
	if d.size > maxUnacked/2 {
		t.Errorf("%d bytes of ticks are kept", d.size)
	}
	n := 0
	for d.Send(now, big) {
		n++
	}
	if d.size > maxUnacked || n < 100 {
		t.Errorf("%d bytes, %d control messages", d.size, n)
	}
	d = Downlink{}
	d.Offer(now, []byte("pri"), []byte("vate"))
	if d.Offer(now+fetchTime+1, nil, big) {
		t.Error("a tick is kept for a client that fetched nothing for long")
	}
	if s := texts(d.Take(0)); s != "[1:private]" {
		t.Error(s)
	}
	if !d.Offer(now+fetchTime+1, nil, big) {
		t.Error("no tick is kept for a client that fetched everything")
	}
	d.Take(0)
	if d.Offer(now+ackTime+1, nil, big) {
		t.Error("a tick is kept for a client that acknowledged nothing for long")
	}
}

func TestEndIsTold(t *testing.T) {
	var d Downlink
	var g got
	d.Send(1, []byte("bye"))
	d.End(1)
	if given, acked := d.Over(); given || acked {
		t.Error("told before it was fetched")
	}
	d.Fetch(1, d.Attach(), 0, MaxWait, g.answer)
	if len(g) != 1 || texts(g[0]) != "[1:bye]" || !g[0].Over {
		t.Fatal(g)
	}
	if given, acked := d.Over(); !given || acked {
		t.Error(given, acked)
	}
	if d.Send(1, []byte("more")) {
		t.Error("sent after the end")
	}
	d.Ack(1)
	d.Fetch(1, d.Attach(), 1, MaxWait, g.answer)
	if len(g) != 2 || !g[1].Over || len(g[1].Messages) != 0 {
		t.Fatal(g)
	}
	if _, acked := d.Over(); !acked {
		t.Error("not over")
	}
}

// Whatever is lost on the way, the client gets every message once and in order.
func TestAnyLossLosesNothing(t *testing.T) {
	for seed := range uint64(2000) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var d Downlink
		now, sent, has := time.Second, 0, uint64(0)
		var told []byte
		take := func(b Batch) {
			if rng.IntN(3) == 0 {
				return // the response is lost
			}
			for i, m := range b.Messages {
				if n := b.First + uint64(i); n == has+1 {
					has, told = n, append(told, m...)
				} else if n > has {
					t.Fatalf("seed %d: message %d after %d", seed, n, has)
				}
			}
		}
		var id uint64
		for range 200 {
			now += time.Duration(rng.IntN(int(50 * time.Millisecond)))
			switch rng.IntN(6) {
			case 0, 1:
				if d.Send(now, []byte{byte(sent)}) {
					sent++
				}
			case 2:
				d.Ack(uint64(rng.IntN(int(has) + 1)))
			case 3:
				id = d.Attach()
				d.Fetch(now, id, has, time.Second, take)
			case 4:
				take(d.Take(has))
			case 5:
				d.Advance(now)
			}
		}
		d.Ack(has)
		d.Attach() // nobody waits any more
		for int(has) < sent {
			take(d.Take(has))
		}
		for i, b := range told {
			if b != byte(i) {
				t.Fatalf("seed %d: message %d is %d", seed, i, b)
			}
		}
	}
}

func TestBatchOnTheWire(t *testing.T) {
	b := Batch{First: 7, Messages: [][]byte{{1}, {2, 3}}}
	want := []byte{0x93, 7, 0xc4, 1, 1, 0xc4, 2, 2, 3}
	if g := b.AppendPacked(nil); !bytes.Equal(g, want) {
		t.Errorf("% x", g)
	}
	if g := string(b.AppendEvents(nil)); g != "id: 7\ndata: AQ==\n\nid: 8\ndata: AgM=\n\n" {
		t.Errorf("%q", g)
	}
}
