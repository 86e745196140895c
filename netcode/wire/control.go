package wire

import (
	"math"
	"strings"
	"time"

	"github.com/roomd/roomd/game"
)

// Bye is the server's last message on a connection (section 10).
type Bye struct {
	Code  Code
	Text  string        // for people; empty for the code's own text
	Retry time.Duration // how long to wait before connecting again; 0 for the client's own pace
}

// AppendBye appends the message. Text is made valid: what is not UTF-8 is
// dropped, what is beyond MaxText cut off.
func AppendBye(dst []byte, b Bye) []byte {
	dst = AppendArrayHead(dst, 4)
	dst = AppendUint(dst, uint64(KindBye))
	dst = AppendUint(dst, uint64(b.Code))
	dst = AppendStr(dst, cutText(b.Text))
	return AppendUint(dst, millis(b.Retry))
}

func cutText(s string) string {
	s = strings.ToValidUTF8(s, "")
	if len(s) > MaxText {
		s = strings.ToValidUTF8(s[:MaxText], "")
	}
	return s
}

// ReadBye reads the n elements after the kind. Codes unknown to this package
// are kept.
func ReadBye(r *Reader, n int) (Bye, error) {
	e := elements{r: *r, left: n, kind: KindBye}
	b := Bye{Code: Code(e.uint("code", math.MaxUint8))}
	b.Text = e.str("text", MaxText, validUTF8)
	b.Retry = time.Duration(e.uint("retryMs", math.MaxUint32)) * time.Millisecond
	return b, e.end(r)
}

// Reasons of a resync (section 9.1). Servers count them and treat all alike.
const (
	ResyncOther   = 0
	ResyncBase    = 1 // a delta did not fit the state held
	ResyncHash    = 2 // the state held is not what the server says
	ResyncBacklog = 3 // the client slept and dropped what had gathered
)

// Resync asks for a keyframe (section 9.1).
type Resync struct {
	Tick   game.Tick // of the state that the client holds, 0 for none
	Reason uint8
	// Hash is that of the shared store held, if Hashed: for ResyncHash.
	Hash   uint32
	Hashed bool
}

// AppendResync appends the message.
func AppendResync(dst []byte, q Resync) []byte {
	dst = AppendArrayHead(dst, 4)
	dst = AppendUint(dst, uint64(KindResync))
	dst = AppendUint(dst, uint64(q.Tick))
	dst = AppendUint(dst, uint64(q.Reason))
	if !q.Hashed {
		return AppendNil(dst)
	}
	return AppendUint(dst, uint64(q.Hash))
}

// ReadResync reads the n elements after the kind.
func ReadResync(r *Reader, n int) (Resync, error) {
	e := elements{r: *r, left: n, kind: KindResync}
	q := Resync{Tick: game.Tick(e.uint("tick", math.MaxUint32))}
	q.Reason = uint8(e.uint("reason", math.MaxUint8))
	if q.Hashed = e.r.Peek() != TypeNil; q.Hashed {
		q.Hash = uint32(e.uint("hash", math.MaxUint32))
	} else {
		e.null("hash")
	}
	return q, e.end(r)
}

// Ping asks for a Pong with the same ID and T, which mean nothing to the server
// (section 9.2).
type Ping struct {
	ID uint32
	T  uint64 // at most MaxSafe
}

// AppendPing appends the message.
func AppendPing(dst []byte, p Ping) []byte {
	dst = AppendArrayHead(dst, 3)
	dst = AppendUint(dst, uint64(KindPing))
	dst = AppendUint(dst, uint64(p.ID))
	return AppendUint(dst, p.T)
}

// ReadPing reads the n elements after the kind.
func ReadPing(r *Reader, n int) (Ping, error) {
	e := elements{r: *r, left: n, kind: KindPing}
	p := Ping{ID: uint32(e.uint("id", math.MaxUint32))}
	p.T = e.uint("t", MaxSafe)
	return p, e.end(r)
}

// Pong answers a Ping (section 9.2).
type Pong struct {
	ID   uint32
	T    uint64
	Tick game.Tick // the room's current tick
}

// AppendPong appends the message.
func AppendPong(dst []byte, p Pong) []byte {
	dst = AppendArrayHead(dst, 4)
	dst = AppendUint(dst, uint64(KindPong))
	dst = AppendUint(dst, uint64(p.ID))
	dst = AppendUint(dst, p.T)
	return AppendUint(dst, uint64(p.Tick))
}

// ReadPong reads the n elements after the kind.
func ReadPong(r *Reader, n int) (Pong, error) {
	e := elements{r: *r, left: n, kind: KindPong}
	p := Pong{ID: uint32(e.uint("id", math.MaxUint32))}
	p.T = e.uint("t", MaxSafe)
	p.Tick = game.Tick(e.uint("tick", math.MaxUint32))
	return p, e.end(r)
}

// AppendLeave appends the message, which has no elements (section 9.3).
func AppendLeave(dst []byte) []byte { return append(dst, 0x91, byte(KindLeave)) }

// Reset says that the history of the room ended and another one goes on from an
// earlier state (section 9.5).
type Reset struct {
	Epoch   uint64    // of the new history
	Tick    game.Tick // that it begins with
	LastSeq uint32    // newest input of this seat that is part of it
}

// AppendReset appends the message.
func AppendReset(dst []byte, r Reset) []byte {
	dst = AppendUint(AppendArrayHead(dst, 4), uint64(KindReset))
	dst = AppendUint(dst, r.Epoch)
	dst = AppendUint(dst, uint64(r.Tick))
	return AppendUint(dst, uint64(r.LastSeq))
}

// ReadReset reads the n elements after the kind.
func ReadReset(r *Reader, n int) (Reset, error) {
	e := elements{r: *r, left: n, kind: KindReset}
	m := Reset{Epoch: e.uint("epoch", MaxSafe)}
	m.Tick = game.Tick(e.uint("tick", math.MaxUint32))
	m.LastSeq = uint32(e.uint("lastSeq", math.MaxUint32))
	return m, e.end(r)
}

// AppendStalled appends the message, which has no elements (section 9.6).
func AppendStalled(dst []byte) []byte { return append(dst, 0x91, byte(KindStalled)) }

// AppendMoved appends the message that says where the room is (section 9.7), cut to
// MaxText bytes.
func AppendMoved(dst []byte, url string) []byte {
	dst = AppendUint(AppendArrayHead(dst, 2), uint64(KindMoved))
	return AppendStr(dst, url[:min(len(url), MaxText)])
}

// ReadMoved reads the n elements after the kind.
func ReadMoved(r *Reader, n int) (url string, err error) {
	e := elements{r: *r, left: n, kind: KindMoved}
	url = e.str("url", MaxText, printable[[]byte])
	return url, e.end(r)
}
