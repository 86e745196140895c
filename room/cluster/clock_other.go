//go:build !linux

package cluster

import "time"

var started = time.Now()

// Now is the time since the start of the process. A machine that was suspended may
// hold its lease for too long: clusters belong on Linux.
func Now() time.Duration { return time.Since(started) }
