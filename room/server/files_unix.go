//go:build unix

package server

import (
	"math"
	"syscall"
)

// openFiles is how many files this process may have open (RLIMIT_NOFILE), 0 if
// that is not known or there is no limit.
func openFiles() int {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil || uint64(l.Cur) > math.MaxInt32 {
		return 0
	}
	return int(l.Cur)
}
