// Command roomd serves the demo games, with their pages at /.
package main

import (
	"os"
	"runtime"

	demo "github.com/roomd/roomd/client-demo"
	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/game/arena"
	"github.com/roomd/roomd/game/eights"
	"github.com/roomd/roomd/room/server"
)

func main() {
	runtime.MemProfileRate = 0 // nobody can ask for the profile, and its samples cost a megabyte
	os.Exit(server.Exec(server.Config{
		Kinds: []*game.Kind{arena.Kind, eights.Kind},
		Pages: demo.Pages(),
	}, os.Args[1:], os.Stdout, os.Stderr))
}
