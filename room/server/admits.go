package server

import (
	"net/netip"
	"sync"
)

// admits counts the calls of Config.Admit under way. Every goroutine may use it.
type admits struct {
	mu   sync.Mutex
	busy int
	of   map[netip.Addr]int // of each source, as gate.Gate.Source tells it
}

// begin reports false when there are as many as may be, in all or of the source.
func (a *admits) begin(source netip.Addr) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.busy >= maxAdmits || source.IsValid() && a.of[source] >= maxAdmitsPerAddr {
		return false
	}
	a.busy++
	if source.IsValid() {
		if a.of == nil {
			a.of = map[netip.Addr]int{}
		}
		a.of[source]++
	}
	return true
}

func (a *admits) end(source netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.busy--
	if !source.IsValid() {
		return
	}
	if a.of[source]--; a.of[source] == 0 {
		delete(a.of, source)
	}
}

func (a *admits) len() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.busy
}
