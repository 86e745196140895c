package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/gobwas/ws"

	"github.com/roomd/roomd/netcode/wire"
)

// Options says what to join and how to stay connected. Only Config.Kind is needed.
type Options struct {
	Config
	// OnUpdate is called after each message and when the connection breaks, by
	// Dial and later by the goroutine that reads. It may call all methods of the
	// Client.
	OnUpdate func(*Client)
	// Stay keeps the client where it is when the server says that the room is at
	// another node, which it may go to.
	Stay bool
	// Retries is how often in a row a broken connection is tried again before
	// the client gives up; 0 is without end, negative is never.
	Retries    int
	MaxMessage int // bytes of one message from the server; 0 is DefaultMaxMessage
	TLS        *tls.Config
	NetDial    func(ctx context.Context, network, addr string) (net.Conn, error) // nil: a net.Dialer
	Log        *slog.Logger                                                      // nil: none
}

func (o *Options) validate() error {
	if !wire.ValidKind(o.Kind) {
		return fmt.Errorf("client: Options.Kind %q names no kind", o.Kind)
	}
	if o.MaxMessage < 0 || o.MaxMessage > wire.MaxServerMessage {
		return fmt.Errorf("client: Options.MaxMessage %d, at most %d", o.MaxMessage, wire.MaxServerMessage)
	}
	if o.MaxMessage == 0 {
		o.MaxMessage = DefaultMaxMessage
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// ErrDisconnected: there is no connection at the moment.
var ErrDisconnected = errors.New("client: not connected")

// Client keeps a Core connected: it reconnects and resumes until it is closed or
// the server says that this would not help. Its methods may be called by any
// goroutine.
type Client struct {
	url     string // where the room was last
	home    string // the address that Dial was given
	opts    Options
	ctx     context.Context
	cancel  context.CancelFunc
	updates chan struct{}
	done    chan struct{}
	began   time.Time

	mu    sync.Mutex
	core  *Core
	conn  *conn  // nil while there is none
	next  *conn  // to go on with, when conn is left
	near  string // its address
	going bool   // a connection to where the room is now is being made
	input InputBuilder
	buf   []byte
	pings uint32
	rtt   time.Duration
	err   error
}

// Dial connects, joins and waits for the welcome. ctx is for that only; the
// client lives until Close. A refusal is a *ByeError.
func Dial(ctx context.Context, address string, o Options) (*Client, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	c := &Client{
		url: address, home: address, opts: o, core: NewCore(o.Config), began: time.Now(),
		updates: make(chan struct{}, 1), done: make(chan struct{}),
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	conn, err := c.connect(ctx)
	if err != nil {
		c.cancel()
		return nil, err
	}
	go c.run(conn)
	return c, nil
}

// View calls f with the state, which nothing else touches meanwhile. f must be
// quick, must not keep what it is given and must not call the Client.
func (c *Client) View(f func(*Core)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(c.core)
}

// SendInput sends one input: zero but for what set gives to it. An input that
// was lost with the connection is sent again when the seat is resumed.
func (c *Client) SendInput(set func(*InputBuilder)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil {
		return ErrDisconnected
	}
	if c.input.schema != c.core.Schema() {
		c.input = c.core.NewInput()
	}
	c.input.Reset()
	set(&c.input)
	var err error
	if c.buf, err = c.core.AppendInput(c.buf[:0], &c.input); err != nil {
		return err
	}
	return c.send(c.buf)
}

// send writes messages; c.mu is held. What breaks here ends the reading too.
func (c *Client) send(b []byte) error {
	if err := c.conn.write(ws.OpBinary, b); err != nil {
		c.conn.nc.Close()
		return fmt.Errorf("client: %w", err)
	}
	return nil
}

// Ping measures the round trip; RTT has the result once it is known.
func (c *Client) Ping() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil {
		return ErrDisconnected
	}
	c.pings++
	c.buf = c.core.AppendPing(c.buf[:0], c.pings, uint64(time.Since(c.began).Microseconds()))
	return c.send(c.buf)
}

// RTT is the round trip that a Ping measured last, 0 before.
func (c *Client) RTT() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rtt
}

// Connected reports whether there is a welcomed connection.
func (c *Client) Connected() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conn != nil
}

// Updates receives a value some time after one or more messages.
func (c *Client) Updates() <-chan struct{} { return c.updates }

// Done is closed when the client has ended; Err says why.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err is why the client ended: nil as long as it has not, and after Close.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Leave gives up the seat. The client ends with the server's bye, ByeLeft.
// Without a connection it is closed, and the seat falls free by itself.
func (c *Client) Leave() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil {
		c.cancel()
		return nil
	}
	c.buf = c.core.AppendLeave(c.buf[:0])
	return c.send(c.buf)
}

// Close closes the connection and ends the client. The room keeps the seat for
// its grace period.
func (c *Client) Close() {
	c.cancel()
	c.mu.Lock()
	conn := c.conn
	c.mu.Unlock()
	if conn != nil {
		conn.close()
	}
}

// run serves one connection after the other.
func (c *Client) run(conn *conn) {
	defer close(c.done)
	failures := 0
	for {
		start := time.Now()
		err := c.serve(conn)
		if next := c.goNear(conn); next != nil {
			conn = next
			continue
		}
		conn.nc.Close()
		c.mu.Lock()
		c.conn = nil
		c.mu.Unlock()
		if time.Since(start) >= maxBackoff {
			failures = 0
		}
		c.opts.Log.Debug("disconnected", "url", c.url, "err", err)
		c.updated()
		if conn, err = c.reconnect(err, &failures); err != nil {
			if c.ctx.Err() != nil {
				err = nil
			}
			c.mu.Lock()
			c.err = err
			c.mu.Unlock()
			return
		}
	}
}

// serve reads until the connection ends and returns why.
func (c *Client) serve(conn *conn) error {
	for {
		msg, err := conn.next()
		if err != nil {
			return err
		}
		if err := c.receive(conn, msg); err != nil {
			return err
		}
		c.updated()
	}
}

// receive gives one message to the Core and sends its answer. A bye is an error.
func (c *Client) receive(conn *conn, msg []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.core.Receive(msg); err != nil {
		return err
	}
	if bye := c.core.Bye(); bye != nil {
		return bye
	}
	if p, ok := c.core.Pong(); ok {
		c.rtt = time.Since(c.began) - time.Duration(p.T)*time.Microsecond
	}
	if at := c.core.Moved(); at != "" && !c.opts.Stay && !c.going {
		c.going = true
		go c.prepare(conn, at)
	}
	if out := c.core.Outgoing(); len(out) > 0 {
		return conn.write(ws.OpBinary, out)
	}
	return nil
}

func (c *Client) updated() {
	select {
	case c.updates <- struct{}{}:
	default:
	}
	if c.opts.OnUpdate != nil {
		c.opts.OnUpdate(c)
	}
}

// connect connects, and goes where servers say that the room is.
func (c *Client) connect(ctx context.Context) (conn *conn, err error) {
	for hops := 0; ; hops++ {
		if conn, err = c.attempt(ctx); err == nil || hops == maxHops || !c.follow(err) {
			return conn, err
		}
	}
}

// goTo sets the address of the next attempt. Only the goroutine that connects does.
func (c *Client) goTo(address string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.url = address
}

// Address is where the client is connected, or was last: that given to Dial, or
// where its server sent it.
func (c *Client) Address() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.url
}

// RemoteAddr is the other end of the connection, nil while there is none.
func (c *Client) RemoteAddr() net.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil {
		return nil
	}
	return c.conn.nc.RemoteAddr()
}

// attempt dials, says hello and waits for the welcome.
func (c *Client) attempt(ctx context.Context) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, maxHandshake)
	defer cancel()
	conn, err := dial(ctx, c.url, &c.opts)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.nc.Close() })
	if err = c.join(conn); err == nil && !stop() {
		err = ctx.Err()
	}
	if err == nil {
		err = c.use(conn)
	}
	if err != nil {
		conn.nc.Close()
		return nil, err
	}
	c.updated()
	return conn, nil
}

// use makes conn the connection, unless Close came first: it closes what it
// finds.
func (c *Client) use(conn *conn) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.ctx.Err(); err != nil {
		return err
	}
	c.conn = conn
	return nil
}

// join says hello and reads until the welcome.
func (c *Client) join(conn *conn) error {
	c.mu.Lock()
	hello := c.core.Hello()
	c.mu.Unlock()
	if err := conn.write(ws.OpBinary, hello); err != nil {
		return fmt.Errorf("client: %w", err)
	}
	for {
		msg, err := conn.next()
		if err != nil {
			return fmt.Errorf("client: no welcome: %w", err)
		}
		if err := c.receive(conn, msg); err != nil {
			return err
		}
		c.mu.Lock()
		welcomed := c.core.Welcomed()
		c.mu.Unlock()
		if welcomed {
			return nil
		}
	}
}

// reconnect tries until it is connected or why says that it is no use.
func (c *Client) reconnect(why error, failures *int) (*conn, error) {
	// Failures are counted until a connection lasts, so that servers who send a client
	// to each other do not keep it running between them.
	moved := *failures < maxHops && c.follow(why)
	for {
		action, wait := verdict(why)
		if action == wire.Stop || c.opts.Retries < 0 || c.opts.Retries > 0 && *failures >= c.opts.Retries {
			return nil, why
		}
		if action == wire.Anew {
			c.View((*Core).Forget)
		}
		jitter := backoff(*failures)
		if wait > 0 {
			jitter = min(jitter, rand.N(wait/2+1)) // the server knows better
		}
		if wait += jitter; moved {
			wait, moved = 0, false
		} else if *failures > 0 {
			c.goTo(c.home) // where the room was last is nobody
		}
		timer := time.NewTimer(wait)
		select {
		case <-c.ctx.Done():
			timer.Stop()
			return nil, why
		case <-timer.C:
		}
		*failures++
		var conn *conn
		if conn, why = c.connect(c.ctx); why == nil {
			return conn, nil
		}
		c.opts.Log.Debug("not reconnected", "url", c.url, "attempt", *failures, "err", why)
	}
}

// verdict is what to do after err, and how long the server asks to wait.
func verdict(err error) (wire.Action, time.Duration) {
	var bye *ByeError
	var closed *CloseError
	switch {
	case errors.As(err, &bye):
		return bye.Code.Action(), bye.Retry
	case errors.As(err, &closed):
		for code := range wire.Code(wire.NumCodes) {
			if code > 0 && code.CloseCode() == closed.Code {
				return code.Action(), 0
			}
		}
	}
	return wire.Retry, 0
}

// backoff is a random wait before another attempt ("full jitter").
func backoff(failures int) time.Duration {
	most := min(firstBackoff<<min(failures, 16), maxBackoff)
	return rand.N(most)
}
