package client

import "time"

// Limits of a client. Each bounds what a server can make it hold or do.
const (
	// DefaultMaxMessage bounds one message from the server, in bytes, unless
	// Options.MaxMessage says otherwise.
	DefaultMaxMessage = 1 << 20
	// MaxUnacked is the number of sent inputs kept for resending after a
	// resume. What is sent beyond that goes unprotected, oldest first.
	MaxUnacked = 64
	// MaxResent is the number of inputs sent again after a resume, the newest:
	// a room's inbox holds no more.
	MaxResent = 8
	// MaxEvents is the number of events held for Core.Events. Beyond that all
	// are dropped and counted.
	MaxEvents = 1 << 10
	// maxEventLanes bounds their values, in int32 words: 4 MiB.
	maxEventLanes = 1 << 20
	// MaxResyncs is the number of keyframes asked for on one connection before
	// it is given up.
	MaxResyncs = 8
	// maxHandshake bounds what dialing and the welcome may take.
	maxHandshake = 10 * time.Second
	// maxSilence is the time without a single byte, pings included, after which
	// a connection counts as broken. Servers ping every 15 s.
	maxSilence = 45 * time.Second
	// maxWrite is the time a write may take before the connection counts as broken.
	maxWrite = 5 * time.Second
	// Reconnecting waits a random time of up to firstBackoff, doubled with each
	// failure, at most maxBackoff. A connection that lasted for maxBackoff
	// starts anew.
	firstBackoff = 250 * time.Millisecond
	maxBackoff   = 5 * time.Second
	// readBuffer is the size of the socket's read buffer, in bytes.
	readBuffer = 4 << 10
	// maxHops is how many addresses in a row a client is sent on to.
	maxHops = 5
)
