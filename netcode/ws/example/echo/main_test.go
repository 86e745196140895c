package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	gobwas "github.com/gobwas/ws"
)

// echoTime is for all answers of TestEcho. They take a third of a second, 20 if each
// segment waits for an acknowledgement.
const echoTime = 15 * time.Second

// A message of the largest size comes back whole on both engines, sent in one
// frame and in pieces, text as text, and soon.
func TestEcho(t *testing.T) {
	for _, engine := range []string{"auto", "std"} {
		t.Run(engine, func(t *testing.T) {
			l, addr, err := start(defaults(engine), slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() { done <- l.Run() }()
			defer func() {
				l.Stop()
				if err := <-done; err != nil {
					t.Error(err)
				}
			}()
			nc, _, _, err := gobwas.Dial(context.Background(), "ws://"+addr.String()+"/")
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			nc.SetDeadline(time.Now().Add(echoTime))
			big := bytes.Repeat([]byte("0123456789abcdef"), defaultMessage/16)
			go func() {
				send := func(op gobwas.OpCode, fin bool, b []byte) {
					if err := gobwas.WriteFrame(nc, gobwas.MaskFrame(gobwas.NewFrame(op, fin, b))); err != nil {
						t.Error(err)
					}
				}
				send(gobwas.OpText, true, []byte("hello"))
				send(gobwas.OpBinary, true, big)
				send(gobwas.OpBinary, false, big[:1000])
				send(gobwas.OpContinuation, true, big[1000:])
			}()
			for i, want := range [][]byte{[]byte("hello"), big, big} {
				h, err := gobwas.ReadHeader(nc)
				if err != nil || h.Length != int64(len(want)) {
					t.Fatalf("message %d came back as %d bytes of %d, %v", i, h.Length, len(want), err)
				}
				got := make([]byte, h.Length)
				if _, err := io.ReadFull(nc, got); err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got, want) || (h.OpCode == gobwas.OpText) != (i == 0) {
					t.Fatalf("message %d came back changed, opcode %d", i, h.OpCode)
				}
			}
		})
	}
}

func defaults(engine string) options {
	return options{listen: "127.0.0.1:0", engine: engine, maxMessage: defaultMessage, frameTimeout: defaultFrameTimeout, everyPong: true}
}

func TestEchoRefusesEngine(t *testing.T) {
	if _, _, err := start(defaults("magic"), slog.New(slog.DiscardHandler)); err == nil {
		t.Fatal("an unknown engine was accepted")
	}
}
