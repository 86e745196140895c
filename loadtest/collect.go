package main

import (
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"
)

// collectTime is how long a process may take to act on collectSignal.
const collectTime = 300 * time.Millisecond

// collectSignal has a server of a run give back its garbage, so that its memory can
// be told from it. The baselines know it too.
const collectSignal = syscall.SIGUSR1

func collectOnSignal() {
	told := make(chan os.Signal, 1)
	signal.Notify(told, collectSignal)
	go func() {
		for range told {
			debug.FreeOSMemory()
		}
	}()
}
