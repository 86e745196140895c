package wire

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/roomd/roomd/game"
	"github.com/vmihailenco/msgpack/v5"
)

// walk lists the kinds of the messages and what they leave unread.
func walk(b []byte) (string, error) {
	var out []string
	m := ReadMessages(b)
	for m.Next() {
		out = append(out, fmt.Sprintf("%s/%d/%d", m.Kind(), m.Len(), m.Reader().Len()))
		if _, err := m.Reader().ReadUint(); err != nil && m.Len() > 0 {
			return strings.Join(out, " "), err
		}
	}
	return strings.Join(out, " "), m.Err()
}

func TestMessages(t *testing.T) {
	ping := AppendPing(nil, Ping{1, 2})
	for _, c := range []struct {
		name, bytes, want string
		err               error
	}{
		{"nothing", "", "", nil},
		{"one", string(ping), "ping/2/2", nil},
		{"two, the first half read", string(ping) + "\x91\x0c" + string(ping), "ping/2/2 leave/0/0 ping/2/2", nil},
		{"unknown kinds between", "\x91\x63\x91\x11" + string(ping) + "\x92\xcd\x03\xe8\x81\xa1k\xcb12345678", "ping/2/2", nil},
		{"kind 0", "\x91\x00" + string(ping), "ping/2/2", nil},
		{"trailing elements", "\x95\x09\x01\x02\xa1x\x91\xc0" + string(ping), "ping/4/6 ping/2/2", nil},
		{"empty array", string(ping) + "\x90", "ping/2/2", ErrShort},
		{"cut", string(ping[:3]), "", ErrShort},
		{"no array", "\x05", "", ErrType},
		{"kind in another form", "\x91\xcc\x09", "", ErrForm},
		{"nested too deep in an unknown kind", "\x92\x63" + strings.Repeat("\x91", MaxDepth+1) + "\x01", "", ErrDepth},
	} {
		got, err := walk([]byte(c.bytes))
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: %q, %v; want %q, %v", c.name, got, err, c.want, c.err)
		}
	}
}

// The reader of a message ends with it: a body cannot take the next message.
func TestMessageReaderIsLimited(t *testing.T) {
	b := append(AppendInput(nil, Input{DSeq: 1, Mask: 1, Values: []byte{5}}), AppendLeave(nil)...)
	m := ReadMessages(b)
	m.Next()
	in, err := ReadInput(m.Reader(), m.Len())
	if err != nil || !bytes.Equal(in.Values, []byte{5}) {
		t.Fatalf("%+v, %v", in, err)
	}
	if cap(in.Values) != 1 || &in.Values[0] != &b[len(b)-3] {
		t.Error("values are not a part of the message, limited to it")
	}
	if !m.Next() || m.Kind() != KindLeave || m.Next() || m.Err() != nil {
		t.Error("the next message is lost")
	}
}

// one reads a message with read, from the elements after its kind.
func one[T any](t testing.TB, b []byte, read func(*Reader, int) (T, error)) T {
	t.Helper()
	m := ReadMessages(b)
	if !m.Next() {
		t.Fatalf("no message in %x: %v", b, m.Err())
	}
	v, err := read(m.Reader(), m.Len())
	if err != nil {
		t.Fatalf("%x: %v", b, err)
	}
	if m.Reader().Len() != 0 || m.Next() {
		t.Fatalf("%x: not read to its end", b)
	}
	return v
}

func roundTrip[T any](t testing.TB, v T, write func([]byte, T) []byte, read func(*Reader, int) (T, error)) {
	t.Helper()
	b := write(nil, v)
	back := one(t, b, read)
	if !reflect.DeepEqual(back, v) {
		t.Fatalf("got %+v, want %+v", back, v)
	}
	// With elements added by a later server or client it reads the same.
	r := NewReader(b)
	n, _ := r.ReadArrayHead()
	more := concat(AppendArrayHead(nil, n+2), r.Rest(), []byte{0x91, 0xc0, 0x07})
	m := ReadMessages(more)
	m.Next()
	if back, err := read(m.Reader(), m.Len()); err != nil || !reflect.DeepEqual(back, v) {
		t.Fatalf("with more elements: got %+v, %v, want %+v", back, err, v)
	}
	// With any element missing it is refused.
	for k := 1; k < n; k++ {
		r := NewReader(b)
		r.ReadArrayHead()
		if err := r.SkipN(k); err != nil {
			t.Fatal(err)
		}
		short := concat(AppendArrayHead(nil, k), b[1:len(b)-r.Len()])
		m := ReadMessages(short)
		m.Next()
		if _, err := read(m.Reader(), m.Len()); !errors.Is(err, ErrShort) {
			t.Fatalf("%d of %d elements: %v", k, n, err)
		}
	}
}

func concat(dst []byte, parts ...[]byte) []byte {
	for _, p := range parts {
		dst = append(dst, p...)
	}
	return dst
}

func TestControlRoundTrips(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	u32 := func() uint32 { return uint32(uint64(randomInt(rng))) }
	u53 := func() uint64 { return uint64(randomInt(rng)) & MaxSafe }
	for range 300 {
		roundTrip(t, Hello{
			Proto: 1, Kind: "tanks", Room: pick(rng, "", "a-room_1"), Name: pick(rng, "", "Ann", "Żółw 🐢"),
			Token: pick(rng, "", "lobby.1.secret"), Epoch: u53(), Tick: game.Tick(u32()), SchemaHash: rng.Uint64() * uint64(rng.IntN(2)),
			Flags: u32(), Auth: pick(rng, "", "jwt"), Params: pick(rng, nil, game.Params{"b": "2", "a": "1", "a.b": ""}),
		}, AppendHello, ReadHello)
		roundTrip(t, Welcome{
			Proto: 1, Room: "lobby", Epoch: u53(), Seat: game.PlayerID(u32()), Token: pick(rng, "", "lobby.1.secret"),
			Tick: game.Tick(u32()), TickRate: 1 + rng.IntN(MaxTickRate), LastSeq: u32(), Flags: u32(),
			Grace: time.Duration(u32()) * time.Millisecond, SchemaHash: rng.Uint64(),
		}, AppendWelcome, ReadWelcome)
		roundTrip(t, Bye{Code: Code(rng.Uint32()), Text: pick(rng, "", "because"), Retry: time.Duration(u32()) * time.Millisecond}, AppendBye, ReadBye)
		roundTrip(t, Resync{Tick: game.Tick(u32()), Reason: uint8(u32()), Hash: u32(), Hashed: true}, AppendResync, ReadResync)
		roundTrip(t, Ping{ID: u32(), T: u53()}, AppendPing, ReadPing)
		roundTrip(t, Pong{ID: u32(), T: u53(), Tick: game.Tick(u32())}, AppendPong, ReadPong)
	}
}

func pick[T any](rng *rand.Rand, list ...T) T { return list[rng.IntN(len(list))] }

// Messages are what the reference encoder makes of the same values.
func TestControlAsReference(t *testing.T) {
	h := Hello{Kind: "tanks", Room: "r", Name: "n", Token: "t", Epoch: 1 << 40, Tick: 70000, SchemaHash: 0x0102030405060708,
		Flags: 1, Auth: "a", Params: game.Params{"z": "1", "b": "2", "aa": "3", "a": "4"}}
	same(t, "hello", AppendHello(nil, h), reference(t, func(e *msgpack.Encoder) error {
		return e.Encode([]any{1, 1, "tanks", "r", "n", "t", 1 << 40, 70000, []byte{1, 2, 3, 4, 5, 6, 7, 8}, 1, "a",
			map[string]any{"z": "1", "b": "2", "aa": "3", "a": "4"}})
	}))
	same(t, "bye", AppendBye(nil, Bye{ByeFull, "full", time.Minute}), reference(t, func(e *msgpack.Encoder) error {
		return e.Encode([]any{11, 8, "full", 60000})
	}))
	same(t, "reset", AppendReset(nil, Reset{1 << 40, 7, 1 << 20}), reference(t, func(e *msgpack.Encoder) error {
		return e.Encode([]any{13, 1 << 40, 7, 1 << 20})
	}))
	same(t, "pong", AppendPong(nil, Pong{1, 1 << 50, 3}), reference(t, func(e *msgpack.Encoder) error {
		return e.Encode([]any{10, 1, 1 << 50, 3})
	}))
}

func TestStateHeads(t *testing.T) {
	for _, n := range []int{0, 1, 11, 12, 13, 14, 65531, 65532, 70000} {
		body := bytes.Repeat([]byte{9}, n)
		check := func(what string, b []byte, kind Kind, head int) *Messages {
			t.Helper()
			m := ReadMessages(b)
			if !m.Next() || m.Kind() != kind || m.Len() != head-1+n {
				t.Fatalf("%s of %d: %s of %d, %v", what, n, m.Kind(), m.Len(), m.Err())
			}
			return &m
		}
		b, mark := BeginDelta(nil, 70000)
		m := check("delta", EndDelta(append(b, body...), mark, n), KindDelta, deltaHead)
		if back, elems, err := ReadDelta(m.Reader(), m.Len()); back != 70000 || elems != n || m.Reader().Len() != n || err != nil {
			t.Errorf("delta: %d, %d, %v", back, elems, err)
		}
		b, mark = BeginKeyframe(nil, Keyframe{math.MaxUint32, 3, true})
		m = check("keyframe", EndKeyframe(append(b, body...), mark, n), KindKeyframe, keyframeHead)
		if k, elems, err := ReadKeyframe(m.Reader(), m.Len()); k != (Keyframe{math.MaxUint32, 3, true}) || elems != n || err != nil {
			t.Errorf("keyframe: %+v, %d, %v", k, elems, err)
		}
		want := Self{DAck: 1 << 30, Slack: -1, Drops: 300}
		b, mark = BeginSelf(nil, want)
		m = check("self", EndSelf(append(b, body...), mark, n), KindSelf, selfHead)
		if s, elems, err := ReadSelf(m.Reader(), m.Len()); s != want || elems != n || err != nil {
			t.Errorf("self: %+v, %d, %v", s, elems, err)
		}
		m = check("event", append(AppendEventHead(nil, Event{3, 63}, n), body...), KindEvent, eventHead)
		if ev, elems, err := ReadEvent(m.Reader(), m.Len()); ev != (Event{3, 63}) || elems != n || err != nil {
			t.Errorf("event: %+v, %d, %v", ev, elems, err)
		}
	}
	for _, c := range []struct {
		bytes string
		want  error
	}{
		{"\x91\x03", ErrShort}, {"\x92\x03\xff", ErrType},
		{"\x94\x04\x00\xfe\x00", ErrRange}, {"\x94\x04\x00\xcd\x80\x00\x00", ErrRange}, {"\x93\x04\x00\x00", ErrShort},
		{"\x94\x05\x00\x00\x02", ErrRange}, {"\x94\x05\x00\xff\x00", ErrType}, {"\x91\x10", ErrShort}, {"\x92\x10\xff", ErrType},
		{"\x93\x06\x00\x40", ErrRange}, {"\x92\x06\x00", ErrShort},
	} {
		m := ReadMessages([]byte(c.bytes))
		m.Next()
		var err error
		switch m.Kind() {
		case KindDelta:
			_, _, err = ReadDelta(m.Reader(), m.Len())
		case KindSelf:
			_, _, err = ReadSelf(m.Reader(), m.Len())
		case KindKeyframe:
			_, _, err = ReadKeyframe(m.Reader(), m.Len())
		case KindEvent:
			_, _, err = ReadEvent(m.Reader(), m.Len())
		case KindCheck:
			_, err = ReadCheck(m.Reader(), m.Len())
		}
		if !errors.Is(err, c.want) {
			t.Errorf("%x: %v, want %v", c.bytes, err, c.want)
		}
	}
}

func TestInput(t *testing.T) {
	for _, in := range []Input{
		{DSeq: 1, Values: []byte{}},
		{DSeq: math.MaxUint32, DSeen: math.MinInt32, Mask: maxInputMask, Values: []byte{1, 0xa1, 'x', 0xd0, 0x80}},
		{DSeq: 7, DSeen: math.MaxInt32, Mask: 1, Values: bytes.Repeat([]byte{1}, MaxInput)},
	} {
		if got := one(t, AppendInput(nil, in), readWholeInput); !reflect.DeepEqual(got, in) {
			t.Errorf("got %+v, want %+v", got, in)
		}
	}
	big := AppendArrayHead(nil, 4+MaxInput+1)
	big = append(big, 7, 1, 0, 1)
	m := ReadMessages(append(big, make([]byte, MaxInput+1)...))
	m.Next()
	if _, err := ReadInput(m.Reader(), m.Len()); !errors.Is(err, ErrRange) {
		t.Errorf("values beyond MaxInput: %v", err)
	}
	if !panics(func() { AppendInput(nil, Input{DSeq: 1, Values: []byte{0x91}}) }) {
		t.Error("AppendInput took half an element")
	}
	if !panics(func() { AppendInput(nil, Input{DSeq: 1, Values: make([]byte, MaxInput+1)}) }) {
		t.Error("AppendInput took too much")
	}
}

// readWholeInput takes the values out of the reader, as their decoder does.
func readWholeInput(r *Reader, n int) (Input, error) {
	in, err := ReadInput(r, n)
	_, _ = r.take(uint64(len(in.Values)))
	return in, err
}

func TestOtherVersions(t *testing.T) {
	b := AppendHello(nil, Hello{Proto: 9, Kind: "NOT A KIND"})
	m := ReadMessages(b)
	m.Next()
	if h, err := ReadHello(m.Reader(), m.Len()); err != nil || h.Proto != 9 {
		t.Errorf("hello of version 9: %+v, %v", h, err)
	}
	m = ReadMessages([]byte{0x92, 2, 9})
	m.Next()
	if w, err := ReadWelcome(m.Reader(), m.Len()); err != nil || w.Proto != 9 {
		t.Errorf("welcome of version 9: %+v, %v", w, err)
	}
}

func TestByeTextIsMadeValid(t *testing.T) {
	for _, text := range []string{strings.Repeat("é", 200), "x" + strings.Repeat("é", 200), "\xff\xfebad", strings.Repeat("\xff", 999)} {
		b := one(t, AppendBye(nil, Bye{Code: ByeKicked, Text: text}), ReadBye)
		if len(b.Text) > MaxText || !utf8.ValidString(b.Text) || len(text) > MaxText && text[0] != 0xff && len(b.Text) < MaxText-1 {
			t.Errorf("text of %d bytes became %d: %q", len(text), len(b.Text), b.Text)
		}
	}
	b := one(t, AppendBye(nil, Bye{Code: ByeFull, Retry: -time.Second}), ReadBye)
	if b.Retry != 0 {
		t.Errorf("negative retry became %v", b.Retry)
	}
}

func TestCodes(t *testing.T) {
	seen := map[string]bool{}
	for c := Code(1); c < NumCodes; c++ {
		if text := c.String(); text == "" || seen[text] {
			t.Errorf("code %d: text %q", c, text)
		} else {
			seen[text] = true
		}
		if want := 4000 + uint16(c); c.CloseCode() != want && c != ByeShutdown {
			t.Errorf("code %d closes with %d", c, c.CloseCode())
		}
	}
	if ByeShutdown.CloseCode() != 1001 || !ByeShutdown.Retryable() || ByeKicked.Retryable() || ByeRoomGone.Action() != Anew {
		t.Error("shutdown, kicked or room gone")
	}
	if c := Code(200); c.String() != "closed" || c.Retryable() || c.CloseCode() != 4200 {
		t.Errorf("unknown code: %s, %v, %d", c, c.Retryable(), c.CloseCode())
	}
	if got := KindKeyframe.String() + " " + Kind(77).String() + " " + Kind(0).String(); got != "keyframe kind 77 kind 0" {
		t.Error(got)
	}
}

func TestValid(t *testing.T) {
	for _, c := range []struct {
		name      string
		valid     func(string) bool
		good, bad []string
	}{
		{"room", ValidRoom[string], []string{"a", "Z-9_", strings.Repeat("r", MaxRoom)}, []string{"", "a b", "a.b", "é", "a\x00", strings.Repeat("r", MaxRoom+1)}},
		{"kind", ValidKind[string], []string{"a", "tanks-2_x", strings.Repeat("k", MaxKind)}, []string{"", "Tanks", "2d", "-x", "a/b", strings.Repeat("k", MaxKind+1)}},
		{"name", ValidName[string], []string{"", "Ann Lee", "Żółw 🐢", strings.Repeat("n", MaxName)}, []string{"a\n", "\x7f", "\u0085", "\xff", "\xc3", strings.Repeat("n", MaxName+1)}},
		{"token", ValidToken[string], []string{"", "a.1.~!"}, []string{" ", "é", "\x7f", strings.Repeat("t", MaxToken+1)}},
		{"key", ValidParamKey[string], []string{"a", "A.b-c_9"}, []string{"", " ", "é", strings.Repeat("k", MaxParamKey+1)}},
	} {
		for _, s := range c.good {
			if !c.valid(s) {
				t.Errorf("%s %q refused", c.name, s)
			}
		}
		for _, s := range c.bad {
			if c.valid(s) {
				t.Errorf("%s %q accepted", c.name, s)
			}
		}
	}
}
