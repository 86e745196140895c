package wire

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
)

// seeds are the vectors, and the schema of a game.
func seeds(f *testing.F) {
	f.Helper()
	var set map[string][]struct{ Hex string }
	b, err := os.ReadFile("testdata/vectors.json")
	if err == nil {
		err = json.Unmarshal(b, &set)
	}
	if err != nil {
		f.Fatal(err)
	}
	for _, list := range set {
		for _, v := range list {
			b, err := hex.DecodeString(v.Hex)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	f.Add(AppendWelcome(nil, Welcome{Room: "r", TickRate: 15, Schema: battleSchema(f), SchemaHash: 1}))
}

// copyElement appends what r reads next, in its own words. Floats and
// extensions are copied as they are.
func copyElement(dst []byte, r *Reader) ([]byte, error) {
	var err error
	switch r.Peek() {
	case TypeNil:
		err = r.ReadNil()
		dst = AppendNil(dst)
	case TypeBool:
		var v bool
		v, err = r.ReadBool()
		dst = AppendBool(dst, v)
	case TypeUint:
		var v uint64
		v, err = r.ReadUint()
		dst = AppendUint(dst, v)
	case TypeNeg:
		var v int64
		v, err = r.ReadInt()
		dst = AppendInt(dst, v)
	case TypeStr:
		var v []byte
		v, err = r.ReadStr(r.Len())
		dst = AppendStr(dst, v)
	case TypeBin:
		var v []byte
		v, err = r.ReadBin(r.Len())
		dst = AppendBin(dst, v)
	case TypeArray:
		var n int
		n, err = r.ReadArrayHead()
		dst = AppendArrayHead(dst, n)
	case TypeMap:
		var n int
		n, err = r.ReadMapHead()
		dst = AppendMapHead(dst, n)
	default:
		before := *r
		err = r.Skip()
		dst = append(dst, before.Rest()[:before.Len()-r.Len()]...)
	}
	return dst, err
}

// FuzzReader: whatever is read is written as it was.
func FuzzReader(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		var out []byte
		var err error
		r := NewReader(b)
		for err == nil && r.Len() > 0 {
			out, err = copyElement(out, &r)
		}
		if err == nil && !bytes.Equal(out, b) {
			t.Fatalf("%x re-encodes as %x", b, out)
		}
		r = NewReader(b)
		if r.Skip() != nil {
			return
		}
		passed := b[:len(b)-r.Len()]
		r = NewReader(passed)
		for out = out[:0]; r.Len() > 0; {
			if out, err = copyElement(out, &r); err != nil {
				t.Fatalf("skipped %x, but: %v", passed, err)
			}
		}
		if !bytes.Equal(out, passed) {
			t.Fatalf("skipped %x re-encodes as %x", passed, out)
		}
	})
}

// reencode reads the current message and writes it again. whole says that
// nothing was left out: no trailing elements, no unknown keys.
func reencode(m *Messages) (out []byte, whole bool, err error) {
	r, n := m.Reader(), m.Len()
	switch m.Kind() {
	case KindHello:
		var h Hello
		if h, err = ReadHello(r, n); h.Proto != ProtocolVersion {
			return nil, false, err
		}
		return AppendHello(nil, h), n == helloElements, err
	case KindWelcome:
		var w Welcome
		if w, err = ReadWelcome(r, n); err != nil || w.Proto != ProtocolVersion {
			return nil, false, err
		}
		out = AppendWelcome(nil, w)
		return out, n == welcomeElements && len(out) >= len(m.Bytes()), nil
	case KindInput:
		var in Input
		if in, err = ReadInput(r, n); err != nil {
			return nil, false, err
		}
		return AppendInput(nil, in), true, nil
	case KindResync:
		q, err := ReadResync(r, n)
		return AppendResync(nil, q), n == 3, err
	case KindPing:
		p, err := ReadPing(r, n)
		return AppendPing(nil, p), n == 2, err
	case KindPong:
		p, err := ReadPong(r, n)
		return AppendPong(nil, p), n == 3, err
	case KindBye:
		b, err := ReadBye(r, n)
		return AppendBye(nil, b), n == 3, err
	case KindLeave:
		return AppendLeave(nil), n == 0, nil
	}
	return reencodeState(m)
}

func reencodeState(m *Messages) (out []byte, whole bool, err error) {
	r, elems := m.Reader(), 0
	switch m.Kind() {
	case KindDelta:
		back, elems, err := ReadDelta(r, m.Len())
		out, mark := BeginDelta(nil, back)
		return EndDelta(append(out, r.Rest()...), mark, elems), true, err
	case KindReset:
		q, err := ReadReset(r, m.Len())
		return AppendReset(nil, q), m.Len() == 3, err
	case KindStalled:
		return AppendStalled(nil), m.Len() == 0, nil
	case KindMoved:
		url, err := ReadMoved(r, m.Len())
		return AppendMoved(nil, url), m.Len() == 1, err
	case KindKeyframe:
		k, elems, err := ReadKeyframe(r, m.Len())
		out, mark := BeginKeyframe(nil, k)
		return EndKeyframe(append(out, r.Rest()...), mark, elems), true, err
	case KindCheck:
		hash, err := ReadCheck(r, m.Len())
		return AppendCheck(nil, hash), m.Len() == 1, err
	case KindSelf:
		s, elems, err := ReadSelf(r, m.Len())
		out, mark := BeginSelf(nil, s)
		return EndSelf(append(out, r.Rest()...), mark, elems), true, err
	}
	var ev Event
	ev, elems, err = ReadEvent(r, m.Len())
	if err != nil {
		return nil, false, err
	}
	return append(AppendEventHead(nil, ev, elems), r.Rest()...), true, nil
}

// fuzzMessages checks that accepted messages of a kind (0: all) re-encode to
// themselves.
func fuzzMessages(f *testing.F, kind Kind) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		total := 0
		m := ReadMessages(b)
		for m.Next() {
			total += len(m.Bytes())
			if kind != 0 && m.Kind() != kind {
				continue
			}
			msg := m.Bytes()
			out, whole, err := reencode(&m)
			if err != nil {
				continue
			}
			if whole && !bytes.Equal(out, msg) {
				t.Fatalf("%s %x re-encodes as %x", m.Kind(), msg, out)
			}
			if len(out) > len(msg) {
				t.Fatalf("%s %x grows to %x", m.Kind(), msg, out)
			}
			if len(out) == 0 {
				continue
			}
			again := ReadMessages(out)
			again.Next()
			twice, _, err := reencode(&again)
			if err != nil || !bytes.Equal(twice, out) {
				t.Fatalf("%s %x then becomes %x: %v", m.Kind(), out, twice, err)
			}
		}
		if total > len(b) {
			t.Fatal("more messages than bytes")
		}
	})
}

func FuzzMessages(f *testing.F) { fuzzMessages(f, 0) }
func FuzzHello(f *testing.F)    { fuzzMessages(f, KindHello) }
func FuzzWelcome(f *testing.F)  { fuzzMessages(f, KindWelcome) }
func FuzzInput(f *testing.F)    { fuzzMessages(f, KindInput) }
