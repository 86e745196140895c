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

// options are the flags.
type options struct {
	listen       string
	engine       string
	uring        bool
	maxMessage   int           // bytes
	maxFragments int           // frames of a message; 0: pieces of 64 bytes
	maxTail      int           // bytes; 0: a few messages
	frameTimeout time.Duration // from the first byte of a message to its last
	everyPong    bool
	deflate      bool
	deflateFrom  int // bytes
	verbose      bool
}

// Defaults: messages of a suite are large, and may come in slow pieces.
const (
	defaultMessage      = 16 << 20
	defaultFrameTimeout = time.Minute
	// smallestPiece is what such a message may be cut into, in bytes.
	smallestPiece = 64
	// tailMessages is how many answers wait for a client that sends before it reads.
	tailMessages = 4
)

// echo is the handler of one connection.
type echo struct{ buf []byte }

// keptBuffer is the most that an idle connection keeps for its next answer, in bytes.
const keptBuffer = 64 << 10

// Message implements ws.Handler.
func (e *echo) Message(c *ws.Conn, binary bool, b []byte) {
	e.buf = c.AppendMessage(e.buf[:0], binary, b)
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
	var o options
	flag.StringVar(&o.listen, "listen", "127.0.0.1:9001", "address to listen on")
	flag.StringVar(&o.engine, "engine", "auto", "auto, epoll or std (a goroutine for each connection)")
	flag.BoolVar(&o.uring, "uring", false, "write and read through an io_uring, where the kernel has one")
	flag.IntVar(&o.maxMessage, "max-message", defaultMessage, "largest message, in bytes")
	flag.IntVar(&o.maxFragments, "max-fragments", 0, "most frames of one message; 0 allows pieces of 64 bytes")
	flag.IntVar(&o.maxTail, "max-tail", 0, "most unsent bytes of a connection; 0 is four of the largest messages")
	flag.DurationVar(&o.frameTimeout, "frame-timeout", defaultFrameTimeout, "most time from the first byte of a message to its last")
	flag.BoolVar(&o.everyPong, "every-pong", true, "answer each ping, not only the last of those read together")
	flag.BoolVar(&o.deflate, "deflate", false, "compress messages for clients that ask for it (RFC 7692)")
	flag.IntVar(&o.deflateFrom, "deflate-from", ws.DefaultDeflateFrom, "least message that is compressed, in bytes")
	flag.BoolVar(&o.verbose, "v", false, "log refused upgrades and protocol errors")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "echo:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	level := slog.LevelInfo
	if o.verbose {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	l, addr, err := start(o, log)
	if err != nil {
		return err
	}
	log.Info("echo is listening", "url", "ws://"+addr.String()+"/", "engine", l.Engine())
	return l.Run()
}

// start makes the loop with the server on it; Run makes it serve.
func start(o options, log *slog.Logger) (*loop.Loop, net.Addr, error) {
	engines := map[string]loop.Engine{"auto": loop.EngineAuto, "epoll": loop.EngineEpoll, "std": loop.EngineStd}
	kind, ok := engines[o.engine]
	if !ok {
		return nil, nil, fmt.Errorf("--engine %q is neither auto, epoll nor std", o.engine)
	}
	if o.maxFragments == 0 {
		o.maxFragments = max(o.maxMessage/smallestPiece, ws.DefaultMaxFragments)
	}
	if o.maxTail == 0 {
		o.maxTail = tailMessages * o.maxMessage
	}
	l, err := loop.New(loop.Config{Engine: kind, Uring: o.uring, MaxTail: o.maxTail, Log: log})
	if err != nil {
		return nil, nil, err
	}
	server, err := ws.NewServer(ws.Config{
		Path:         "/",
		Origins:      []string{"*"},
		MaxMessage:   o.maxMessage,
		MaxFragments: o.maxFragments,
		FrameTimeout: o.frameTimeout,
		EveryPong:    o.everyPong,
		Deflate:      o.deflate,
		DeflateFrom:  o.deflateFrom,
		Open:         func(*ws.Conn, *ws.Request) (ws.Handler, error) { return new(echo), nil },
		Log:          log,
	})
	if err == nil {
		var addr net.Addr
		if addr, err = server.Serve(l, o.listen); err == nil {
			return l, addr, nil
		}
	}
	l.Stop()
	return nil, nil, err
}
