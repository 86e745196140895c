package ws

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// A client frame, head bits given raw so that tests can break every rule.
type frame struct {
	first   byte // FIN, RSV, opcode
	payload string
	bare    bool // unmasked
}

const (
	fin  = 0x80
	text = 0x01
	bin  = 0x02
	cont = 0x00
	cls  = 0x08
	ping = 0x09
	pong = 0x0a
)

// bytes encodes the frame as a client does.
func (f frame) bytes() []byte {
	mask := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	if f.bare {
		b := appendHead(nil, ws.OpCode(f.first&0xf), len(f.payload))
		b[0] = f.first
		return append(b, f.payload...)
	}
	b := claim(f.first, uint64(len(f.payload)))
	b = append(b, mask[:]...)
	body := []byte(f.payload)
	ws.Cipher(body, mask, 0)
	return append(b, body...)
}

// claim is a masked frame head up to and with its length, in the shortest form.
func claim(first byte, n uint64) []byte {
	switch {
	case n <= 125:
		return []byte{first, 0x80 | byte(n)}
	case n <= 0xffff:
		return binary.BigEndian.AppendUint16([]byte{first, 0x80 | 126}, uint16(n))
	}
	return binary.BigEndian.AppendUint64([]byte{first, 0x80 | 127}, n)
}

// join encodes several frames.
func join(frames ...frame) []byte {
	var b []byte
	for _, f := range frames {
		b = append(b, f.bytes()...)
	}
	return b
}

func testParser() *parser { return &parser{maxMessage: 64 << 10, maxFragments: 64} }

var gotNames = map[int]string{gotBinary: "binary", gotText: "text", gotPing: "ping", gotPong: "pong", gotClose: "close"}

// transcript feeds a parser chunk by chunk, as the loop would, and writes down
// what it found; an error ends it.
func transcript(p *parser, chunks ...[]byte) (out []string, rest int) {
	var pending []byte
	for _, chunk := range chunks {
		pending = append(pending, chunk...)
		for {
			got, payload, n, err := p.next(pending)
			if err != nil {
				return append(out, fmt.Sprintf("error %d", err.Code)), len(pending)
			}
			if n == 0 {
				break
			}
			pending = pending[n:]
			if got != gotFragment {
				out = append(out, gotNames[got]+" "+string(payload))
			}
		}
	}
	return out, len(pending)
}

// The table follows the sections of the Autobahn test suite.
var parserCases = []struct {
	name string
	in   []byte
	want []string
}{
	{"1 empty text", join(frame{fin | text, "", false}), []string{"text "}},
	{"1 empty binary", join(frame{fin | bin, "", false}), []string{"binary "}},
	{"1 text of 125", join(frame{fin | text, strings.Repeat("a", 125), false}), []string{"text " + strings.Repeat("a", 125)}},
	{"1 text of 126", join(frame{fin | text, strings.Repeat("a", 126), false}), []string{"text " + strings.Repeat("a", 126)}},
	{"1 binary of 65535", join(frame{fin | bin, strings.Repeat("b", 65535), false}), []string{"binary " + strings.Repeat("b", 65535)}},
	{"1 binary of 65536", join(frame{fin | bin, strings.Repeat("b", 65536), false}), []string{"binary " + strings.Repeat("b", 65536)}},
	{"1 above the limit", join(frame{fin | bin, strings.Repeat("b", 65537), false}), []string{"error 1009"}},
	{"1 length not minimal", append([]byte{fin | bin, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0}, 'x'), []string{"error 1002"}},
	{"1 length not minimal in 16 bits", append([]byte{fin | bin, 0x80 | 126, 0, 125}, make([]byte, 129)...), []string{"error 1002"}},

	{"2 ping empty", join(frame{fin | ping, "", false}), []string{"ping "}},
	{"2 ping of 125", join(frame{fin | ping, strings.Repeat("p", 125), false}), []string{"ping " + strings.Repeat("p", 125)}},
	{"2 ping of 126", join(frame{fin | ping, strings.Repeat("p", 126), false}), []string{"error 1002"}},
	{"2 unsolicited pong", join(frame{fin | pong, "x", false}), []string{"pong x"}},

	{"3 rsv1", join(frame{fin | 0x40 | text, "x", false}), []string{"error 1002"}},
	{"3 rsv2", join(frame{fin | 0x20 | bin, "x", false}), []string{"error 1002"}},
	{"3 rsv3 on ping", join(frame{fin | 0x10 | ping, "x", false}), []string{"error 1002"}},
	{"3 after a good one", join(frame{fin | text, "ok", false}, frame{fin | 0x70 | text, "x", false}), []string{"text ok", "error 1002"}},

	{"4 opcode 3", join(frame{fin | 3, "", false}), []string{"error 1002"}},
	{"4 opcode 7", join(frame{fin | 7, "x", false}), []string{"error 1002"}},
	{"4 opcode 11", join(frame{fin | 11, "", false}), []string{"error 1002"}},
	{"4 opcode 15", join(frame{fin | 15, "x", false}), []string{"error 1002"}},

	{"5 ping in two", join(frame{ping, "a", false}, frame{fin | cont, "b", false}), []string{"error 1002"}},
	{"5 text in two", join(frame{text, "a", false}, frame{fin | cont, "b", false}), []string{"text ab"}},
	{"5 ping between", join(frame{bin, "a", false}, frame{fin | ping, "p", false}, frame{cont, "b", false}, frame{fin | ping, "q", false}, frame{fin | cont, "c", false}), []string{"ping p", "ping q", "binary abc"}},
	{"5 close between", join(frame{bin, "a", false}, frame{fin | cls, "\x03\xe8", false}), []string{"close \x03\xe8"}},
	{"5 continuation of nothing", join(frame{fin | cont, "a", false}), []string{"error 1002"}},
	{"5 continuation after whole", join(frame{fin | text, "a", false}, frame{cont, "b", false}), []string{"text a", "error 1002"}},
	{"5 text inside text", join(frame{text, "a", false}, frame{fin | text, "b", false}), []string{"error 1002"}},
	{"5 empty fragments", join(frame{text, "", false}, frame{cont, "", false}, frame{fin | cont, "", false}), []string{"text "}},
	{"5 two messages", join(frame{text, "a", false}, frame{fin | cont, "b", false}, frame{bin, "c", false}, frame{fin | cont, "\xff", false}), []string{"text ab", "binary c\xff"}},

	{"6 valid utf8", join(frame{fin | text, "κόσμε \U0010ffff", false}), []string{"text κόσμε \U0010ffff"}},
	{"6 rune cut by fragments", join(frame{text, "a\xf0\x9f", false}, frame{cont, "\x98", false}, frame{fin | cont, "\x80", false}), []string{"text a😀"}},
	{"6 invalid", join(frame{fin | text, "a\xff", false}), []string{"error 1007"}},
	{"6 surrogate", join(frame{fin | text, "\xed\xa0\x80", false}), []string{"error 1007"}},
	{"6 overlong", join(frame{fin | text, "\xc0\xaf", false}), []string{"error 1007"}},
	{"6 above 10ffff", join(frame{text, "\xf4\x90", false}, frame{fin | cont, "\x80\x80", false}), []string{"error 1007"}},
	{"6 fails at the fragment", join(frame{text, "ok\xce\xba\xff", false}), []string{"error 1007"}},
	{"6 ends inside a rune", join(frame{text, "a\xf0\x9f", false}, frame{fin | cont, "\x98", false}), []string{"error 1007"}},
	{"6 fails inside a frame", join(frame{fin | text, "ok\xff" + strings.Repeat("x", 5000), false})[:11], []string{"error 1007"}},
	{"6 fails inside a fragment", join(frame{text, "ok\xf4", false}, frame{cont, "\x90\x80\x80 and so on", false})[:16], []string{"error 1007"}},
	{"6 long, runes cut by the steps", join(frame{fin | text, strings.Repeat("a€", 3000), false}), []string{"text " + strings.Repeat("a€", 3000)}},
	{"6 long, in fragments", join(frame{text, "\xe2\x82", false}, frame{fin | cont, "\xac" + strings.Repeat("€", 3000), false}), []string{"text " + strings.Repeat("€", 3001)}},
	{"6 long, wrong at its end", join(frame{fin | text, strings.Repeat("€", 2000) + "\xc0 ", false}), []string{"error 1007"}},
	{"6 any binary", join(frame{fin | bin, "\xff\xfe\xc0", false}), []string{"binary \xff\xfe\xc0"}},

	{"9 sum above the limit", join(frame{bin, strings.Repeat("a", 40000), false}, frame{fin | cont, strings.Repeat("b", 30000), false}), []string{"error 1009"}},
	{"x unmasked", join(frame{fin | bin, "x", true}), []string{"error 1002"}},
	{"x claim of 2^62", claim(fin|bin, 1<<62), []string{"error 1009"}},
	{"x claim of 2^63", claim(fin|bin, 1<<63), []string{"error 1002"}},
	{"x claim of 2^64-1 in a fragment", append(join(frame{bin, "a", false}), claim(cont, 1<<64-1)...), []string{"error 1002"}},
	{"x ping claims 2^16", claim(fin|ping, 1<<16), []string{"error 1002"}},
	{"x first fragment alone", join(frame{bin, "a", false}), nil},
}

func TestParser(t *testing.T) {
	for _, c := range parserCases {
		t.Run(c.name, func(t *testing.T) {
			got, _ := transcript(testParser(), bytes.Clone(c.in))
			equal(t, got, c.want)
			var single [][]byte
			for i := range c.in {
				single = append(single, c.in[i:i+1])
			}
			got, _ = transcript(testParser(), single...)
			equal(t, got, c.want)
		})
	}
}

func equal(t *testing.T, got, want []string) {
	t.Helper()
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Fatalf("got  %.200q\nwant %.200q", got, want)
	}
}

// The last fragment that fits is taken and the next one refused.
func TestParserFragmentFlood(t *testing.T) {
	flood := func(n int) []byte {
		b := join(frame{bin, "a", false})
		for range n - 2 {
			b = append(b, join(frame{cont, "a", false})...)
		}
		return append(b, join(frame{fin | cont, "a", false})...)
	}
	got, _ := transcript(testParser(), flood(64))
	equal(t, got, []string{"binary " + strings.Repeat("a", 64)})
	got, _ = transcript(testParser(), flood(65))
	equal(t, got, []string{"error 1008"})
}

// A head alone is enough to refuse; nothing waits for the payload or the mask.
func TestParserRefusesEarly(t *testing.T) {
	for _, c := range []struct {
		name string
		in   []byte
		want string
	}{
		{"rsv", []byte{fin | 0x40 | bin, 0x80}, "error 1002"},
		{"opcode", []byte{fin | 3, 0x80}, "error 1002"},
		{"unmasked", []byte{fin | bin, 5}, "error 1002"},
		{"long ping", []byte{fin | ping, 0x80 | 126}, "error 1002"},
		{"too big", claim(fin|bin, 64<<10+1), "error 1009"},
	} {
		got, _ := transcript(testParser(), c.in)
		equal(t, got, []string{c.want})
	}
}

// What has come of a text frame is refused as soon as it cannot become UTF-8 any
// more, and only then.
func TestParserLooksAhead(t *testing.T) {
	long := strings.Repeat("x€", 1000)
	for _, c := range []struct {
		name string
		sent []frame
		cut  int // bytes that have not come
		want []string
	}{
		{"a rune may follow", []frame{{fin | text, "ok\xf4\x8f\xbf\xbf", false}}, 1, nil},
		{"no rune can follow", []frame{{fin | text, "ok\xf4\x90\xbf\xbf", false}}, 2, []string{"error 1007"}},
		{"a rune may follow, far in", []frame{{fin | text, long + "€", false}}, 1, nil},
		{"no rune can follow, far in", []frame{{fin | text, long + "\xe2x" + long, false}}, len(long), []string{"error 1007"}},
		{"a rune over two fragments", []frame{{text, "ok\xf4", false}, {fin | cont, "\x8f\xbf\xbf", false}}, 1, nil},
		{"no rune over two fragments", []frame{{text, "ok\xf4", false}, {fin | cont, "\x90\xbf\xbf", false}}, 2, []string{"error 1007"}},
		{"binary", []frame{{fin | bin, "\xff\xff\xff", false}}, 1, nil},
		{"binary in fragments", []frame{{bin, "\xff", false}, {fin | cont, "\xff\xff", false}}, 1, nil},
		{"a ping inside text", []frame{{text, "ok\xf4", false}, {fin | ping, "\xff\xff", false}}, 1, nil},
	} {
		in := join(c.sent...)
		var single [][]byte
		for i := range in[:len(in)-c.cut] {
			single = append(single, in[i:i+1])
		}
		for _, chunks := range [][][]byte{single, {bytes.Clone(in[:len(in)-c.cut])}} {
			if got, _ := transcript(testParser(), chunks...); fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("%s: got %q, want %q", c.name, got, c.want)
			}
		}
	}
}

// A text that comes in many pieces is looked at once.
func BenchmarkParserLook(b *testing.B) {
	const size = 1 << 20
	in := join(frame{fin | text, strings.Repeat("x€y", size/5), false})
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		p := parser{maxMessage: 2 * size, maxFragments: 1}
		for n := 4 << 10; n < len(in); n += 4 << 10 {
			if _, _, _, err := p.next(in[:n]); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// Bytes of a frame that is not complete stay as they came.
func TestParserLeavesIncompleteFrames(t *testing.T) {
	in := join(frame{fin | bin, "hello", false})
	for cut := range in {
		b := bytes.Clone(in[:cut])
		if _, _, n, err := testParser().next(b); n != 0 || err != nil {
			t.Fatalf("cut at %d: size %d, err %v", cut, n, err)
		}
		if !bytes.Equal(b, in[:cut]) {
			t.Fatalf("cut at %d: bytes were changed", cut)
		}
	}
}

func TestParserReleasesAssembled(t *testing.T) {
	p := testParser()
	transcript(p, join(frame{text, "a", false}, frame{fin | cont, "b", false}))
	if p.assembled != nil || p.open() || p.checked != 0 || p.ahead != 0 {
		t.Fatalf("parser keeps %+v after the message", p)
	}
}

func TestParserDoesNotAllocate(t *testing.T) {
	in := join(frame{fin | bin, strings.Repeat("x", 30), false}, frame{fin | text, strings.Repeat("y", 300), false}, frame{fin | ping, "p", false})
	b := make([]byte, len(in))
	p := testParser()
	allocs := testing.AllocsPerRun(100, func() {
		copy(b, in)
		for rest := b; len(rest) > 0; {
			_, _, n, err := p.next(rest)
			if err != nil || n == 0 {
				t.Fatal("stream broke", err)
			}
			rest = rest[n:]
		}
	})
	if allocs != 0 {
		t.Fatalf("%v allocations for three frames", allocs)
	}
}

func TestCloseData(t *testing.T) {
	body := func(code uint16, reason string) string {
		return string(binary.BigEndian.AppendUint16(nil, code)) + reason
	}
	for _, c := range []struct {
		payload string
		code    uint16 // given, or 0
		fault   uint16 // answered instead, or 0
	}{
		{"", 1005, 0}, {"\x03", 0, 1002},
		{body(1000, ""), 1000, 0}, {body(1000, "bye"), 1000, 0}, {body(1000, strings.Repeat("x", 123)), 1000, 0},
		{body(1001, ""), 1001, 0}, {body(1002, ""), 1002, 0}, {body(1003, ""), 1003, 0}, {body(1007, ""), 1007, 0},
		{body(1008, ""), 1008, 0}, {body(1009, ""), 1009, 0}, {body(1010, ""), 1010, 0}, {body(1011, ""), 1011, 0},
		{body(1012, ""), 1012, 0}, {body(1013, ""), 1013, 0}, {body(1014, ""), 1014, 0},
		{body(3000, ""), 3000, 0}, {body(3999, ""), 3999, 0}, {body(4000, ""), 4000, 0}, {body(4999, ""), 4999, 0},
		{body(0, ""), 0, 1002}, {body(999, ""), 0, 1002}, {body(1004, ""), 0, 1002}, {body(1005, ""), 0, 1002},
		{body(1006, ""), 0, 1002}, {body(1015, ""), 0, 1002}, {body(1016, ""), 0, 1002}, {body(1100, ""), 0, 1002},
		{body(2000, ""), 0, 1002}, {body(2999, ""), 0, 1002}, {body(5000, ""), 0, 1002}, {body(65535, ""), 0, 1002},
		{body(1000, "a\xff"), 0, 1007}, {body(1000, "a\xed\xa0\x80"), 0, 1007}, {body(1000, "\xf0\x9f"), 0, 1007},
	} {
		code, _, err := closeData([]byte(c.payload))
		switch {
		case c.fault != 0 && (err == nil || err.Code != c.fault):
			t.Errorf("%x: got code %d, error %v; want error %d", c.payload, code, err, c.fault)
		case c.fault == 0 && (err != nil || code != c.code):
			t.Errorf("%x: got code %d, error %v; want code %d", c.payload, code, err, c.code)
		}
	}
}

func TestAppendClose(t *testing.T) {
	got := appendClose(nil, 1000, strings.Repeat("é", 62)) // 124 bytes
	if len(got) != 2+2+122 || got[1] != 124 {
		t.Fatalf("close frame is %d bytes, payload %d; a rune must not be cut", len(got), got[1])
	}
	if got := appendClose(nil, 1000, "a\xffb"); string(got[4:]) != "ab" {
		t.Fatalf("the reason is %q; only UTF-8 may be sent", got[4:])
	}
	if got := appendClose(nil, CodeNoStatus, "ignored"); !bytes.Equal(got, []byte{0x88, 0}) {
		t.Fatalf("empty close is % x", got)
	}
}

// FuzzParser: however a stream is cut into reads, the same messages come out.
func FuzzParser(f *testing.F) {
	for _, c := range parserCases {
		if len(c.in) < 1000 {
			f.Add(c.in, []byte{1, 2, 3})
		}
	}
	f.Fuzz(func(t *testing.T, in, cuts []byte) {
		limits := parser{maxMessage: 300, maxFragments: 5}
		whole, split := limits, limits
		want, wantRest := transcript(&whole, bytes.Clone(in))
		var chunks [][]byte
		rest := in
		for _, c := range cuts {
			n := min(int(c), len(rest))
			chunks = append(chunks, rest[:n])
			rest = rest[n:]
		}
		got, gotRest := transcript(&split, append(chunks, rest)...)
		equal(t, got, want)
		if len(want) > 0 && strings.HasPrefix(want[len(want)-1], "error") {
			return // what is left after an error depends on the cuts
		}
		if gotRest != wantRest {
			t.Fatalf("%d bytes left over, whole leaves %d", gotRest, wantRest)
		}
	})
}

func BenchmarkParser(b *testing.B) {
	for _, size := range []int{16, 512, 4096} {
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			in := join(frame{fin | bin, strings.Repeat("x", size), false})
			p := testParser()
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, n, err := p.next(in); n == 0 || err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
