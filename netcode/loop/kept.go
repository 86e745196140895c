package loop

import (
	"io"
	"net"
	"net/netip"
	"sync"
)

// keptConn is what Detach returns of a connection with a keeper.
type keptConn struct {
	net.Conn
	remote netip.AddrPort // as the loop knew it
	keeper Keeper
	once   sync.Once
}

// keeperOf is the keeper of what was detached, whatever was put around it; nil if
// it has none.
func keeperOf(nc net.Conn) Keeper {
	for {
		switch c := nc.(type) {
		case *keptConn:
			return c.keeper
		case interface{ NetConn() net.Conn }: // as tls.Conn has it
			nc = c.NetConn()
		default:
			return nil
		}
	}
}

// tellsKeeper reports whether the connection under c tells the keeper of its
// Close, so that c does not have to.
func (c *Conn) tellsKeeper() bool {
	s, ok := c.transport.(*stdConn)
	// While it is dialled there is nothing under it yet, and nc is the dialler's.
	return ok && c.flags&isConnecting == 0 && keeperOf(s.nc) == c.keeper
}

// Close implements net.Conn.
func (c *keptConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(c.keeper.Gone)
	return err
}

// RemoteAddr implements net.Conn.
func (c *keptConn) RemoteAddr() net.Addr {
	if !c.remote.IsValid() {
		return c.Conn.RemoteAddr()
	}
	return net.TCPAddrFromAddrPort(c.remote)
}

// ReadFrom keeps net/http's way to sendfile(2).
func (c *keptConn) ReadFrom(r io.Reader) (int64, error) { return io.Copy(c.Conn, r) }

// CloseWrite ends one half, where the connection has halves.
func (c *keptConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}
