package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
)

// The baseline of the spectators' measurement: the same events, fanned out as
// most servers in Go do it: a handler of net/http, a goroutine and a channel for
// each reader.

// fanoutCmd is the baseline's process.
type fanoutCmd struct {
	From string `arg:"" help:"Stream whose events are handed on."`
}

// fanoutQueue is the events that wait for one reader.
const fanoutQueue = 16

type fanout struct {
	mu      sync.Mutex
	readers map[chan []byte]bool
	group   [][]byte // since the newest key
}

func (c *fanoutCmd) Run() error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	f := &fanout{readers: map[chan []byte]bool{}}
	failed := make(chan error, 2)
	go func() { failed <- f.follow(c.From) }()
	go func() { failed <- http.Serve(ln, f) }()
	fmt.Printf("http://%s/\n", ln.Addr())
	return <-failed
}

// follow hands the events of a stream to all readers.
func (f *fanout) follow(url string) error {
	resp, err := http.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	in := bufio.NewReaderSize(resp.Body, 64<<10)
	var event []byte
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return err
		}
		event = append(event, line...)
		if len(line) > 1 {
			continue
		}
		f.tell(bytes.Clone(event))
		event = event[:0]
	}
}

func (f *fanout) tell(event []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if bytes.HasPrefix(event, []byte("event: key\n")) {
		f.group = f.group[:0]
	}
	f.group = append(f.group, event)
	for r := range f.readers {
		select {
		case r <- event:
		default: // too slow
		}
	}
}

// ServeHTTP streams to one reader.
func (f *fanout) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	flusher, ok := w.(http.Flusher)
	if !ok {
		http.Error(w, "no streaming", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	events := make(chan []byte, fanoutQueue)
	f.mu.Lock()
	for _, e := range f.group {
		w.Write(e)
	}
	f.readers[events] = true
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		delete(f.readers, events)
		f.mu.Unlock()
	}()
	flusher.Flush()
	for {
		select {
		case e := <-events:
			if _, err := w.Write(e); err != nil {
				return
			}
			flusher.Flush()
		case <-r.Context().Done():
			return
		}
	}
}

// startFanout starts this program again as the baseline.
func startFanout(ctx context.Context, from string) (*target, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	t, err := startTarget(exec.CommandContext(ctx, self, "fanout", from))
	if err != nil {
		return nil, errors.Join(errors.New("the baseline does not start"), err)
	}
	return t, nil
}
