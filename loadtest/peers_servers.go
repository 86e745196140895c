package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/loadtest/crowd"
	"github.com/roomd/roomd/netcode/delta"
	"github.com/roomd/roomd/netcode/loop"
	"github.com/roomd/roomd/netcode/wire"
)

// peer is a server that is compared.
type peer struct {
	name string
	// start starts it; size is the payload of what it delivers, 0 where rooms are
	// played.
	start func(ctx context.Context, size int) (*target, error)
	// tongue is a client of it: one who plays in a room of the kind, or watches.
	tongue func(kind, room string, plays bool) *guest
}

// prepare builds the baseline programs into dir.
func (r *peersRun) prepare(ctx context.Context, dir string) error {
	if _, err := os.Stat(filepath.Join(r.Baseline, "go.mod")); err != nil {
		return fmt.Errorf("--baseline: %w: run this from the repository's root, or say where loadtest/baseline is", err)
	}
	out, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	build := exec.CommandContext(ctx, "go", "build", "-C", r.Baseline, "-buildvcs=false", "-o", out+string(filepath.Separator), "./...")
	if said, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("the baseline programs cannot be built, which needs Go: %w\n%s", err, said)
	}
	schema, err := crowd.Kind.Schema()
	if err != nil {
		return err
	}
	roomd := func(name string, flags ...string) peer {
		return peer{
			name:   name,
			start:  func(ctx context.Context, size int) (*target, error) { return startRoomd(ctx, size, flags...) },
			tongue: func(kind, room string, plays bool) *guest { return roomdGuest(schema, kind, room, plays) },
		}
	}
	r.ours = []peer{roomd("roomd")}
	if hasUring() {
		r.ours = append(r.ours, roomd("roomd with io_uring", "--io=uring"))
	} else {
		r.rep.note("figures of io_uring are left out: there is none here")
	}
	r.plain = peer{
		name: "the plain server",
		start: func(ctx context.Context, _ int) (*target, error) {
			return startAlone(exec.CommandContext(ctx, filepath.Join(out, "goserver")))
		},
		tongue: func(_, room string, _ bool) *guest {
			return &guest{hello: []byte(room), input: steps(func(dst []byte, dir uint8, seq uint32) []byte {
				return binary.BigEndian.AppendUint32(append(dst, 0x92, dir, 0xce), seq)
			})}
		},
	}
	r.writes = peer{
		name: "the loop of write(2)",
		start: func(ctx context.Context, size int) (*target, error) {
			return startAlone(exec.CommandContext(ctx, filepath.Join(out, "writeloop"),
				fmt.Sprint("-rate=", crowd.NoticeRate), fmt.Sprint("-size=", size)))
		},
		// It is told something, and does not listen: a client that has spoken last puts off
		// its acknowledgements (net.ipv4 delayed ACKs), which is work that the others'
		// servers have.
		tongue: func(string, string, bool) *guest { return &guest{hello: []byte("hello")} },
	}
	return nil
}

// roomdGuest is a client of roomd. The players of the workload send inputs.
func roomdGuest(schema *game.Schema, kind, room string, plays bool) *guest {
	h := wire.Hello{Kind: kind, Room: room, Name: "guest"}
	if !plays {
		h.Flags = wire.FlagSpectate
	}
	g := &guest{hello: wire.AppendHello(nil, h)}
	if !plays || kind != crowd.Kind.Name() {
		return g
	}
	in := &schema.Input
	sent, next := make([]int32, in.Lanes), make([]int32, in.Lanes)
	g.input = steps(func(dst []byte, dir uint8, seq uint32) []byte {
		in.Fields[0].Leaves[0].Put(next, int64(dir))
		in.Fields[1].Leaves[0].Put(next, int64(seq))
		m := wire.Input{DSeq: 1}
		m.Mask, m.Values = delta.AppendInputValues(nil, in, sent, next)
		copy(sent, next)
		return wire.AppendInput(dst, m)
	})
	return g
}

// steps are the inputs of one player: another direction every crowd.TurnEvery, not
// all players at once, and a number for each.
func steps(put func(dst []byte, dir uint8, seq uint32) []byte) func(dst []byte) []byte {
	seq, dir, shift := rand.Uint32N(1<<24), uint8(0), rand.Uint32N(crowd.TurnEvery)
	return func(dst []byte) []byte {
		seq++
		if (seq+shift)%crowd.TurnEvery == 0 {
			dir = uint8(rand.N(crowd.Directions))
		}
		return put(dst, dir, seq)
	}
}

// hasUring reports whether loops have an io_uring here.
func hasUring() bool {
	l, err := loop.New(loop.Config{Uring: true})
	if err != nil {
		return false
	}
	defer l.Stop()
	return l.Uring()
}

// startRoomd starts this program again as the server.
func startRoomd(ctx context.Context, size int, flags ...string) (*target, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := append([]string{"serve", "--listen", "127.0.0.1:0", "--log-level", "ERROR", "--loops", "1",
		"--param", fmt.Sprint("bytes=", size)}, flags...)
	return startAlone(exec.CommandContext(ctx, self, args...))
}

// startAlone starts a server that has one processor.
func startAlone(child *exec.Cmd) (*target, error) {
	child.Env = append(os.Environ(), "GOMAXPROCS=1")
	return startTarget(child)
}

// weigh is the memory of a server without its garbage.
func (t *target) weigh(ctx context.Context) (rss int64, err error) {
	if err := t.child.Process.Signal(collectSignal); err != nil {
		return 0, err
	}
	if err := wait(ctx, collectTime); err != nil {
		return 0, err
	}
	u, err := t.usage()
	return u.rss, err
}
