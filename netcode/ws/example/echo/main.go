// Command echo answers every WebSocket message with itself, text as text and
// binary as binary. It is the target of conformance suites:
//
//	go run ./netcode/ws/example/echo --listen 127.0.0.1:9001 --engine auto
package main

import (
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/roomd/roomd/netcode/loop"
	"github.com/roomd/roomd/netcode/ws"
)

const (
	// maxMessage is the largest message that comes back, in bytes.
	maxMessage = 16 << 20
	// maxTail holds a few of them for a client that sends before it reads, in bytes.
	maxTail = 4 * maxMessage
	// maxFragments lets a suite cut such a message into pieces of 64 bytes.
	maxFragments = maxMessage / 64
	// frameTimeout is generous: a suite may send a message in slow pieces.
	frameTimeout = time.Minute
)

// echo is the handler of one connection.
type echo struct{ buf []byte }

// keptBuffer is the most that an idle connection keeps for its next answer, in bytes.
const keptBuffer = 64 << 10

// Message implements ws.Handler.
func (e *echo) Message(c *ws.Conn, binary bool, b []byte) {
	e.buf = ws.AppendMessage(e.buf[:0], binary, b)
	c.Send(e.buf)
	if cap(e.buf) > keptBuffer {
		e.buf = nil
	}
}

// Timer implements ws.Handler.
func (e *echo) Timer(*ws.Conn, time.Duration) {}

// Closed implements ws.Handler.
func (e *echo) Closed(*ws.Conn, error) {}

func main() {
	listen := flag.String("listen", "127.0.0.1:9001", "address to listen on")
	engine := flag.String("engine", "auto", "auto or std")
	verbose := flag.Bool("v", false, "log refused upgrades and protocol errors")
	flag.Parse()
	if err := run(*listen, *engine, *verbose); err != nil {
		fmt.Fprintln(os.Stderr, "echo:", err)
		os.Exit(1)
	}
}

func run(listen, engine string, verbose bool) error {
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	l, addr, err := start(listen, engine, log)
	if err != nil {
		return err
	}
	log.Info("echo is listening", "url", "ws://"+addr.String()+"/", "engine", l.Engine())
	return l.Run()
}

// start makes the loop with the server on it; Run makes it serve.
func start(listen, engine string, log *slog.Logger) (*loop.Loop, net.Addr, error) {
	engines := map[string]loop.Engine{"auto": loop.EngineAuto, "std": loop.EngineStd}
	kind, ok := engines[engine]
	if !ok {
		return nil, nil, fmt.Errorf("--engine %q is neither auto nor std", engine)
	}
	l, err := loop.New(loop.Config{Engine: kind, MaxTail: maxTail, Log: log})
	if err != nil {
		return nil, nil, err
	}
	server, err := ws.NewServer(ws.Config{
		Path:         "/",
		Origins:      []string{"*"},
		MaxMessage:   maxMessage,
		MaxFragments: maxFragments,
		FrameTimeout: frameTimeout,
		EveryPong:    true,
		Open:         func(*ws.Conn, *ws.Request) (ws.Handler, error) { return new(echo), nil },
		Log:          log,
	})
	if err == nil {
		var addr net.Addr
		if addr, err = server.Serve(l, listen); err == nil {
			return l, addr, nil
		}
	}
	l.Stop()
	return nil, nil, err
}
