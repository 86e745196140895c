package crowd

import (
	"strings"

	"github.com/roomd/roomd/game"
)

// Notice is a room that shows text to those who watch, all of it new each tick: what
// it costs is what delivery costs. The parameter "bytes" is the payload of the
// message that a viewer gets, 64 by default.
var Notice = game.Define("notice", game.Options{
	TickRate:   NoticeRate,
	MaxPlayers: 8,
	Spectate:   game.Everyone,
}, newNotice)

const (
	// NoticeRate is the ticks a second of a Notice.
	NoticeRate = 50
	// MinNotice and MaxNotice bound the parameter "bytes". Below, the head of a string
	// and so the rest of the message would be shorter.
	MinNotice = 64
	MaxNotice = 700

	noticePart = 255 // bytes of text in one field
	noticeHead = 7   // bytes of a message beside its fields
	partHead   = 2   // of a field beside its text
	alphabet   = 26
)

// text is the fields of a Notice.
type text struct {
	A string `net:"all,max=255"`
	B string `net:"all,max=255"`
	C string `net:"all,max=255"`
}

type notice struct {
	text   *game.Value[text]
	sizes  [3]int
	letter string // alphabets enough for a part from each letter on
}

func newNotice(w *game.World) game.Game[struct{}] {
	n := &notice{text: game.NewValue[text](w, "text")}
	n.letter = strings.Repeat("abcdefghijklmnopqrstuvwxyz", noticePart/alphabet+2)
	left := min(max(w.Params().Int("bytes", MinNotice), MinNotice), MaxNotice) - noticeHead
	for i := range n.sizes {
		n.sizes[i] = min(max(left-partHead, 0), noticePart)
		left -= n.sizes[i] + partHead
	}
	return n
}

func (n *notice) Join(game.PlayerID, game.JoinInfo) error { return nil }
func (n *notice) Leave(game.PlayerID)                     {}

// Step changes every letter.
func (n *notice) Step(now game.Tick, _ game.Inputs[struct{}]) {
	from := n.letter[int(now)%alphabet:]
	t := n.text.Get()
	t.A, t.B, t.C = from[:n.sizes[0]], from[:n.sizes[1]], from[:n.sizes[2]]
}
