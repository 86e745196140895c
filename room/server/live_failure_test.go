package server

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	gobwas "github.com/gobwas/ws"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/client"
	"github.com/roomd/roomd/netcode/wire"
)

// A game that fails ends its own room; a room on the same loop misses nothing.
func TestFailingGameEndsItsRoomAlone(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		cfg.Loops = 1
		l := run(t, cfg)
		healthy := l.join(client.Config{Kind: "walkers"})
		for name, dx := range map[string]int{"panic": 9, "goexit": -9} {
			ann := l.join(client.Config{Kind: "bombs", Room: name})
			bob := l.join(client.Config{Kind: "bombs", Room: name})
			ann.input(dx)
			ann.wantBye(wire.ByeGameFailed)
			bob.wantBye(wire.ByeGameFailed)
			eventually(t, "the room is gone", func() bool { return l.dir.get(name) == nil })
		}
		healthy.wantNoGap()
		if log := l.logs.String(); !strings.Contains(log, "boom at the walker") || !strings.Contains(log, "live_rig_test.go") {
			t.Errorf("no stack in the log:\n%s", log)
		}
		if _, m := l.get("/metrics"); !strings.Contains(m, "roomd_games_failed_total 2") {
			t.Error("the failures are not counted")
		}
	})
}

func TestIsolatedRoomHasItsOwnLoop(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		cfg.Empty = time.Millisecond
		l := run(t, cfg)
		loops := func() int {
			l.mu.Lock()
			defer l.mu.Unlock()
			return len(l.isolated)
		}
		ann := l.join(client.Config{Kind: "loners"})
		ann.wantEveryTick(5)
		if n := loops(); n != 1 {
			t.Errorf("%d loops of isolated rooms, want 1", n)
		}
		ann.send(ann.core.AppendLeave(nil))
		ann.wantBye(wire.ByeLeft)
		ann.nc.Close()
		eventually(t, "its loop is gone", func() bool { return loops() == 0 })
	})
}

func TestShutdownTellsEverybody(t *testing.T) {
	onEngines(t, func(t *testing.T, cfg Config) {
		before := runtime.NumGoroutine()
		cfg.ShutdownTimeout = 10 * time.Second
		l := run(t, cfg)
		var seats []*seat
		for _, kind := range []string{"walkers", "pair", "loners"} {
			seats = append(seats, l.join(client.Config{Kind: kind}))
		}
		begin := time.Now()
		l.stop()
		for _, s := range seats {
			c := s.ended()
			if c.code != 1001 || c.bye == nil || c.bye.Code != wire.ByeShutdown || c.bye.Retry <= 0 {
				t.Errorf("closed with %d, bye %+v", c.code, c.bye)
			}
			s.nc.Close()
		}
		l.end()
		if took := time.Since(begin); took > cfg.ShutdownTimeout {
			t.Errorf("Run took %v to return", took)
		}
		eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= before })
	})
}

// TestConnectionsNeedNoGoroutines joins 5,000 players on the epoll engine.
func TestConnectionsNeedNoGoroutines(t *testing.T) {
	n := 5000
	if raceEnabled {
		n = 500 // the detector makes joining ten times slower
	}
	var lim syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim); lim.Cur < uint64(2*n+500) || runtime.GOOS != "linux" {
		t.Skipf("needs %d descriptors and epoll", 2*n+500)
	}
	const perRoom = 250
	slow := game.Define("slow", game.Options{TickRate: 2, MaxPlayers: perRoom}, newWalk(false))
	l := run(t, Config{Kinds: []*game.Kind{slow}, Loops: 2, ShutdownTimeout: time.Second})
	warm := l.join(client.Config{Kind: "slow"})
	warm.wantEveryTick(1)
	before := runtime.NumGoroutine()
	for i := range n {
		s := l.dial(client.Config{})
		s.send(hello(wire.Hello{Kind: "slow", Room: fmt.Sprint("room-", i/perRoom)}))
		// The peers read no more: the kernel's buffers fill, and nobody waits.
	}
	eventually(t, "all are seated", func() bool { return l.players("") == n+1 })
	// Each room has a coroutine in which its game runs.
	rooms := n / perRoom
	if after := runtime.NumGoroutine(); after > before+rooms+10 {
		t.Errorf("%d goroutines with %d connections, %d with one", after, n, before)
	}
	warm.wantEveryTick(2)
}

// The rest runs this test binary again as a server process.
const serverEnv = "ROOMD_TEST_SERVER"

func TestMain(m *testing.M) {
	if kind := os.Getenv(serverEnv); kind != "" {
		k := map[string]*game.Kind{"hang": hangs, "walkers": walkers}[kind]
		os.Exit(Exec(Config{Kinds: []*game.Kind{k}}, append([]string{"serve", "--listen", "127.0.0.1:0"}, os.Args[1:]...), os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// hang never returns from its first Step with a player.
type hang struct{ joined bool }

func (h *hang) Join(game.PlayerID, game.JoinInfo) error { h.joined = true; return nil }
func (h *hang) Leave(game.PlayerID)                     {}
func (h *hang) Step(game.Tick, game.Inputs[step]) {
	if h.joined {
		select {}
	}
}

var hangs = game.Define("hang", game.Options{}, func(*game.World) game.Game[step] { return &hang{} })

// process is a server in a process of its own.
type process struct {
	cmd  *exec.Cmd
	url  string // as printed
	addr string
	errs *bytes.Buffer
	done chan error
}

func startProcess(t *testing.T, kind string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(os.Args[0], args...), errs: &bytes.Buffer{}, done: make(chan error, 1)}
	p.cmd.Env = append(os.Environ(), serverEnv+"="+kind)
	p.cmd.Stderr = p.errs
	out, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.cmd.Process.Kill() })
	line := make([]byte, 256)
	n, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscanf(string(line[:n]), "Play at %s", &p.url); err != nil {
		t.Fatalf("printed %q", line[:n])
	}
	_, p.addr, _ = strings.Cut(strings.Trim(p.url, "/"), "://")
	go func() {
		io.Copy(io.Discard, out)
		p.done <- p.cmd.Wait()
	}()
	return p
}

func (p *process) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-p.done:
		return err
	case <-time.After(patience):
		t.Fatal("the process did not end")
		return nil
	}
}

func TestWatchdogEndsAHungProcess(t *testing.T) {
	t.Parallel()
	p := startProcess(t, "hang")
	l := &live{t: t, addr: p.addr}
	s := l.dial(client.Config{})
	s.send(hello(wire.Hello{Kind: "hang"}))
	p.wait(t)
	if code := p.cmd.ProcessState.ExitCode(); code != 2 {
		t.Errorf("exit code %d, want 2", code)
	}
	if log := p.errs.String(); !strings.Contains(log, "a loop hangs") || !strings.Contains(log, "(*hang).Step") {
		t.Errorf("the log does not show where it hangs:\n%.2000s", log)
	}
}

func TestSignalsEndTheProcess(t *testing.T) {
	t.Parallel()
	p := startProcess(t, "walkers")
	l := &live{t: t, addr: p.addr}
	s := l.join(client.Config{Kind: "walkers"})
	p.cmd.Process.Signal(syscall.SIGTERM)
	s.wantBye(wire.ByeShutdown)
	s.nc.Close()
	if err := p.wait(t); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, p.errs)
	}

	p = startProcess(t, "walkers")
	l = &live{t: t, addr: p.addr}
	s = l.join(client.Config{Kind: "walkers"})
	p.cmd.Process.Signal(syscall.SIGTERM)
	// This client does not answer the close, so that the server still waits for it.
	for {
		h, err := gobwas.ReadHeader(s.br)
		if err != nil {
			t.Fatal(err)
		}
		if h.OpCode == gobwas.OpClose {
			break
		}
		io.CopyN(io.Discard, s.br, h.Length)
	}
	begin := time.Now()
	p.cmd.Process.Signal(syscall.SIGTERM)
	if err := p.wait(t); err == nil {
		t.Error("a second signal ended the process as if it were done")
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("the second signal took %v", took)
	}
}
