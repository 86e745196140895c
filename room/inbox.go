package room

import (
	"slices"
	"time"

	"github.com/roomd/roomd/game"
)

// command is one input that waits for its tick.
type command struct {
	seq  uint32
	seen game.Tick     // newest tick that the player had seen
	at   time.Duration // when it arrived
}

// inbox holds a seat's commands in order of sequence, oldest first. Their input
// values are lanes of the kind's input.
type inbox struct {
	cmds  []command // circular; grows up to InboxSize
	lanes []int32   // len(cmds) times width
	width int
	first int
	n     int
}

// clone is a copy that shares no memory.
func (b *inbox) clone() inbox {
	c := *b
	c.cmds, c.lanes = slices.Clone(b.cmds), slices.Clone(b.lanes)
	return c
}

// push adds a command behind all others. The inbox must not be full.
func (b *inbox) push(c command, lanes []int32) {
	if b.n == len(b.cmds) {
		b.grow()
	}
	i := b.place(b.n)
	b.cmds[i] = c
	copy(b.row(i), lanes)
	b.n++
}

// pop takes the oldest command out. Its lanes are valid until the next push.
func (b *inbox) pop() (command, []int32) {
	i := b.first
	b.first = b.place(1)
	b.n--
	return b.cmds[i], b.row(i)
}

// grow makes room for more commands: a player in step has one or two.
func (b *inbox) grow() {
	n := min(max(2*len(b.cmds), leastInbox), InboxSize)
	to := inbox{cmds: make([]command, n), lanes: make([]int32, n*b.width), width: b.width}
	for i := range b.n {
		to.push(b.at(i))
	}
	*b = to
}

// at is command i, counted from the oldest. Its lanes are valid until the next push.
func (b *inbox) at(i int) (command, []int32) {
	i = b.place(i)
	return b.cmds[i], b.row(i)
}

// place is where command i is, counted from the oldest.
func (b *inbox) place(i int) int {
	if i += b.first; i >= len(b.cmds) {
		i -= len(b.cmds)
	}
	return i
}

func (b *inbox) full() bool { return b.n == InboxSize }

func (b *inbox) row(i int) []int32 { return b.lanes[i*b.width : (i+1)*b.width : (i+1)*b.width] }

// clear drops all commands and keeps the memory.
func (b *inbox) clear() {
	clear(b.lanes)
	b.first, b.n = 0, 0
}
