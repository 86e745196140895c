package delta

import (
	"encoding/binary"
	"math/bits"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/wire"
)

// archive holds the older entries of a ring, each as what differs from the entry
// after it: most of an entry is as it was a tick later. A record is the entry's
// events, then its tables, then its seats, in the numbers of encoding/binary.
// When warm it does not allocate.
type archive struct {
	buf      []byte
	records  []record // circular; records[first] is the oldest
	first, n int
}

// record is one entry: buf from at to where the next one begins.
type record struct {
	tick game.Tick
	at   uint32
}

func newArchive(capacity int) archive { return archive{records: make([]record, capacity)} }

func (a *archive) record(i int) *record {
	if i += a.first; i >= len(a.records) {
		i -= len(a.records)
	}
	return &a.records[i]
}

// bytes is record i, valid until the next push.
func (a *archive) bytes(i int) []byte {
	end := len(a.buf)
	if i+1 < a.n {
		end = int(a.record(i + 1).at)
	}
	return a.buf[a.record(i).at:end]
}

// push adds e, which is followed by next, as the newest record, in place of the
// oldest when the archive is full.
func (a *archive) push(e, next *game.Entry) {
	if len(a.records) == 0 {
		return
	}
	if a.n == len(a.records) {
		a.first = (a.first + 1) % len(a.records)
		a.n--
	}
	a.slide()
	*a.record(a.n) = record{e.Tick, uint32(len(a.buf))}
	a.n++
	a.buf = appendPacked(a.buf, next, e)
}

// slide takes the bytes before the oldest record away when they are an eighth of
// those behind, and gives back memory that a burst of changes has left.
func (a *archive) slide() {
	gone := len(a.buf)
	if a.n > 0 {
		gone = int(a.record(0).at)
	}
	live := len(a.buf) - gone
	if gone == 0 || gone < live/8 {
		return
	}
	to := a.buf[:0]
	if cap(a.buf) > leastArchive && live < cap(a.buf)/4 {
		to = make([]byte, 0, cap(a.buf)/2)
	}
	a.buf = append(to, a.buf[gone:]...)
	for i := range a.n {
		a.record(i).at -= uint32(gone)
	}
}

// events reads the events of record i into e.
func (a *archive) events(i int, s *game.Schema, e *game.Entry) {
	in := &varints{wire.Varints{B: a.bytes(i)}}
	readEvents(in, s, e)
}

// hasEvents reports whether record i has any.
func (a *archive) hasEvents(i int) bool { return a.bytes(i)[0] != 0 }

// unpack fills e with record i, given the entry after it.
func (a *archive) unpack(i int, s *game.Schema, next, e *game.Entry) {
	e.Tick = a.record(i).tick
	in := &varints{wire.Varints{B: a.bytes(i)}}
	readEvents(in, s, e)
	e.Tables = sized(e.Tables, in.UintMax(len(in.B)))
	for t := range e.Tables {
		var was game.TableRows
		if t < len(next.Tables) {
			was = next.Tables[t]
		}
		unpackRows(in, &was, &e.Tables[t])
	}
	readSeats(in, next.Seats, e)
	if in.Bad || len(in.B) > 0 {
		panic("delta: a damaged archive")
	}
}

// appendPacked appends what makes e of the entry after it.
func appendPacked(dst []byte, next, e *game.Entry) []byte {
	dst = appendEvents(dst, e)
	dst = binary.AppendUvarint(dst, uint64(len(e.Tables)))
	for t := range e.Tables {
		var was game.TableRows
		if t < len(next.Tables) {
			was = next.Tables[t]
		}
		is := &e.Tables[t]
		dst = binary.AppendUvarint(dst, uint64(len(is.Meta)))
		dst = appendMetas(dst, was.Meta, is.Meta)
		dst = binary.AppendUvarint(dst, uint64(len(is.Lanes)))
		dst = packNumbers(dst, was.Lanes, is.Lanes)
	}
	return appendSeats(dst, next.Seats, e.Seats)
}

func unpackRows(in *varints, was, is *game.TableRows) {
	n := in.UintMax(game.MaxRows)
	is.Meta = append(is.Meta[:0], was.Meta[:min(n, len(was.Meta))]...)
	is.Meta = append(is.Meta, make([]game.RowMeta, n-len(is.Meta))...)
	readMetas(in, is.Meta)
	n = int(in.Uint())
	is.Lanes = append(is.Lanes[:0], was.Lanes[:min(n, len(was.Lanes))]...)
	is.Lanes = append(is.Lanes, make([]int32, n-len(is.Lanes))...)
	unpackNumbers(in, is.Lanes)
}

// packNumbers appends the blocks of packLanes numbers that differ from what they
// were: how far behind the one before, which differ, and by how much.
func packNumbers(dst []byte, was, is []int32) []byte {
	was = was[:min(len(was), len(is))]
	var wasRest, isRest [packLanes]int32
	last := -1
	for i := 0; i*packLanes < len(is); i++ {
		x, y := block(was, i, &wasRest), block(is, i, &isRest)
		if *x == *y {
			continue
		}
		dst = appendSmall(dst, uint32(i-last))
		last = i
		at, mask := len(dst), uint16(0)
		dst = append(dst, 0, 0) // for the mask
		for j := range x {
			if d := y[j] - x[j]; d != 0 {
				mask |= 1 << j
				dst = appendSmall(dst, zigzag(d))
			}
		}
		binary.LittleEndian.PutUint16(dst[at:], mask)
	}
	return append(dst, 0)
}

// block is block i of s, made whole with zeros in rest.
func block(s []int32, i int, rest *[packLanes]int32) *[packLanes]int32 {
	s = s[min(i*packLanes, len(s)):]
	if len(s) >= packLanes {
		return (*[packLanes]int32)(s)
	}
	clear(rest[copy(rest[:], s):])
	return rest
}

func unpackNumbers(in *varints, is []int32) {
	blocks := (len(is) + packLanes - 1) / packLanes
	for i := in.next(-1, blocks); i >= 0; i = in.next(i, blocks) {
		block := is[i*packLanes:]
		mask := binary.LittleEndian.Uint16(in.Take(2))
		for ; mask != 0; mask &= mask - 1 {
			block[bits.TrailingZeros16(mask)] += int32(in.Int())
		}
	}
}

// zigzag is the number as binary.AppendVarint writes it.
func zigzag(d int32) uint32 { return uint32(d)<<1 ^ uint32(d>>31) }

// appendSmall is binary.AppendUvarint for what is mostly one byte.
func appendSmall(dst []byte, u uint32) []byte {
	for ; u >= 0x80; u >>= 7 {
		dst = append(dst, byte(u)|0x80)
	}
	return append(dst, byte(u))
}
