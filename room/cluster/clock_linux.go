package cluster

import (
	"time"

	"golang.org/x/sys/unix"
)

// Now is the time since boot, with the time that the machine was suspended: unlike
// that of Go's clock, it runs on while a lease does (clock_gettime(2),
// CLOCK_BOOTTIME).
func Now() time.Duration { return boottime(unix.ClockGettime) }

func boottime(get func(clock int32, ts *unix.Timespec) error) time.Duration {
	var ts unix.Timespec
	if get(unix.CLOCK_BOOTTIME, &ts) != nil {
		return never // no lease is valid then
	}
	return time.Duration(ts.Nano())
}
