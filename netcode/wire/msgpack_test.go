package wire

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/vmihailenco/msgpack/v5"
)

// edges are integers on both sides of every change of form.
func edges() []int64 {
	list := []int64{0, math.MaxInt64, math.MinInt64, MaxSafe, -MaxSafe, MaxSafe + 1}
	for _, bit := range []uint{5, 7, 8, 15, 16, 31, 32, 52, 53} {
		for d := int64(-2); d <= 2; d++ {
			list = append(list, 1<<bit+d, -(1<<bit)+d)
		}
	}
	return list
}

// randomInt has every magnitude equally often.
func randomInt(rng *rand.Rand) int64 { return int64(rng.Uint64()) >> rng.IntN(64) }

// reference encodes as vmihailenco/msgpack does.
func reference(t testing.TB, encode func(e *msgpack.Encoder) error) []byte {
	t.Helper()
	var buf bytes.Buffer
	e := msgpack.NewEncoder(&buf)
	e.UseCompactInts(true)
	e.UseCompactFloats(true)
	e.SetSortMapKeys(true)
	if err := encode(e); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func same(t testing.TB, what any, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Fatalf("%v: got %x, want %x", what, got, want)
	}
}

func TestIntegersAsReference(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	list := edges()
	for range 20000 {
		list = append(list, randomInt(rng))
	}
	for _, v := range list {
		got := AppendInt(nil, v)
		same(t, v, got, reference(t, func(e *msgpack.Encoder) error { return e.Encode(v) }))
		r := NewReader(got)
		if back, err := r.ReadInt(); err != nil || back != v || r.Len() != 0 {
			t.Fatalf("%d read back as %d, %v", v, back, err)
		}
		u := uint64(v)
		got = AppendUint(nil, u)
		same(t, u, got, reference(t, func(e *msgpack.Encoder) error { return e.Encode(u) }))
		r = NewReader(got)
		if back, err := r.ReadUint(); err != nil || back != u || r.Len() != 0 {
			t.Fatalf("%d read back as %d, %v", u, back, err)
		}
		var by int64
		if err := msgpack.Unmarshal(AppendInt(nil, v), &by); err != nil || by != v {
			t.Fatalf("the reference reads %d as %d, %v", v, by, err)
		}
	}
}

// lengths are on both sides of every change of form.
var lengths = []int{0, 1, 15, 16, 17, 31, 32, 33, 255, 256, 257, 65535, 65536, 65537}

func TestBytesAndHeadsAsReference(t *testing.T) {
	for _, n := range lengths {
		s := strings.Repeat("é"[:1], n)
		b := []byte(s)
		same(t, n, AppendStr(nil, s), reference(t, func(e *msgpack.Encoder) error { return e.EncodeString(s) }))
		same(t, n, AppendStr(nil, b), AppendStr(nil, s))
		same(t, n, AppendBin(nil, b), reference(t, func(e *msgpack.Encoder) error { return e.EncodeBytes(b) }))
		same(t, n, AppendArrayHead(nil, n), reference(t, func(e *msgpack.Encoder) error { return e.EncodeArrayLen(n) }))
		same(t, n, AppendMapHead(nil, n), reference(t, func(e *msgpack.Encoder) error { return e.EncodeMapLen(n) }))

		r := NewReader(AppendStr(nil, s))
		if got, err := r.ReadStr(n); err != nil || string(got) != s {
			t.Fatalf("string of %d: %v", n, err)
		}
		r = NewReader(AppendBin(nil, b))
		if got, err := r.ReadBin(n); err != nil || !bytes.Equal(got, b) {
			t.Fatalf("binary of %d: %v", n, err)
		}
		if n > 0 {
			r = NewReader(AppendStr(nil, s))
			if _, err := r.ReadStr(n - 1); err != ErrRange {
				t.Fatalf("string of %d beyond its limit: %v", n, err)
			}
		}
		r = NewReader(append(AppendArrayHead(nil, n), make([]byte, n)...))
		if got, err := r.ReadArrayHead(); err != nil || got != n {
			t.Fatalf("array of %d: %d, %v", n, got, err)
		}
		r = NewReader(append(AppendMapHead(nil, n), make([]byte, 2*n)...))
		if got, err := r.ReadMapHead(); err != nil || got != n {
			t.Fatalf("map of %d: %d, %v", n, got, err)
		}
	}
	same(t, "nil", AppendNil(nil), reference(t, func(e *msgpack.Encoder) error { return e.EncodeNil() }))
	for _, v := range []bool{false, true} {
		same(t, v, AppendBool(nil, v), reference(t, func(e *msgpack.Encoder) error { return e.EncodeBool(v) }))
		r := NewReader(AppendBool(nil, v))
		if got, err := r.ReadBool(); err != nil || got != v {
			t.Fatalf("%v: %v, %v", v, got, err)
		}
	}
}

func TestBeginEndArray(t *testing.T) {
	for _, n := range lengths {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			before := []byte{1, 2, 3}
			elems := make([]byte, n)
			for i := range elems {
				elems[i] = byte(i % 100)
			}
			want := append(AppendArrayHead(bytes.Clone(before), n), elems...)
			got, mark := BeginArray(bytes.Clone(before))
			got = EndArray(append(got, elems...), mark, n)
			same(t, n, got, want)
		})
	}
	got, outer := BeginArray(nil)
	got, inner := BeginArray(got)
	got = EndArray(AppendInt(got, 7), inner, 1)
	got = EndArray(got, outer, 1)
	same(t, "nested", got, []byte{0x91, 0x91, 7})
}

func TestReaderRefuses(t *testing.T) {
	readers := map[string]func(r *Reader) error{
		"int":   func(r *Reader) error { _, err := r.ReadInt(); return err },
		"uint":  func(r *Reader) error { _, err := r.ReadUint(); return err },
		"bool":  func(r *Reader) error { _, err := r.ReadBool(); return err },
		"nil":   func(r *Reader) error { return r.ReadNil() },
		"str":   func(r *Reader) error { _, err := r.ReadStr(1 << 20); return err },
		"bin":   func(r *Reader) error { _, err := r.ReadBin(1 << 20); return err },
		"array": func(r *Reader) error { _, err := r.ReadArrayHead(); return err },
		"map":   func(r *Reader) error { _, err := r.ReadMapHead(); return err },
		"skip":  func(r *Reader) error { return r.Skip() },
	}
	for _, c := range []struct {
		reader, bytes string
		want          error
	}{
		{"int", "", ErrShort}, {"int", "\xcc", ErrShort}, {"int", "\xd3\x80\x00", ErrShort},
		{"int", "\xcf\xff\xff\xff\xff\xff\xff\xff\xff", ErrRange},
		{"int", "\xc0", ErrType}, {"int", "\xa0", ErrType}, {"int", "\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00", ErrType},
		{"uint", "\xff", ErrType}, {"uint", "\xd0\x80", ErrType}, {"uint", "\x90", ErrType},
		{"uint", "\xc1", ErrType},
		{"bool", "\x01", ErrType}, {"nil", "\xc2", ErrType}, {"str", "\xc4\x00", ErrType}, {"bin", "\xa0", ErrType},
		{"array", "\x80", ErrType}, {"map", "\x90", ErrType},
		// not in smallest form
		{"int", "\xcc\x7f", ErrForm}, {"int", "\xcd\x00\xff", ErrForm}, {"int", "\xce\x00\x00\xff\xff", ErrForm},
		{"int", "\xcf\x00\x00\x00\x00\xff\xff\xff\xff", ErrForm},
		{"int", "\xd0\x05", ErrForm}, {"int", "\xd0\xe0", ErrForm}, {"int", "\xd1\xff\x80", ErrForm},
		{"int", "\xd1\x7f\xff", ErrForm}, {"int", "\xd2\xff\xff\x80\x00", ErrForm},
		{"int", "\xd3\xff\xff\xff\xff\x80\x00\x00\x00", ErrForm}, {"int", "\xd3\x00\x00\x00\x01\x00\x00\x00\x00", ErrForm},
		{"str", "\xd9\x01a", ErrForm}, {"str", "\xda\x00\x20aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", ErrForm},
		{"str", "\xdb\x00\x00\x00\x01a", ErrForm}, {"bin", "\xc5\x00\x01a", ErrForm}, {"bin", "\xc6\x00\x00\x00\x01a", ErrForm},
		{"array", "\xdc\x00\x0f123456789012345", ErrForm}, {"array", "\xdd\x00\x00\x00\x01\x01", ErrForm},
		{"map", "\xde\x00\x01\x01\x01", ErrForm}, {"map", "\xdf\x00\x00\x00\x01\x01\x01", ErrForm},
		// heads that announce what is not there
		{"array", "\x91", ErrShort}, {"array", "\xdd\xff\xff\xff\xff", ErrShort}, {"map", "\x81\x01", ErrShort},
		{"map", "\xdf\xff\xff\xff\xff\x00", ErrShort}, {"str", "\xdb\xff\xff\xff\xffa", ErrRange},
		{"str", "\xa2a", ErrShort}, {"bin", "\xc4\x05a", ErrShort},
		{"skip", "\xdb\xff\xff\xff\xffa", ErrShort}, {"skip", "\xc9\xff\xff\xff\xff\x01a", ErrShort},
		{"skip", "\x92\x01", ErrShort}, {"skip", "\x91\xcc\x01", ErrForm}, {"skip", "\x81\x01\xc1", ErrType},
		{"skip", strings.Repeat("\x91", MaxDepth) + "\x91\x01", ErrDepth},
		{"skip", strings.Repeat("\x81\x01", MaxDepth) + "\x80", ErrDepth},
	} {
		r := NewReader([]byte(c.bytes))
		if err := readers[c.reader](&r); err != c.want {
			t.Errorf("%s of %x: got %v, want %v", c.reader, c.bytes, err, c.want)
		}
	}
}

func TestSkip(t *testing.T) {
	for _, s := range []string{
		"\x00", "\xc0", "\xc2", "\xca\x00\x00\x00\x00", "\xcb\x00\x00\x00\x00\x00\x00\x00\x00", "\xa1a", "\xc4\x01a",
		"\x90", "\x80", "\x92\x90\x80", "\x82\x01\x91\x02\x03\x80", "\xd4\x01a", "\xd8\x011234567890123456", "\xc7\x00\x01",
		strings.Repeat("\x91", MaxDepth) + "\x01", strings.Repeat("\x91", MaxDepth-1) + "\x90",
	} {
		r := NewReader([]byte(s + "\x05"))
		if err := r.Skip(); err != nil || r.Len() != 1 {
			t.Errorf("%x: %v, %d bytes left", s, err, r.Len())
		}
		if v, err := r.ReadInt(); v != 5 || err != nil {
			t.Errorf("%x: then %d, %v", s, v, err)
		}
	}
}

func TestPeek(t *testing.T) {
	for s, want := range map[string]Type{
		"": TypeNone, "\xc1": TypeNone, "\xc0": TypeNil, "\xc3": TypeBool, "\x07": TypeUint, "\xcd": TypeUint,
		"\xff": TypeNeg, "\xd1": TypeNeg, "\xca": TypeFloat, "\xa0": TypeStr, "\xda": TypeStr, "\xc5": TypeBin,
		"\x90": TypeArray, "\xdd": TypeArray, "\x8f": TypeMap, "\xde": TypeMap, "\xd4": TypeExt, "\xc9": TypeExt,
	} {
		if r := NewReader([]byte(s)); r.Peek() != want {
			t.Errorf("%x: %d, want %d", s, r.Peek(), want)
		}
	}
}

// A few bytes must not cost more than their number, whatever they announce.
func TestBombsAreCheap(t *testing.T) {
	bombs := map[string][]byte{
		"array of 4G":     []byte("\xdd\xff\xff\xff\xff\x01"),
		"map of 4G":       []byte("\xdf\xff\xff\xff\xff\x01\x01"),
		"string of 4G":    []byte("\x93\x01\xdb\xff\xff\xff\xff"),
		"nested arrays":   append(bytes.Repeat([]byte{0x91}, MaxMessage-1), 0),
		"nested in hello": append([]byte("\x92\x01"), bytes.Repeat([]byte{0x91}, MaxMessage)...),
		"many params": append([]byte("\x9c\x01\x01\xa1k\xa0\xa0\xa0\x00\x00\xc0\x00\xa0\xde\x10\x00"),
			bytes.Repeat([]byte("\xa1a\xa0"), 4096)...),
	}
	for name, b := range bombs {
		allocs := testing.AllocsPerRun(10, func() {
			m := ReadMessages(b)
			for m.Next() {
				if _, err := ReadHello(m.Reader(), m.Len()); err == nil {
					t.Errorf("%s: accepted", name)
				}
			}
		})
		if allocs > 8 { // an error with its place
			t.Errorf("%s: %v allocations", name, allocs)
		}
	}
}

func TestNoAllocAppendAndRead(t *testing.T) {
	buf := make([]byte, 0, 4096)
	name := "name"
	allocs := testing.AllocsPerRun(100, func() {
		b, mark := BeginDelta(buf[:0], 3)
		for i := range int64(40) {
			b = AppendInt(b, i*i*i*i-7)
		}
		b = AppendStr(b, name)
		b = EndDelta(b, mark, 41)
		b, mark = BeginSelf(b, Self{DAck: 1, Slack: -1})
		b = EndSelf(b, mark, 0)
		b = AppendInput(b, Input{DSeq: 1, DSeen: -2, Mask: 3, Values: []byte{1, 2}})
		b = AppendPong(b, Pong{ID: 1, T: 1 << 40, Tick: 9})
		m := ReadMessages(b)
		for m.Next() {
			switch m.Kind() {
			case KindDelta:
				_, n, err := ReadDelta(m.Reader(), m.Len())
				for range n - 1 {
					if _, err := m.Reader().ReadInt(); err != nil {
						t.Error(err)
					}
				}
				if err != nil {
					t.Error(err)
				}
			case KindInput:
				if _, err := ReadInput(m.Reader(), m.Len()); err != nil {
					t.Error(err)
				}
			case KindSelf:
				if _, _, err := ReadSelf(m.Reader(), m.Len()); err != nil {
					t.Error(err)
				}
			}
		}
		if m.Err() != nil {
			t.Error(m.Err())
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func BenchmarkReadInput(b *testing.B) {
	msg := AppendInput(nil, Input{DSeq: 1, DSeen: 1, Mask: 7, Values: []byte{0x05, 0xd0, 0x80, 0x01}})
	b.ReportAllocs()
	for b.Loop() {
		m := ReadMessages(msg)
		for m.Next() {
			if _, err := ReadInput(m.Reader(), m.Len()); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkAppendInt(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	var values [1024]int64
	for i := range values {
		values[i] = int64(int32(rng.Uint32())) >> rng.IntN(32)
	}
	buf := make([]byte, 0, 8192)
	for b.Loop() {
		buf = buf[:0]
		for _, v := range values {
			buf = AppendInt(buf, v)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1024, "ns/int")
}

func BenchmarkReadInt(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	var buf []byte
	for range 1024 {
		buf = AppendInt(buf, int64(int32(rng.Uint32()))>>rng.IntN(32))
	}
	for b.Loop() {
		r := NewReader(buf)
		for r.Len() > 0 {
			if _, err := r.ReadInt(); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1024, "ns/int")
}
