package loop

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// counted is a keeper that counts its calls.
type counted struct{ atomic.Int32 }

func (k *counted) Gone() { k.Add(1) }

// wrapped is put around a connection as TLS is.
type wrapped struct{ net.Conn }

func (w wrapped) NetConn() net.Conn { return w.Conn }

// However a connection ends, and wherever it is by then, its keeper is told once.
func TestKeeperIsToldOnce(t *testing.T) {
	proxied := netip.MustParseAddrPort("192.0.2.1:4711")
	detach := func(t *testing.T, l *Loop, c *Conn) (nc net.Conn) {
		t.Helper()
		call(t, l, func() {
			c.SetRemoteAddr(proxied)
			var err error
			if nc, _, err = c.Detach(); err != nil {
				t.Error(err)
			}
		})
		if nc.RemoteAddr().String() != proxied.String() {
			t.Errorf("detached, it is from %v", nc.RemoteAddr())
		}
		return nc
	}
	attach := func(t *testing.T, l *Loop, nc net.Conn) *Conn {
		t.Helper()
		c, err := l.Attach(nc, &funcs{read: echo})
		if err != nil {
			t.Fatal(err)
		}
		call(t, l, func() {
			if c.Keeper() == nil || c.RemoteAddr() != proxied {
				t.Errorf("attached, its keeper is %v and its address %v", c.Keeper(), c.RemoteAddr())
			}
		})
		return c
	}
	ends := map[string]func(t *testing.T, l *Loop, c *Conn, peer net.Conn){
		"by the peer": func(_ *testing.T, _ *Loop, _ *Conn, peer net.Conn) { peer.Close() },
		"by the loop": func(t *testing.T, l *Loop, c *Conn, _ net.Conn) { call(t, l, func() { c.Close(nil); c.Close(nil) }) },
		"by Stop":     func(_ *testing.T, l *Loop, _ *Conn, _ net.Conn) { l.Stop() },
		"detached":    func(t *testing.T, l *Loop, c *Conn, _ net.Conn) { nc := detach(t, l, c); nc.Close(); nc.Close() },
		"attached": func(t *testing.T, l *Loop, c *Conn, peer net.Conn) {
			attach(t, l, wrapped{detach(t, l, c)})
			peer.Close()
		},
		"attached, by Stop": func(t *testing.T, l *Loop, c *Conn, _ net.Conn) {
			attach(t, l, wrapped{detach(t, l, c)})
			l.Stop()
		},
		"detached twice": func(t *testing.T, l *Loop, c *Conn, _ net.Conn) {
			again := detach(t, l, attach(t, l, wrapped{detach(t, l, c)}))
			again.Close()
		},
		"attached to a loop that stopped": func(t *testing.T, l *Loop, c *Conn, _ net.Conn) {
			nc := detach(t, l, c)
			l.Stop()
			if _, err := l.Attach(nc, &funcs{}); !errors.Is(err, ErrMailboxFull) {
				t.Errorf("attached: %v", err)
			}
			nc.Close()
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			engines(t, func(t *testing.T, cfg Config) {
				k, accepted := &counted{}, make(chan *Conn, 1)
				t.Cleanup(func() { // when the loop has ended
					if n := k.Load(); n != 1 {
						t.Errorf("the keeper is told %d times", n)
					}
				})
				l := start(t, cfg)
				peer := dial(t, listen(t, l, func(c *Conn) Handler {
					c.SetKeeper(k)
					accepted <- c
					return &funcs{read: echo}
				}))
				end(t, l, await(t, accepted), peer)
				for limit := time.Now().Add(patience); k.Load() == 0; runtime.Gosched() {
					if time.Now().After(limit) {
						t.Fatal("the keeper is not told")
					}
				}
			})
		})
	}
}

// A connection that is closed while it is dialled tells its keeper, whatever the
// dialler does meanwhile.
func TestKeeperOfDialledConnection(t *testing.T) {
	engines(t, func(t *testing.T, cfg Config) {
		l := start(t, cfg)
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		k := &counted{}
		call(t, l, func() {
			c, err := l.Dial(ln.Addr().String(), &funcs{})
			if err != nil {
				t.Error(err)
				return
			}
			c.SetKeeper(k)
			// The dialler is done when its goroutine is gone. To look at what it sets
			// would put its writes in order with what follows.
			for end := Now() + patience; bytes.Contains(allStacks(), []byte("(*stdConn).dial.")) && Now() < end; {
				runtime.Gosched()
			}
			c.Close(nil)
		})
		until(t, l, "the keeper is told", func() bool { return k.Load() == 1 })
	})
}
