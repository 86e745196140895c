//go:build linux

package cluster

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Without a clock no lease is valid, whenever it ends.
func TestNoClockNoLease(t *testing.T) {
	c := &Cluster{}
	c.valid.Store(int64(time.Hour))
	n := &Node{valid: time.Hour}
	now := boottime(func(int32, *unix.Timespec) error { return unix.EPERM })
	if int64(now) < c.valid.Load() || n.Valid(now) {
		t.Errorf("a lease is valid at %v", now)
	}
}

// Rooms ask for the time in each tick.
func TestClockAllocatesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { Now() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
