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
