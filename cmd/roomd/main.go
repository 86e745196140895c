// Command roomd serves the demo games, with their pages at /.
package main

import (
	"os"

	demo "github.com/roomd/roomd/client-demo"
	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/game/arena"
	"github.com/roomd/roomd/game/eights"
	"github.com/roomd/roomd/room/server"
)

func main() {
	os.Exit(server.Exec(server.Config{
		Kinds: []*game.Kind{arena.Kind, eights.Kind},
		Pages: demo.Pages(),
	}, os.Args[1:], os.Stdout, os.Stderr))
}
