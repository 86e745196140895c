package cluster

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
)

// noise is bytes that do not compress.
func noise(n int) []byte {
	b, rng := make([]byte, n), rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

func TestStatesLargerThanMessages(t *testing.T) {
	s := startNATS(t, natsserver.Options{JetStream: true}) // 1 MiB a message
	var nodes []*fakeHost
	for _, name := range []string{"a", "b", "c"} {
		h, err := joinNode(t, Options{Name: name, Remote: Remote{Servers: "nats://" + s.Addr().String()}, Lease: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, h)
	}
	a, b, c := nodes[0], nodes[1], nodes[2]
	eventually(t, "all know each other", func() bool {
		return len(a.c.Peers()) == 2 && len(b.c.Peers()) == 2 && len(c.c.Peers()) == 2
	})
	a.c.Tell(Create{"arena", "game"})
	eventually(t, "the room runs", func() bool { _, _, ok := a.runs("arena"); return ok })
	large := string(noise(5<<20)) + strings.Repeat("grass", 1<<20)
	unlock := a.lock()
	a.states["arena"] = large
	unlock()
	a.c.Tell(MoveRoom{"arena", b.c.SID()})
	eventually(t, "it moves", func() bool { s, state, ok := b.runs("arena"); return ok && s.Loaded && state == large })
	eventually(t, "the transfer is forgotten", func() bool {
		b.c.transfers.mu.Lock()
		defer b.c.transfers.mu.Unlock()
		return len(b.c.transfers.from) == 0
	})

	start, _, _ := b.runs("arena")
	if err := b.c.Save("arena", start.Term, []byte(large)); err != nil {
		t.Fatal(err)
	}
	b.c.Close() // without a word
	rescued := func(h *fakeHost) bool {
		s, state, ok := h.runs("arena")
		return ok && s.Term > start.Term && state == large
	}
	eventually(t, "it is rescued", func() bool { return rescued(a) || rescued(c) })

	owner, other := a, c
	if rescued(c) {
		owner, other = c, a
	}
	unlock = owner.lock()
	owner.states["arena"] = strings.Repeat("x", maxState+1)
	unlock()
	owner.c.Tell(MoveRoom{"arena", other.c.SID()})
	eventually(t, "what is too large stays", func() bool {
		defer owner.lock()()
		return len(owner.failed) == 1 && strings.Contains(owner.failed[0].Why, "is the limit")
	})
	if err := owner.c.Save("arena", 99, make([]byte, maxState+1)); err == nil || !strings.Contains(err.Error(), "is the limit") {
		t.Errorf("it is kept: %v", err)
	}
}

// states is the keys that the checkpoints are kept under.
func states(t *testing.T, s *store) string {
	t.Helper()
	list, err := s.checkpoints.ListKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n := map[string]int{}
	for key := range list.Keys() {
		parts := strings.SplitN(key, ".", 4)
		if len(parts) == 4 {
			parts[3] = "*"
		}
		n[strings.Join(parts, ".")]++
	}
	text, _ := json.Marshal(n)
	return string(text)
}

func TestCheckpointsInPieces(t *testing.T) {
	a := startNodes(t, 1, time.Second)[0]
	s := a.c.store
	save := func(term uint64, b []byte) {
		t.Helper()
		if err := s.save(t.Context(), "arena", term, pack(b), 1000); err != nil {
			t.Fatal(err)
		}
	}
	want := func(what string, b []byte) {
		t.Helper()
		if got, err := s.load(t.Context(), "arena", 9); err != nil || !bytes.Equal(got, b) {
			t.Errorf("%s: %d bytes, %v, want %d", what, len(got), err, len(b))
		}
	}
	keys := func(list string) {
		t.Helper()
		if got := states(t, s); got != list {
			t.Errorf("%s, want %s", got, list)
		}
	}
	first, second, third := noise(2500), noise(3500), noise(1500)
	save(4, []byte("small"))
	want("a small one", []byte("small"))
	save(5, first)
	want("one in pieces", first)
	save(5, second)
	save(5, third)
	want("the newest", third)
	keys(`{"arena.4":1,"arena.5":1,"arena.5.2.*":4,"arena.5.3.*":2}`)

	if err := s.purgeStates(t.Context(), "arena.5.3.1"); err != nil {
		t.Fatal(err)
	}
	want("one that lacks a piece", second)
	if _, err := s.checkpoints.Put(t.Context(), "arena.5.2.0", noise(999)); err != nil {
		t.Fatal(err)
	}
	want("two that are damaged", []byte("small"))
	save(5, first)
	want("one after damage", first)
	save(5, []byte("small again"))
	want("a small one after large ones", []byte("small again"))
	keys(`{"arena.4":1,"arena.5":1}`)
	if _, err := s.checkpoints.Put(t.Context(), "arena.6", []byte("\x01\xff\xff\xff\xff\x0f")); err != nil {
		t.Fatal(err)
	}
	want("one that claims to be huge", []byte("small again"))

	save(7, second)
	s.forget(t.Context(), "arena", 7)
	s.forget(t.Context(), "arena", 6)
	s.forget(t.Context(), "arena", 5)
	s.forget(t.Context(), "arena", 4)
	want("none", nil)
	keys(`{}`)
	if info, err := s.states.Info(t.Context()); err != nil || info.State.Msgs != 0 {
		t.Errorf("%d messages are left, %v", info.State.Msgs, err)
	}
	if _, err := s.checkpoints.Get(t.Context(), "arena.5"); err != jetstream.ErrKeyNotFound {
		t.Error(err)
	}
}

func TestTransfersAreBounded(t *testing.T) {
	a := startNodes(t, 1, time.Second)[0]
	ask := func(p piece, body string) string {
		t.Helper()
		m, err := a.c.nc.Request(a.c.subject(a.c.SID()), message(kindPiece, p, []byte(body)), patience)
		if err != nil {
			t.Fatal(err)
		}
		return string(m.Data)
	}
	for id := range uint64(maxTransfers) {
		if got := ask(piece{From: "x", ID: id, Size: 9, Offer: &Offer{}}, "begin"); got != "" {
			t.Errorf("transfer %d: %q", id, got)
		}
	}
	if got := ask(piece{From: "x", ID: maxTransfers, Size: 9, Offer: &Offer{}}, "begin"); got != answerBusy {
		t.Errorf("one more: %q", got)
	}
	for _, p := range []piece{
		{From: "x", ID: 0, At: 6, Size: 9}, {From: "x", ID: 0, At: 4, Size: 9}, {From: "x", ID: 0, At: 5, Size: 8}, {From: "y", ID: 0, At: 5, Size: 9},
	} {
		if got := ask(p, "end"); got != answerNone {
			t.Errorf("%+v: %q", p, got)
		}
	}
	eventually(t, "they are dropped", func() bool {
		return ask(piece{From: "x", ID: maxTransfers, Size: 9, Offer: &Offer{}}, "begin") == ""
	})
	if got := ask(piece{From: "x", ID: 0, At: 5, Size: 9}, "last"); got != answerNone {
		t.Errorf("a piece of one that was dropped: %q", got)
	}
	for _, p := range []piece{
		{From: "x", ID: 77, Size: 1 << 30, Offer: &Offer{}}, {From: "x", ID: 77, Size: 3, Offer: &Offer{}}, {From: "x", ID: 77, At: -1, Size: 9}, {From: "x", ID: 77, Size: 9},
	} {
		before := a.c.Stats().Strangers.Load()
		a.c.nc.Publish(a.c.subject(a.c.SID()), message(kindPiece, p, []byte("begin")))
		eventually(t, "it counts as a stranger's", func() bool { return a.c.Stats().Strangers.Load() > before })
	}
}
