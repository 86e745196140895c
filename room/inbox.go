package room

import (
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
	cmds  [InboxSize]command
	lanes []int32 // InboxSize times width
	width int
	first int
	n     int
}

func newInbox(width int) inbox {
	return inbox{lanes: make([]int32, InboxSize*width), width: width}
}

// clone is a copy that shares no memory.
func (b *inbox) clone() inbox {
	c := *b
	c.lanes = append([]int32(nil), b.lanes...)
	return c
}

// push adds a command behind all others. The inbox must not be full.
func (b *inbox) push(c command, lanes []int32) {
	i := (b.first + b.n) % InboxSize
	b.cmds[i] = c
	copy(b.row(i), lanes)
	b.n++
}

// pop takes the oldest command out. Its lanes are valid until the next push.
func (b *inbox) pop() (command, []int32) {
	i := b.first
	b.first = (b.first + 1) % InboxSize
	b.n--
	return b.cmds[i], b.row(i)
}

func (b *inbox) full() bool { return b.n == InboxSize }

func (b *inbox) row(i int) []int32 { return b.lanes[i*b.width : (i+1)*b.width : (i+1)*b.width] }

// clear drops all commands and keeps the memory.
func (b *inbox) clear() {
	clear(b.lanes)
	b.first, b.n = 0, 0
}
