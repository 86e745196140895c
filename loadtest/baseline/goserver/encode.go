package main

import "encoding/binary"

// appendState appends the state of a room, in MessagePack.
func appendState(dst []byte, now uint32, players []*player) []byte {
	const fields = 7
	dst = append(dst, 0x92)
	dst = appendInt(dst, int64(now))
	dst = append(dst, 0xdc)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(players)))
	for _, p := range players {
		dst = append(dst, 0x90|fields)
		dst = appendInt(dst, int64(p.id))
		dst = appendInt(dst, int64(p.x*8))
		dst = appendInt(dst, int64(p.y*8))
		dst = appendInt(dst, int64(p.vx))
		dst = appendInt(dst, int64(p.vy))
		dst = appendInt(dst, int64(p.seq))
		dst = appendInt(dst, int64(p.hp))
	}
	return dst
}

// appendInt appends a number of -2^7 to 2^32-1 in as few bytes as there can be.
func appendInt(dst []byte, v int64) []byte {
	switch {
	case v < -32:
		return append(dst, 0xd0, byte(v))
	case v < 1<<7:
		return append(dst, byte(v))
	case v < 1<<8:
		return append(dst, 0xcc, byte(v))
	case v < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, 0xcd), uint16(v))
	}
	return binary.BigEndian.AppendUint32(append(dst, 0xce), uint32(v))
}

// readInput reads an input: an array of a direction (one byte) and a number (four).
func readInput(b []byte) (dir uint8, seq uint32, err error) {
	if len(b) != 7 || b[0] != 0x92 || b[1] > 0x7f || b[2] != 0xce {
		return 0, 0, errMessage
	}
	return b[1], binary.BigEndian.Uint32(b[3:]), nil
}
