// Command goserver is the server that roomd is measured beside: the workload of
// loadtest/crowd as a good Go server without roomd does it. One goroutine reads
// each connection, one runs each room; states are compact arrays, encoded once for
// a room and written as one prepared message. What is known to be cheap is done:
// ticks of rooms are spread, buffers are small and shared, handlers return, inputs
// are read without allocating, and rooms write to their players themselves, with
// no goroutine and queue between (a player who stalls holds up the room for as
// long as writeWait).
//
// A client's first message is the name of a room, each later one an array of its
// direction and its input's number. It gets [tick, [[player, x, y, vx, vy, seq,
// hp], ...]] each tick, in MessagePack, coordinates in eighths.
package main

import (
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on")
	flag.Parse()
	if err := run(*listen); err != nil {
		fmt.Fprintln(os.Stderr, "goserver:", err)
		os.Exit(1)
	}
}

func run(addr string) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	// Who measures memory wants to see it without garbage.
	collect := make(chan os.Signal, 1)
	signal.Notify(collect, syscall.SIGUSR1)
	go func() {
		for range collect {
			debug.FreeOSMemory()
		}
	}()
	fmt.Printf("http://%s/\n", ln.Addr())
	return http.Serve(ln, newServer())
}
