package client

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/roomd/roomd/netcode/wire"
)

// How a client finds its room on other nodes.

// prepare makes a connection to where the room is now, and has serve leave old for
// it. If that does not succeed everything stays as it is.
func (c *Client) prepare(old *conn, at string) {
	ctx, cancel := context.WithTimeout(c.ctx, maxHandshake)
	defer cancel()
	address, _, ok := roomAddress(at)
	var next *conn
	var err error
	if ok {
		next, err = dial(ctx, address, &c.opts)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.going = false
	switch {
	case !ok || err != nil:
		c.opts.Log.Debug("stays", "url", c.url, "moved", at, "err", err)
	case c.conn != old || c.ctx.Err() != nil:
		next.nc.Close()
	default:
		c.next, c.near = next, address
		old.nc.SetReadDeadline(time.Unix(1, 0))
	}
}

// goNear joins by the connection that prepare made, if there is one, and then closes
// old: the seat is never without a connection. It returns nil if there is none or if
// the room is not there.
func (c *Client) goNear(old *conn) *conn {
	c.mu.Lock()
	next := c.next
	c.next = nil
	if next != nil {
		c.url = c.near
	}
	c.mu.Unlock()
	if next == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(c.ctx, maxHandshake)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { next.nc.Close() })
	err := c.join(next)
	if err == nil && !stop() {
		err = ctx.Err()
	}
	if err == nil {
		err = c.use(next)
	}
	if err != nil {
		next.nc.Close()
		c.goTo(c.home)
		return nil
	}
	old.nc.Close()
	c.updated()
	return next
}

// follow takes over the address that a bye names, if err is one that does.
func (c *Client) follow(err error) bool {
	var bye *ByeError
	if !errors.As(err, &bye) || bye.Code != wire.ByeMoved {
		return false
	}
	address, room, ok := roomAddress(bye.Text)
	if ok {
		c.goTo(address)
		c.View(func(core *Core) { core.Goto(room) })
	}
	return ok
}

// roomAddress is what a server says of a room elsewhere (PROTOCOL.md sections 9.7 and
// 10.1).
func roomAddress(text string) (address, room string, ok bool) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "ws" && u.Scheme != "wss" {
		return "", "", false
	}
	room = u.Query().Get("room")
	u.RawQuery = ""
	return u.String(), room, true
}
