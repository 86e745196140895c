package hostile

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roomd/roomd/netcode/wire"
)

const (
	// dialTimeout bounds a connect and a handshake.
	dialTimeout = 10 * time.Second
	// pause is the time between two connections of one client: what they cost the
	// machine beside the server must not be what is measured.
	pause = 20 * time.Millisecond
	// drip is the time between two bytes of those who are slow.
	drip = 5 * time.Millisecond
	// burst is how many units of a flood a client sends before it is ended.
	burst = 2000
	// smallBuffer is the receive buffer of who does not read, in bytes.
	smallBuffer = 4 << 10
)

// Target is a server, and the hello of a player in a room that broadcasts.
type Target struct {
	Addr  string      // host:port
	TLS   *tls.Config // nil: the server speaks plain text
	Hello []byte

	made *atomic.Int64 // connections
}

// Attack is one way to misbehave.
type Attack struct {
	Name    string
	Clients int // at a time
	// client misbehaves on one connection until that ends or ctx does.
	client func(ctx context.Context, t Target) error
}

// Attacks is every way.
func Attacks() []Attack {
	list := []Attack{
		{"frames byte by byte", 32, drips},
		{"heads byte by byte", 64, slowHead},
		{"endless heads", 8, endlessHead},
		{"a frame of 2^62 bytes", 8, onUpgrade(func(c *conn) error { return c.sendAndWait(Claim()) })},
		{"never reading", 16, deaf},
		{"idle connections", 256, idle},
		{"close and reconnect", 16, comeAndGo(func(c *conn) { c.Close() })},
		{"reset within a frame", 16, comeAndGo(func(c *conn) { c.Write(Half()); Reset(c.Conn) })},
		{"bombs", 8, bombs},
	}
	for _, f := range Floods() {
		list = append(list, Attack{"flood of " + f.Name, 4, flood(f)})
	}
	return list
}

// Result is what came of an attack.
type Result struct {
	Connections int64 // that were made
	Refused     int64 // connects that failed
	Why         error // the last of them did
}

// Run has the clients misbehave until the context ends, each again when its connection ended.
func (a *Attack) Run(until context.Context, t Target) Result {
	// Without its deadline: a dialer takes that for a connect that took too long.
	ctx, cancel := context.WithCancel(context.WithoutCancel(until))
	defer cancel()
	defer context.AfterFunc(until, cancel)()
	var r Result
	var refused atomic.Int64
	t.made = new(atomic.Int64)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range a.Clients {
		wg.Go(func() {
			for ctx.Err() == nil {
				if err := a.client(ctx, t); errors.Is(err, errConnect) && ctx.Err() == nil {
					refused.Add(1)
					mu.Lock()
					r.Why = err
					mu.Unlock()
				}
				sleep(ctx, pause)
			}
		})
	}
	wg.Wait()
	r.Connections, r.Refused = t.made.Load(), refused.Load()
	return r
}

// sleep waits, at most until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

var errConnect = errors.New("hostile: the server takes no connection")

// conn is a connection that ends with ctx.
type conn struct {
	net.Conn
	in   *bufio.Reader
	stop func() bool
}

func dial(ctx context.Context, t Target) (*conn, error) {
	d := net.Dialer{Timeout: dialTimeout}
	nc, err := d.DialContext(ctx, "tcp", t.Addr)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errConnect, err)
	}
	t.made.Add(1)
	if t.TLS != nil {
		nc = tls.Client(nc, t.TLS)
	}
	return &conn{nc, bufio.NewReaderSize(nc, smallBuffer), context.AfterFunc(ctx, func() { nc.Close() })}, nil
}

func (c *conn) Close() error {
	c.stop()
	return c.Conn.Close()
}

// upgrade makes the connection a WebSocket.
func (c *conn) upgrade() error {
	c.SetDeadline(time.Now().Add(dialTimeout))
	defer c.SetDeadline(time.Time{})
	if _, err := io.WriteString(c, Upgrade()); err != nil {
		return err
	}
	resp, err := http.ReadResponse(c.in, nil)
	if err == nil && resp.StatusCode != http.StatusSwitchingProtocols {
		err = errors.New("hostile: no upgrade: " + resp.Status)
	}
	return err
}

// sendAndWait sends and then reads until the server ends the connection.
func (c *conn) sendAndWait(b []byte) error {
	if _, err := c.Write(b); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, c.in)
	return err
}

// onUpgrade does something on a fresh WebSocket.
func onUpgrade(f func(c *conn) error) func(context.Context, Target) error {
	return func(ctx context.Context, t Target) error {
		c, err := dial(ctx, t)
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.upgrade(); err != nil {
			return err
		}
		return f(c)
	}
}

// onSeat does something on the connection of a player who was told something.
func onSeat(f func(ctx context.Context, c *conn) error) func(context.Context, Target) error {
	return func(ctx context.Context, t Target) error {
		return onUpgrade(func(c *conn) error {
			if _, err := c.Write(frame(final|opBinary, t.Hello)); err != nil {
				return err
			}
			if _, err := c.in.ReadByte(); err != nil {
				return err
			}
			return f(ctx, c)
		})(ctx, t)
	}
}

// drips sends messages byte by byte, and reads: nothing is wrong with that.
var drips = onSeat(func(ctx context.Context, c *conn) error {
	go io.Copy(io.Discard, c.in)
	for f := frame(final|opBinary, Ping()); ; {
		for i := range f {
			if _, err := c.Write(f[i : i+1]); err != nil {
				return err
			}
			sleep(ctx, drip)
		}
	}
})

func slowHead(ctx context.Context, t Target) error {
	c, err := dial(ctx, t)
	if err != nil {
		return err
	}
	defer c.Close()
	for _, b := range []byte(Upgrade("X-Slow: " + EndlessHeads()[0])) {
		if _, err := c.Write([]byte{b}); err != nil {
			return nil // answered, and ended
		}
		sleep(ctx, drip)
	}
	return nil
}

func endlessHead(ctx context.Context, t Target) error {
	for _, more := range EndlessHeads() {
		c, err := dial(ctx, t)
		if err != nil {
			return err
		}
		_, err = io.WriteString(c, "GET /v1/ws HTTP/1.1\r\nX: ")
		for i := 0; err == nil && i < 32<<10/len(more); i++ {
			_, err = io.WriteString(c, more)
		}
		c.Close()
	}
	return nil
}

// deaf takes a seat and never reads again.
func deaf(ctx context.Context, t Target) error {
	return onSeat(func(ctx context.Context, c *conn) error {
		TCP(c.Conn).SetReadBuffer(smallBuffer)
		<-ctx.Done()
		return nil
	})(ctx, t)
}

// idle says nothing until it is ended.
func idle(ctx context.Context, t Target) error {
	c, err := dial(ctx, t)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.sendAndWait(nil)
}

// comeAndGo takes a seat, and leaves it somehow as soon as it is told something.
func comeAndGo(leave func(c *conn)) func(context.Context, Target) error {
	return onSeat(func(_ context.Context, c *conn) error {
		leave(c)
		return nil
	})
}

// flood sends a unit until it is ended for it.
func flood(f Flood) func(context.Context, Target) error {
	return onSeat(func(_ context.Context, c *conn) error {
		go io.Copy(io.Discard, c.in)
		for range burst {
			if _, err := c.Write(f.Unit); err != nil {
				return nil
			}
		}
		return nil
	})
}

// bombs sends each of them, in each message that may hold it.
func bombs(ctx context.Context, t Target) error {
	values := Bombs()
	for _, name := range slices.Sorted(maps.Keys(values)) {
		for _, kind := range []wire.Kind{wire.KindHello, wire.KindInput, wire.KindPing} {
			b := frame(final|opBinary, Bomb(kind, values[name]))
			f := onUpgrade(func(c *conn) error { return c.sendAndWait(b) })
			if kind != wire.KindHello {
				f = onSeat(func(_ context.Context, c *conn) error { return c.sendAndWait(b) })
			}
			if err := f(ctx, t); errors.Is(err, errConnect) || ctx.Err() != nil {
				return err
			}
			sleep(ctx, pause)
		}
	}
	return nil
}
