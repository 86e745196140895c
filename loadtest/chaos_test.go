package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
)

// Nodes are killed CHAOS_KILLS times, 3 without it: all rooms and seats go on, no
// history goes back, no tick is shown with two contents, and no input comes twice.
// How long it takes is not judged here, up to backTime.
func TestChaosKills(t *testing.T) {
	if testing.Short() {
		t.Skip("kills processes for a minute")
	}
	kills := 3
	if s := os.Getenv("CHAOS_KILLS"); s != "" {
		var err error
		if kills, err = strconv.Atoi(s); err != nil {
			t.Fatalf("CHAOS_KILLS: %v", err)
		}
	}
	breakThings(t, &chaosCmd{Kills: kills, Only: []string{"kills"}})
}

// Whatever else happens to nodes and their NATS, no room is lost and no promise
// broken, and all are back without anybody's help.
func TestChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("breaks processes for a minute")
	}
	breakThings(t, &chaosCmd{Outage: 3 * time.Second, Only: []string{"stopped", "outage", "cut", "rolling", "leader"}})
}

// Players beside hostile clients lose nothing, and the server gives back its memory.
// What they feel is not judged here.
func TestChaosHostile(t *testing.T) {
	if testing.Short() {
		t.Skip("attacks a server for a quarter of a minute")
	}
	breakThings(t, &chaosCmd{Attack: minAttack, Only: []string{"hostile"}})
}

func breakThings(t *testing.T, c *chaosCmd) {
	t.Helper()
	c.clusterFlags = clusterFlags{Nodes: 3, Players: 2, Rate: 10, Lease: time.Second, Checkpoint: 300 * time.Millisecond}
	c.Rooms = 4
	if c.Outage == 0 {
		c.Outage = time.Second
	}
	r, w := io.Pipe()
	go func() { w.CloseWithError(c.play(t.Context(), t.TempDir(), w)) }()
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		t.Log(lines.Text())
	}
	if err := lines.Err(); err != nil {
		t.Error(err)
	}
}

// Without --only all phases are played, and a name that no phase has is an error: a
// run that plays nothing breaks no promise.
func TestChaosOnly(t *testing.T) {
	var c chaosCmd
	parse := func(args ...string) ([]string, error) {
		k, err := kong.New(&c)
		if err != nil {
			t.Fatal(err)
		}
		_, err = k.Parse(args)
		return c.Only, err
	}
	all := []string{"hostile"}
	for _, p := range slices.Concat(chaosPhases, chaosOnThree, chaosOnMesh) {
		all = append(all, p.name)
	}
	if got, err := parse(); err != nil || !slices.Equal(got, all) {
		t.Errorf("without --only %v, %v; want %v", got, err, all)
	}
	for _, only := range []string{"kils", "kills,kils"} {
		if got, err := parse("--only=" + only); err == nil {
			t.Errorf("--only=%s plays %v", only, got)
		}
	}
	if _, err := parse("--only="); err != nil || c.Run() == nil {
		t.Errorf("no phase is played, and that is no error: %v", err)
	}
}

// An attack that is too short to measure anybody is refused: it would look like a
// promise that is broken.
func TestChaosAttack(t *testing.T) {
	c := &chaosCmd{Attack: minAttack - 1, Outage: time.Second, Rooms: 1, Only: []string{"hostile"}}
	c.clusterFlags = clusterFlags{Nodes: 2, Players: 1, Rate: 1, Lease: time.Second, Checkpoint: time.Second}
	if err := c.Run(); err == nil || !strings.Contains(err.Error(), minAttack.String()) {
		t.Error(err)
	}
}

// A phase that is interrupted breaks no promise, and one that fails does.
func TestInterruptedPhase(t *testing.T) {
	var out strings.Builder
	ctx, cancel := context.WithCancel(t.Context())
	s := &chaos{out: &out, troupe: newTroupe(nil, 0, 0, 1)}
	if n := s.run(ctx, phase{"fails", func(context.Context, *chaos) (string, error) { return "", errors.New("a room is lost") }}); n != 1 {
		t.Errorf("%d failures of one that fails: %s", n, &out)
	}
	out.Reset()
	if n := s.run(ctx, phase{"ends", func(context.Context, *chaos) (string, error) { cancel(); return "", ctx.Err() }}); n != 0 || out.Len() > 0 {
		t.Errorf("%d failures of one that is interrupted: %s", n, &out)
	}
}

// A proxy that is cut swallows what is sent and says nothing; healed, it ends what
// was open and forwards again.
func TestProxy(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() { io.Copy(c, c); c.Close() }()
		}
	}()
	p, err := startProxy(ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	echo := func(c net.Conn, within time.Duration) error {
		c.SetDeadline(time.Now().Add(within))
		if _, err := c.Write([]byte("x")); err != nil {
			return err
		}
		_, err := io.ReadFull(c, make([]byte, 1))
		return err
	}
	dial := func() net.Conn {
		c, err := net.Dial("tcp", p.addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	c := dial()
	if err := echo(c, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	p.cut.Store(true)
	if err, ok := echo(c, 100*time.Millisecond).(net.Error); !ok || !err.Timeout() {
		t.Errorf("cut off, the answer is %v, want none", err)
	}
	p.heal()
	if err := echo(c, 10*time.Second); err == nil {
		t.Error("a connection goes on although bytes of it are missing")
	}
	if err := echo(dial(), 10*time.Second); err != nil {
		t.Errorf("healed: %v", err)
	}
}
