// Command writeloop is the floor that delivery is measured against: a loop of
// write(2) that sends frames made beforehand to all who are connected, at a fixed
// rate. It shakes hands as WebSocket wants it, and knows nothing else: no rooms,
// no state, no reading, no slow viewers.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"
)

func main() {
	rate := flag.Int("rate", 50, "frames each viewer is sent in a second")
	size := flag.Int("size", 64, "payload of a frame, in bytes")
	flag.Parse()
	if err := run(*rate, *size); err != nil {
		fmt.Fprintln(os.Stderr, "writeloop:", err)
		os.Exit(1)
	}
}

func run(rate, size int) error {
	if rate < 1 || size < 1 || size > maxPayload {
		return fmt.Errorf("want a rate from 1 and a size of 1 to %d bytes", maxPayload)
	}
	l, port, err := listen(size)
	if err != nil {
		return err
	}
	fmt.Printf("http://127.0.0.1:%d/\n", port)
	period := time.Second / time.Duration(rate)
	for next := time.Now(); ; next = next.Add(period) {
		time.Sleep(time.Until(next))
		if err := l.tick(); err != nil {
			return err
		}
	}
}
