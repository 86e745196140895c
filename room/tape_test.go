package room

import (
	"encoding/binary"
	"io"

	"github.com/roomd/roomd/game"
)

// tape hands a schedule to another decoder, as client-demo/test/replay.js reads
// it: records of a length (u32), a type (u8) and a payload, little endian. A nil
// tape records nothing.
type tape struct {
	w   io.Writer
	err error // of the first write that failed; later ones are left out
	buf []byte
}

const (
	tapeClient    = 1 // number (u16): a new client connects
	tapeMessage   = 2 // number, a WebSocket message from the server
	tapeExpect    = 3 // number, tick (u32), hash of the shared and of the own store
	tapeBegin     = 5 // seed (u64) of a new schedule
	tapeReconnect = 6 // number: the client connects again with what it holds
)

func (p *tape) begin(seed uint64) {
	if p != nil {
		p.record(tapeBegin, binary.LittleEndian.AppendUint64(nil, seed))
	}
}

func (p *tape) connect(number uint16, again bool) {
	if p == nil {
		return
	}
	kind := byte(tapeClient)
	if again {
		kind = tapeReconnect
	}
	p.record(kind, binary.LittleEndian.AppendUint16(nil, number))
}

func (p *tape) message(number uint16, body []byte) {
	if p != nil {
		p.record(tapeMessage, append(binary.LittleEndian.AppendUint16(nil, number), body...))
	}
}

func (p *tape) expect(number uint16, tick game.Tick, shared, own uint32) {
	if p == nil {
		return
	}
	b := binary.LittleEndian.AppendUint16(nil, number)
	b = binary.LittleEndian.AppendUint32(b, uint32(tick))
	b = binary.LittleEndian.AppendUint32(b, shared)
	p.record(tapeExpect, binary.LittleEndian.AppendUint32(b, own))
}

func (p *tape) record(kind byte, payload []byte) {
	p.buf = append(binary.LittleEndian.AppendUint32(p.buf[:0], uint32(1+len(payload))), kind)
	if p.err == nil {
		_, p.err = p.w.Write(append(p.buf, payload...))
	}
}
