package main

import (
	"net"
	"sync"
	"sync/atomic"
)

// proxy stands between a node and NATS and can swallow what passes, as a network
// does that is cut: both ends wait and hear nothing.
type proxy struct {
	ln  net.Listener
	to  string
	cut atomic.Bool

	mu    sync.Mutex
	conns map[net.Conn]bool
}

// startProxy forwards a port of its own to the given address.
func startProxy(to string) (*proxy, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{ln: ln, to: to, conns: map[net.Conn]bool{}}
	go p.serve()
	return p, nil
}

func (p *proxy) addr() string { return p.ln.Addr().String() }

func (p *proxy) serve() {
	for {
		a, err := p.ln.Accept()
		if err != nil {
			return
		}
		b, err := net.Dial("tcp", p.to)
		if err != nil {
			a.Close()
			continue
		}
		p.mu.Lock()
		p.conns[a], p.conns[b] = true, true
		p.mu.Unlock()
		go p.pass(a, b)
		go p.pass(b, a)
	}
}

// pass copies one direction, or drops it while the proxy is cut.
func (p *proxy) pass(from, to net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err == nil && !p.cut.Load() {
			_, err = to.Write(buf[:n])
		}
		if err != nil {
			p.drop(from)
			p.drop(to)
			return
		}
	}
}

func (p *proxy) drop(c net.Conn) {
	c.Close()
	p.mu.Lock()
	delete(p.conns, c)
	p.mu.Unlock()
}

// heal passes again. Streams that bytes are missing from are of no use: they end.
func (p *proxy) heal() {
	p.cut.Store(false)
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}

func (p *proxy) stop() {
	p.ln.Close()
	p.heal()
}
