package gametest

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/roomd/roomd/game"
)

// Option changes how Run plays. Most games need none.
type Option func(*config)

type config struct {
	ticks   int
	patient bool // all ticks are played, however long they take
	seed    uint64
	params  game.Params
	players int
	inputs  func(rng *rand.Rand, s *game.Schema, lanes []int32)
	joins   func(rng *rand.Rand, p game.PlayerID) game.JoinInfo
	letters []letter
}

type letter struct {
	topic string
	body  []byte
}

// Ticks sets how many ticks a play has, 1 to MaxTicks, and has all of them
// played however long that takes. Without it a play has DefaultTicks, fewer
// with go test -short or when the game's Step takes long.
func Ticks(n int) Option { return func(c *config) { c.ticks, c.patient = n, true } }

// Seed repeats the play of a failure, which prints its seed. Without it each
// run plays anew.
func Seed(n uint64) Option { return func(c *config) { c.seed = n } }

// Params are the parameters of the room that is played, such as its map.
func Params(p game.Params) Option { return func(c *config) { c.params = p } }

// Players sets how many seats take part, 1 to the kind's MaxPlayers. A game
// that begins when all its seats are taken wants their number. Without it there
// are DefaultPlayers.
func Players(n int) Option { return func(c *config) { c.players = n } }

// Inputs replaces the random inputs, for a game in which they do not get far.
// fill is called for each input that a player sends and changes lanes, which
// hold that player's input before (zeros at first), by Leaf.Put and
// Leaf.PutString of the leaves of s.Input; a LeafRef is the index of a row + 1.
// It takes all chance from rng, or the play cannot be repeated.
func Inputs(fill func(rng *rand.Rand, s *game.Schema, lanes []int32)) Option {
	return func(c *config) { c.inputs = fill }
}

// Joins replaces what players join with, for a game whose Join needs the Params
// of a hello or the Data of Admit. It takes all chance from rng.
func Joins(info func(rng *rand.Rand, p game.PlayerID) game.JoinInfo) Option {
	return func(c *config) { c.joins = info }
}

// Letter adds a message that a game with the method Mail receives now and then.
// Several Letters come in random order. body is not changed.
func Letter(topic string, body []byte) Option {
	return func(c *config) { c.letters = append(c.letters, letter{topic, body}) }
}

// newConfig fills in defaults and rejects what cannot be played.
func newConfig(kind *game.Kind, opts []Option) (*config, error) {
	c := &config{ticks: DefaultTicks, seed: uint64(rand.Uint32())}
	if testing.Short() {
		c.ticks = shortTicks
	}
	seats := kind.Options().MaxPlayers
	c.players = min(seats, DefaultPlayers)
	for _, o := range opts {
		o(c)
	}
	if c.ticks < 1 || c.ticks > MaxTicks {
		return nil, fmt.Errorf("gametest.Ticks(%d) is not 1 to %d", c.ticks, MaxTicks)
	}
	if c.players < 1 || c.players > max(seats, 1) {
		return nil, fmt.Errorf("gametest.Players(%d) is not 1 to the %d seats of the kind", c.players, seats)
	}
	return c, nil
}
