// Command loadtest plays against a roomd server and reports what it cost.
//
//	go run ./loadtest play --rooms 100 --players 10 --duration 10s
//
// Without --url it starts itself again as a server process on the fixed
// workload of package loadtest/crowd, so that the server's CPU and memory are
// seen alone. Each subcommand prints a table for people, and with --json one
// object on standard output whose keys carry their units.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/alecthomas/kong"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/game/arena"
	"github.com/roomd/roomd/loadtest/crowd"
	"github.com/roomd/roomd/room/server"
)

type cli struct {
	Play       playCmd       `cmd:"" default:"withargs" help:"Bots play in rooms (the default)."`
	Rooms      roomsCmd      `cmd:"" help:"Rooms that nobody watches: what a tick costs by itself."`
	Wire       wireCmd       `cmd:"" help:"Bytes and time of the wire format, on two fixed worlds."`
	Spectators spectatorsCmd `cmd:"" help:"Readers of public streams: CPU beside plain net/http, memory, states."`
	Fanout     fanoutCmd     `cmd:"" hidden:"" help:"Be the net/http baseline of a spectators run."`
	Peers      peersCmd      `cmd:"" help:"CPU and memory beside a loop of write(2) and a plain Go server."`
	Serve      serveCmd      `cmd:"" hidden:"" help:"Be the server of a run."`
	Cluster    clusterCmd    `cmd:"" help:"Bots play on a cluster whose rooms move and whose nodes die."`
	Chaos      chaosCmd      `cmd:"" help:"Everything that can go wrong with a cluster, and what it promises then."`
	Demo       demoCmd       `cmd:"" name:"demo-cluster" help:"Three nodes with bots, to play and to break things."`
	NATS       natsCmd       `cmd:"" name:"nats" hidden:"" help:"Be the NATS of a cluster."`
}

// serveCmd hands its arguments to server.Exec, whose flags they are.
type serveCmd struct {
	Args []string `arg:"" optional:"" passthrough:""`
}

func (c *serveCmd) Run() error {
	runtime.MemProfileRate = 0 // as in cmd/roomd
	collectOnSignal()
	os.Exit(serve(append([]string{"serve"}, c.Args...)))
	return nil
}

// serve is the server that runs are played on, with roomd's own flags.
func serve(args []string) int {
	kinds := append([]*game.Kind{crowd.Kind, crowd.Counted, crowd.Notice, arena.Kind}, roomKinds...)
	return server.Exec(server.Config{Kinds: kinds}, args, os.Stdout, os.Stderr)
}

func main() {
	var c cli
	ctx := kong.Parse(&c, kong.Name("loadtest"), kong.UsageOnError())
	err := ctx.Run()
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "loadtest: interrupted before the end, so there is no report")
		os.Exit(1)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "loadtest:", err)
		os.Exit(1)
	}
}
