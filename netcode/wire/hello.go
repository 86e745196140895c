package wire

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/roomd/roomd/game"
)

// FlagSpectate in a hello asks to watch without a seat.
const FlagSpectate = 1

// FlagResumed in a welcome says that the seat is the one that the token named.
// Whether the client keeps its state the first state frame tells (section 4.4).
const FlagResumed = 1

const helloElements = 11 // after the kind

// Hello is a client's first message (section 4.1).
type Hello struct {
	Proto uint32 // ProtocolVersion
	Kind  string // which game
	Room  string // which room; empty for any, or a new one
	Name  string // what to call the player
	Token string // from an earlier welcome, to resume; empty for none
	// Epoch and Tick are the cursor: the state that the client holds.
	Epoch      uint64
	Tick       game.Tick
	SchemaHash uint64 // of the schema that the client holds; 0 for none
	Flags      uint32 // FlagSpectate; unknown bits are ignored
	Auth       string // for the game's own backend
	Params     game.Params
}

// Spectate reports whether the client asks to watch.
func (h *Hello) Spectate() bool { return h.Flags&FlagSpectate != 0 }

// AppendHello appends the message. Proto 0 is written as ProtocolVersion.
func AppendHello(dst []byte, h Hello) []byte {
	if h.Proto == 0 {
		h.Proto = ProtocolVersion
	}
	dst = AppendArrayHead(dst, 1+helloElements)
	dst = AppendUint(dst, uint64(KindHello))
	dst = AppendUint(dst, uint64(h.Proto))
	dst = AppendStr(dst, h.Kind)
	dst = AppendStr(dst, h.Room)
	dst = AppendStr(dst, h.Name)
	dst = AppendStr(dst, h.Token)
	dst = AppendUint(dst, h.Epoch)
	dst = AppendUint(dst, uint64(h.Tick))
	dst = appendOptionalHash(dst, h.SchemaHash)
	dst = AppendUint(dst, uint64(h.Flags))
	dst = AppendStr(dst, h.Auth)
	return appendParams(dst, h.Params)
}

// appendParams appends the pairs in rising byte order of their keys.
func appendParams(dst []byte, p game.Params) []byte {
	dst = AppendMapHead(dst, len(p))
	for _, k := range slices.Sorted(maps.Keys(p)) {
		dst = AppendStr(dst, k)
		dst = AppendStr(dst, p[k])
	}
	return dst
}

// ReadHello reads the n elements after the kind. Of a version other than
// ProtocolVersion it reads Proto alone and no error: the layout of the rest is
// not known, and the caller answers ByeVersion (section 4.2).
func ReadHello(r *Reader, n int) (Hello, error) {
	e := elements{r: *r, left: n, kind: KindHello}
	h := Hello{Proto: uint32(e.uint("proto", math.MaxUint32))}
	if e.err != nil || h.Proto != ProtocolVersion {
		return h, e.end(r)
	}
	h.Kind = e.str("kind", MaxKind, ValidKind[[]byte])
	h.Room = e.str("room", MaxRoom, orEmpty(ValidRoom[[]byte]))
	h.Name = e.str("name", MaxName, ValidName[[]byte])
	h.Token = e.str("token", MaxToken, ValidToken[[]byte])
	h.Epoch = e.uint("epoch", MaxSafe)
	h.Tick = game.Tick(e.uint("tick", math.MaxUint32))
	h.SchemaHash = e.hash("schemaHash", true)
	h.Flags = uint32(e.uint("flags", math.MaxUint32))
	h.Auth = e.str("auth", MaxAuth, validUTF8)
	h.Params = e.params()
	return h, e.end(r)
}

// params reads a map of strings whose keys rise in byte order.
func (e *elements) params() game.Params {
	if !e.begin("params") {
		return nil
	}
	p, err := readParams(&e.r)
	e.fail("params", err)
	return p
}

func readParams(r *Reader) (game.Params, error) {
	n, err := r.ReadMapHead()
	if err != nil || n == 0 {
		return nil, err
	}
	if n > MaxParams {
		return nil, ErrRange
	}
	p := make(game.Params, n)
	last := ""
	for range n {
		k, err := r.ReadStr(MaxParamKey)
		if err != nil {
			return nil, err
		}
		if !ValidParamKey(k) {
			return nil, fmt.Errorf("key %q: %w", k, ErrText)
		}
		if string(k) <= last {
			return nil, ErrForm // not in order, or twice
		}
		last = string(k)
		v, err := r.ReadStr(MaxParamValue)
		if err == nil && !utf8.Valid(v) {
			err = ErrText
		}
		if err != nil {
			return nil, fmt.Errorf("value of %q: %w", last, err)
		}
		p[last] = string(v)
	}
	return p, nil
}

const welcomeElements = 12 // after the kind

// Welcome is the server's answer to a hello (section 4.3).
type Welcome struct {
	Proto    uint32 // ProtocolVersion
	Room     string
	Epoch    uint64
	Seat     game.PlayerID // 0 for a spectator
	Token    string        // to resume with; empty for a spectator
	Tick     game.Tick     // the room's current tick; the first input's Seen counts from here
	TickRate int           // ticks per second
	LastSeq  uint32        // newest input sequence of this seat that the room knows
	Flags    uint32        // FlagResumed; unknown bits are ignored
	Grace    time.Duration // how long a seat waits for its player, in whole milliseconds
	// Schema is nil when the client's own has SchemaHash.
	Schema     *game.Schema
	SchemaHash uint64
}

// Resumed reports whether the seat is the one that the client's token named.
func (w *Welcome) Resumed() bool { return w.Flags&FlagResumed != 0 }

// AppendWelcome appends the message. Proto 0 is written as ProtocolVersion.
func AppendWelcome(dst []byte, w Welcome) []byte {
	if w.Proto == 0 {
		w.Proto = ProtocolVersion
	}
	dst = AppendArrayHead(dst, 1+welcomeElements)
	dst = AppendUint(dst, uint64(KindWelcome))
	dst = AppendUint(dst, uint64(w.Proto))
	dst = AppendStr(dst, w.Room)
	dst = AppendUint(dst, w.Epoch)
	dst = AppendUint(dst, uint64(w.Seat))
	dst = AppendStr(dst, w.Token)
	dst = AppendUint(dst, uint64(w.Tick))
	dst = AppendUint(dst, uint64(w.TickRate))
	dst = AppendUint(dst, uint64(w.LastSeq))
	dst = AppendUint(dst, uint64(w.Flags))
	dst = AppendUint(dst, millis(w.Grace))
	if w.Schema == nil {
		dst = AppendNil(dst)
	} else {
		dst = AppendSchema(dst, w.Schema)
	}
	return appendHash(dst, w.SchemaHash)
}

// ReadWelcome reads the n elements after the kind. Of a version other than
// ProtocolVersion it reads Proto alone.
func ReadWelcome(r *Reader, n int) (Welcome, error) {
	e := elements{r: *r, left: n, kind: KindWelcome}
	w := Welcome{Proto: uint32(e.uint("proto", math.MaxUint32))}
	if e.err != nil || w.Proto != ProtocolVersion {
		return w, e.end(r)
	}
	w.Room = e.str("room", MaxRoom, ValidRoom[[]byte])
	w.Epoch = e.uint("epoch", MaxSafe)
	w.Seat = game.PlayerID(e.uint("seat", math.MaxUint16))
	w.Token = e.str("token", MaxToken, ValidToken[[]byte])
	w.Tick = game.Tick(e.uint("tick", math.MaxUint32))
	w.TickRate = int(e.uint("tickRate", MaxTickRate))
	w.LastSeq = uint32(e.uint("lastSeq", math.MaxUint32))
	w.Flags = uint32(e.uint("flags", math.MaxUint32))
	w.Grace = time.Duration(e.uint("graceMs", math.MaxUint32)) * time.Millisecond
	if e.begin("schema") {
		if e.r.Peek() == TypeNil {
			e.fail("schema", e.r.ReadNil())
		} else {
			var err error
			w.Schema, err = ReadSchema(&e.r)
			e.fail("schema", err)
		}
	}
	w.SchemaHash = e.hash("schemaHash", false)
	if e.err == nil && w.TickRate == 0 {
		e.fail("tickRate", ErrRange)
	}
	return w, e.end(r)
}

// millis is d in whole milliseconds within 32 bits.
func millis(d time.Duration) uint64 {
	return uint64(min(max(d.Milliseconds(), 0), math.MaxUint32))
}
