package server

import (
	"strings"
	"sync/atomic"

	"github.com/roomd/roomd/game"
)

// nap is a walk that sleeps whenever nobody walks.
type nap struct {
	*walk
	w *game.World
}

func (g *nap) Step(now game.Tick, in game.Inputs[step]) {
	g.walk.Step(now, in)
	g.w.Sleep(0)
}

// referee is a walk in which DX 9 has a player sent off and -9 ends the game.
type referee struct {
	*walk
	w *game.World
}

func (g *referee) Step(_ game.Tick, in game.Inputs[step]) {
	for c := range in.All() {
		switch c.Input.DX {
		case 9:
			g.w.Kick(c.Player, "offside")
		case -9:
			g.w.End("full time")
		}
	}
}

// page is a text of a library, long enough for a few hundred to fill what a kernel
// keeps of an answer.
type page struct {
	Text string `net:"all,max=255"`
}

// library is a walk beside much that does not change.
type library struct {
	*walk
	pages *game.Table[page]
}

// Start implements game.Starter.
func (l *library) Start() {
	for range libraryPages {
		l.pages.Add(page{strings.Repeat("x", 250)})
	}
}

func newLibrary(w *game.World) game.Game[step] {
	return &library{plainWalk(w), game.NewTable[page](w, "page")}
}

const libraryPages = 1500

func plainWalk(w *game.World) *walk { return newWalk(false)(w).(*walk) }

var (
	nappers = game.Define("nappers", game.Options{TickRate: 60, Sleeps: true}, func(w *game.World) game.Game[step] {
		return &nap{plainWalk(w), w}
	})
	libraries = game.Define("libraries", game.Options{TickRate: 20, Spectate: game.Everyone}, newLibrary)
	matches   = game.Define("matches", game.Options{TickRate: 60}, func(w *game.World) game.Game[step] {
		return &referee{plainWalk(w), w}
	})
)

// stillborn is a kind whose rooms cannot be made once broken is set.
func stillborn(broken *atomic.Bool) *game.Kind {
	return game.Define("stillborn", game.Options{Isolated: true}, func(w *game.World) game.Game[step] {
		if broken.Load() {
			panic("no map to play on")
		}
		return plainWalk(w)
	})
}
