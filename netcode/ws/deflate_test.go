package ws

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/roomd/roomd/netcode/loop"
)

func TestDeflateOffers(t *testing.T) {
	const plain = deflateAnswer
	for _, c := range []struct {
		offers string
		want   string // "" is declined
	}{
		{"permessage-deflate", plain},
		{"permessage-deflate; client_max_window_bits", plain}, // browsers
		{"permessage-deflate;client_max_window_bits=15 ; server_no_context_takeover", plain},
		{`permessage-deflate; client_max_window_bits="10"`, plain},
		{"permessage-deflate; server_max_window_bits=15", plain + "; server_max_window_bits=15"},
		{"permessage-deflate; server_max_window_bits=10", ""},
		{"permessage-deflate; server_max_window_bits=10, permessage-deflate; client_no_context_takeover", plain},
		{"x-webkit-deflate-frame, permessage-deflate", plain},
		{"permessage-deflate; server_max_window_bits", ""},
		{"permessage-deflate; client_max_window_bits=16", ""},
		{"permessage-deflate; client_max_window_bits=08", ""},
		{"permessage-deflate; client_max_window_bits=", ""},
		{"permessage-deflate; server_no_context_takeover=1", ""},
		{"permessage-deflate; client_no_context_takeover; client_no_context_takeover", ""},
		{"permessage-deflate; window=big", ""},
		{"permessage-deflate;", plain},
		{"permessage-deflate; ;", ""},
		{"permessage-deflates", ""},
		{";;=", ""},
		{"", ""},
	} {
		for _, on := range []bool{true, false} {
			res, refused := answer(t, Config{Deflate: on}, headOf("+Sec-WebSocket-Extensions: "+c.offers), admitAll)
			want := c.want
			if !on {
				want = ""
			}
			if got := res.Header.Get("Sec-WebSocket-Extensions"); res.StatusCode != 101 || got != want {
				t.Errorf("%q, on %v: answered %d %q (%v), want %q", c.offers, on, res.StatusCode, got, refused, want)
			}
		}
	}
	head := headOf("+Sec-WebSocket-Extensions: foo", "+sec-websocket-extensions: permessage-deflate")
	if res, _ := answer(t, Config{Deflate: true}, head, admitAll); res.Header.Get("Sec-WebSocket-Extensions") != plain {
		t.Error("an offer in a second field is not seen")
	}
}

// pack compresses with another implementation.
func pack(s string) string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression)
	io.WriteString(w, s)
	w.Flush()
	return strings.TrimSuffix(b.String(), string(flushMark))
}

const rsv1 = rsvDeflate << 4

var deflateCases = []struct {
	name string
	in   []byte
	want []string
}{
	// RFC 7692 7.2.3.1 to 7.2.3.6.
	{"one block", join(frame{fin | rsv1 | text, "\xf2\x48\xcd\xc9\xc9\x07\x00", false}), []string{"text Hello"}},
	{"in fragments", join(frame{rsv1 | text, "\xf2\x48\xcd", false}, frame{fin | ping, "p", false}, frame{fin | cont, "\xc9\xc9\x07\x00", false}), []string{"pong p", "text Hello"}},
	{"stored", join(frame{fin | rsv1 | text, "\x00\x05\x00\xfa\xffHello\x00", false}), []string{"text Hello"}},
	{"a last block", join(frame{fin | rsv1 | text, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", false}), []string{"text Hello"}},
	{"two blocks", join(frame{fin | rsv1 | text, "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", false}), []string{"text Hello"}},
	{"empty", join(frame{fin | rsv1 | bin, "\x00", false}), []string{"binary "}},

	{"plain beside", join(frame{fin | bin, "a", false}, frame{fin | rsv1 | bin, pack("b"), false}, frame{fin | text, "c", false}), []string{"binary a", "binary b", "text c"}},
	{"large", join(frame{fin | rsv1 | bin, pack(strings.Repeat("0123456789", 6000)), false}), []string{"binary " + strings.Repeat("0123456789", 6000)}},
	{"as large as may be", join(frame{fin | rsv1 | bin, pack(strings.Repeat("x", 64<<10)), false}), []string{"binary " + strings.Repeat("x", 64<<10)}},
	{"a byte too large", join(frame{fin | rsv1 | bin, pack(strings.Repeat("x", 64<<10+1)), false}), []string{"error 1009"}},
	{"a bomb", join(frame{fin | rsv1 | bin, pack(strings.Repeat("x", 16<<20)), false}), []string{"error 1009"}},
	{"as large as may be, stored", join(frame{fin | rsv1 | bin, pack(noise(64 << 10)), false}), []string{"binary " + noise(64<<10)}},
	{"too large before it is read", claim(fin|rsv1|bin, 66<<10), []string{"error 1009"}},
	{"UTF-8 cut by fragments", join(frame{rsv1 | text, pack("€")[:3], false}, frame{fin | cont, pack("€")[3:], false}), []string{"text €"}},
	{"no UTF-8", join(frame{fin | rsv1 | text, pack("a\xff"), false}), []string{"error 1007"}},
	{"no deflate", join(frame{fin | rsv1 | bin, "\x07nonsense", false}), []string{"error 1007"}},
	{"cut off", join(frame{fin | rsv1 | bin, pack("Hello, hello, hello")[:9], false}), []string{"error 1007"}},
	{"more behind a last block", join(frame{fin | rsv1 | bin, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00\x00", false}), []string{"error 1007"}},
	{"the bit on a continuation", join(frame{rsv1 | bin, "\xf2", false}, frame{fin | rsv1 | cont, "\x48", false}), []string{"error 1002"}},
	{"the bit on a ping", join(frame{fin | rsv1 | ping, "", false}), []string{"error 1002"}},
	{"another bit", join(frame{fin | 0x20 | bin, "", false}), []string{"error 1002"}},
	{"both bits", join(frame{fin | rsv1 | 0x20 | bin, "", false}), []string{"error 1002"}},
}

// noise cannot be compressed.
func noise(n int) string {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(b)
	return string(b)
}

// Messages go both ways compressed, whatever carries them.
func TestDeflateSessions(t *testing.T) {
	onEngines(t, func(t *testing.T, engine carrier) {
		r := newRig(t, engine, Config{Deflate: true, EveryPong: true})
		for _, k := range deflateCases {
			t.Run(k.name, func(t *testing.T) {
				c := r.connect()
				c.t = t
				c.send([]byte(headOf("+Sec-WebSocket-Extensions: permessage-deflate")))
				c.upgraded()
				c.send(k.in)
				for _, w := range k.want {
					if code, failed := strings.CutPrefix(w, "error "); failed {
						c.wantPrefix("close " + code)
					} else {
						c.want(w)
					}
				}
				c.nc.Close()
				r.end()
			})
		}
		if s := r.server.Stats(); s.Deflating != uint64(len(deflateCases)) {
			t.Errorf("stats %+v", s)
		}
	})
}

// wantPrefix reads a frame that begins like this.
func (c *client) wantPrefix(prefix string) {
	c.t.Helper()
	if got := c.next(); !strings.HasPrefix(got, prefix) {
		c.t.Fatalf("server sent %.100q, want %q", got, prefix)
	}
}

// Who did not ask for compression gets none, and may send none.
func TestDeflateOnlyWhereAsked(t *testing.T) {
	for _, on := range []bool{true, false} {
		r := newRig(t, carrier{Engine: loop.EngineAuto}, Config{Deflate: on})
		c := r.connect()
		extra := "+X: y"
		if !on {
			extra = "+Sec-WebSocket-Extensions: permessage-deflate"
		}
		c.send([]byte(headOf(extra)))
		c.upgraded()
		long := strings.Repeat("x", 5000)
		c.plain = true
		c.send(join(frame{fin | bin, long, false}))
		c.want("binary " + long)
		c.send(join(frame{fin | rsv1 | bin, pack(long), false}))
		c.wantClose(1002)
	}
}

// Small messages, and those that would not get smaller, go as they are.
func TestAppendMessage(t *testing.T) {
	s, err := NewServer(Config{Deflate: true, Open: func(*Conn, *Request) (Handler, error) { return nil, nil }})
	if err != nil {
		t.Fatal(err)
	}
	c := &Conn{server: s, parser: parser{deflate: true}}
	for _, k := range []struct {
		name, b string
		packed  bool
	}{
		{"empty", "", false}, {"small", strings.Repeat("x", DefaultDeflateFrom-1), false},
		{"large", strings.Repeat("x", DefaultDeflateFrom), true}, {"noise", noise(5000), false},
	} {
		got := c.AppendMessage([]byte("before"), true, []byte(k.b))[len("before"):]
		if packed := got[0]&rsv1 != 0; packed != k.packed || packed && len(got) > len(k.b)/10 {
			t.Errorf("%s: %d bytes, compressed %v", k.name, len(got), packed)
		}
		c.parser.deflate = false
		if got := c.AppendMessage(nil, true, []byte(k.b)); !bytes.Equal(got, AppendMessage(nil, true, []byte(k.b))) {
			t.Errorf("%s: compressed for a client that cannot read it", k.name)
		}
		c.parser.deflate = true
	}
}

// FuzzInflate: whatever comes, no more than the limit is made of it, no more is
// kept than that takes, and what was compressed here comes back.
func FuzzInflate(f *testing.F) {
	s, err := NewServer(Config{Open: func(*Conn, *Request) (Handler, error) { return nil, nil }})
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range deflateCases {
		if len(c.in) < 1000 {
			f.Add(c.in[6:], 100)
		}
	}
	f.Add([]byte(pack(strings.Repeat("x", 1<<20))), 1000)
	f.Fuzz(func(t *testing.T, b []byte, limit int) {
		limit = min(max(limit, 1), 1<<20)
		var in inflater
		for range 2 { // the second time what is kept is used
			out, err := in.inflate(b, limit)
			if len(out) > limit || len(in.out) > limit+1 || cap(in.out) > 3*(limit+inflateStep) {
				t.Fatalf("%d bytes of at most %d, room for %d", len(out), limit, cap(in.out))
			}
			if err != nil && err != errDeflate && err != errTooBig {
				t.Fatal(err)
			}
		}
		packed := s.AppendDeflated(nil, b)
		if len(packed) > packedLimit(len(b)) {
			t.Fatalf("%d bytes take %d", len(b), len(packed))
		}
		out, fault := in.inflate(packed, max(len(b), 1))
		if fault != nil || !bytes.Equal(out, b) {
			t.Fatalf("%d bytes came back as %d, %v", len(b), len(out), fault)
		}
	})
}

func BenchmarkDeflate(b *testing.B) {
	s, err := NewServer(Config{Open: func(*Conn, *Request) (Handler, error) { return nil, nil }})
	if err != nil {
		b.Fatal(err)
	}
	for _, size := range []int{512, 16 << 10} {
		var text []byte
		for i := 0; len(text) < size; i++ {
			text = fmt.Appendf(text, "\x95\x01%d\x02%d", i*37%1000, i)
		}
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			var out []byte
			for b.Loop() {
				out = s.AppendDeflated(out[:0], text)
			}
			b.ReportMetric(float64(len(out)), "B/message")
		})
	}
}
