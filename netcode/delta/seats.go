package delta

import (
	"encoding/binary"

	"github.com/roomd/roomd/game"
)

// Flags of a seat that differs from what it was: what it is, and what follows.
const (
	seatTaken = 1 << iota
	seatPresent
	seatTeams
	seatAck
	seatSlack
	seatDrops
	seatNext // no gap follows: it is the one behind the last
)

// appendSeats appends those that differ from what they were.
func appendSeats(dst []byte, was, is []game.Seat) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(is)))
	last := -1
	for i := range is {
		var old game.Seat
		if i < len(was) {
			old = was[i]
		}
		s := &is[i]
		if *s == old {
			continue
		}
		at, flags := len(dst), byte(seatNext)
		dst = append(dst, 0)
		if i != last+1 {
			flags = 0
			dst = appendSmall(dst, uint32(i-last))
		}
		last = i
		if s.Taken {
			flags |= seatTaken
		}
		if s.Present {
			flags |= seatPresent
		}
		if s.Teams != old.Teams {
			flags |= seatTeams
			dst = binary.AppendUvarint(dst, uint64(s.Teams))
		}
		if s.Ack != old.Ack {
			flags |= seatAck
			dst = appendSmall(dst, zigzag(int32(s.Ack-old.Ack)))
		}
		if s.Slack != old.Slack {
			flags |= seatSlack
			dst = appendSmall(dst, zigzag(int32(s.Slack)))
		}
		if s.Drops != old.Drops {
			flags |= seatDrops
			dst = appendSmall(dst, zigzag(int32(s.Drops-old.Drops)))
		}
		dst[at] = flags
	}
	return append(dst, 0, 0) // no flags, and a gap that leads nowhere
}

// readSeats undoes appendSeats.
func readSeats(in *varints, was []game.Seat, into *game.Entry) {
	n := in.UintMax(game.MaxMaxPlayers + 1)
	into.Seats = append(into.Seats[:0], was[:min(n, len(was))]...)
	into.Seats = append(into.Seats, make([]game.Seat, n-len(into.Seats))...)
	for i := -1; ; {
		flags := in.Byte()
		switch {
		case flags&seatNext == 0:
			if i = in.next(i, n); i < 0 {
				return
			}
		case i+1 < n:
			i++
		default:
			in.Bad = true
			return
		}
		s := &into.Seats[i]
		s.Taken, s.Present = flags&seatTaken != 0, flags&seatPresent != 0
		if flags&seatTeams != 0 {
			s.Teams = game.Teams(in.Uint())
		}
		if flags&seatAck != 0 {
			s.Ack += uint32(in.Int())
		}
		if flags&seatSlack != 0 {
			s.Slack = int16(in.Int())
		}
		if flags&seatDrops != 0 {
			s.Drops += uint32(in.Int())
		}
	}
}
