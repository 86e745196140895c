package wire

import (
	"bytes"
	"sync"
	"testing"

	"github.com/gobwas/ws"
)

func TestFrameIsAWebSocketFrame(t *testing.T) {
	var p Pool
	for _, n := range []int{0, 1, 125, 126, 127, 65535, 65536, 70000} {
		f := p.Get()
		body := bytes.Repeat([]byte{7}, n)
		f.B = append(f.B, body...)
		f.Seal()
		r := bytes.NewReader(f.Bytes())
		h, err := ws.ReadHeader(r)
		if err != nil {
			t.Fatal(err)
		}
		want := ws.Header{Fin: true, OpCode: ws.OpBinary, Length: int64(n)}
		if h != want || r.Len() != n {
			t.Errorf("%d: header %+v, %d bytes follow", n, h, r.Len())
		}
		if smallest := ws.HeaderSize(h); len(f.Bytes()) != smallest+n {
			t.Errorf("%d: head of %d bytes, want %d", n, len(f.Bytes())-n, smallest)
		}
		if !bytes.Equal(f.Body(), body) || f.Len() != n {
			t.Errorf("%d: other body", n)
		}
		f.Release()
	}
}

func panics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return false
}

func TestFrameMisusePanics(t *testing.T) {
	var p Pool
	f := p.Get()
	if !panics(func() { f.Bytes() }) {
		t.Error("Bytes before Seal")
	}
	f.Seal()
	f.B = append(f.B, 1)
	if !panics(func() { f.Bytes() }) {
		t.Error("append after Seal")
	}
	f.Retain()
	f.Release()
	f.Release()
	if !panics(f.Release) {
		t.Error("double Release")
	}
	f = p.Get()
	f.Release()
	if !panics(f.Retain) {
		t.Error("Retain after the last Release")
	}
}

func TestPoolReusesSmallFramesOnly(t *testing.T) {
	var p Pool
	giant := p.Get()
	giant.B = append(giant.B, make([]byte, 2*MaxPooled)...)
	giant.Release()
	for range 8 {
		if f := p.Get(); f == giant || cap(f.B) > MaxPooled {
			t.Fatal("the giant came back")
		}
	}
	f := p.Get()
	f.B = append(f.B, 1, 2, 3)
	f.Seal()
	f.Release()
	for range 8 {
		g := p.Get()
		if g.Len() != 0 || !panics(func() { g.Bytes() }) {
			t.Fatal("a frame from the pool is not empty")
		}
	}
}

func TestFrameSharedByGoroutines(t *testing.T) {
	var p Pool
	var wg sync.WaitGroup
	for range 100 {
		f := p.Get()
		f.B = append(f.B, "state"...)
		f.Seal()
		for range 4 {
			f.Retain()
			wg.Go(func() {
				if !bytes.HasSuffix(f.Bytes(), []byte("state")) {
					t.Error("changed while held")
				}
				f.Release()
			})
		}
		f.Release()
	}
	wg.Wait()
}

func TestNoAllocFrame(t *testing.T) {
	var p Pool
	body := make([]byte, 500)
	allocs := testing.AllocsPerRun(1000, func() {
		f := p.Get()
		f.B = append(f.B, body...)
		f.Seal()
		f.Retain()
		_ = f.Bytes()
		f.Release()
		f.Release()
	})
	if allocs >= 1 { // the garbage collector may empty a pool
		t.Errorf("%v allocations", allocs)
	}
}

func BenchmarkFrame(b *testing.B) {
	var p Pool
	body := make([]byte, 500)
	b.ReportAllocs()
	for b.Loop() {
		f := p.Get()
		f.B = append(f.B, body...)
		f.Seal()
		f.Release()
	}
}

// A frame is compressed once, however many ask; what does not get smaller stays.
func TestFrameDeflated(t *testing.T) {
	var p Pool
	calls := 0
	half := func(dst, body []byte) []byte {
		calls++
		return append(dst, body[:(len(body)+1)/2]...)
	}
	for _, n := range []int{1, 2, 300} {
		f := p.Get()
		f.B = append(f.B, bytes.Repeat([]byte{7}, n)...)
		f.Seal()
		calls = 0
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if d := f.Deflated(half); (d == f) != (n == 1) {
					t.Errorf("%d bytes: not what was asked for", n)
				}
			})
		}
		wg.Wait()
		d := f.Deflated(half)
		if calls != 1 {
			t.Errorf("%d bytes: made %d times", n, calls)
		}
		if n > 1 {
			h, err := ws.ReadHeader(bytes.NewReader(d.Bytes()))
			if want := (ws.Header{Fin: true, Rsv: 4, OpCode: ws.OpBinary, Length: int64(n / 2)}); err != nil || h != want {
				t.Errorf("%d bytes: header %+v, %v", n, h, err)
			}
			d.Retain() // outlives the frame
			f.Release()
			if d.Len() != n/2 {
				t.Errorf("%d bytes: %d left", n, d.Len())
			}
			d.Release()
		} else {
			f.Release()
		}
		if f.deflated != nil || f.tried {
			t.Errorf("%d bytes: a released frame keeps what was made of it", n)
		}
	}
}
