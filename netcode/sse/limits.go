package sse

import "time"

const (
	// DefaultRate is the events of a stream per second.
	DefaultRate = 10
	// DefaultGroup is the time between two keyframes of a stream. Who joins gets
	// the stream from the newest on.
	DefaultGroup = 2 * time.Second
	// DefaultKeep is how much of the stream is kept beyond the largest delay in
	// use: what a reader may have missed and still resume exactly.
	DefaultKeep = 30 * time.Second
	// DefaultPast is how much of a stream is kept for readers who choose to be late, in
	// bytes.
	DefaultPast = 16 << 20
	// MaxDelay bounds the delay that a reader may ask for; a large room gives less.
	MaxDelay = 10 * time.Minute
	// delayStep is what delays are rounded up to, so that readers share tiers.
	delayStep = time.Second

	// heartbeat is the silence after which a block without an event tells
	// proxies and clients that the stream is alive.
	heartbeat = 15 * time.Second
	// maxAge is how long one response lasts at most, so that readers spread anew
	// over servers; each ends at a random 80 to 100 % of it.
	maxAge = 10 * time.Minute
	// stall is how long a connection may take nothing before it is closed.
	stall = 15 * time.Second
	// retryLow and retryHigh bound the random wait that clients are told to keep
	// before they connect again.
	retryLow  = time.Second
	retryHigh = 3 * time.Second

	// pumpEvery is the time between two attempts to send to a reader that was full.
	pumpEvery = 50 * time.Millisecond

	// MaxWait bounds how long a poll waits for something new.
	MaxWait = 25 * time.Second
	// coalesce is how long a poll that waited gathers more.
	coalesce = 50 * time.Millisecond
	// pollBytes is the size from which the answer to a poll holds no more blocks.
	pollBytes = 256 << 10
	// answerTime is how long a client may take for the answer that is the last of its
	// connection.
	answerTime = 30 * time.Second
	// linger is how long the stream is made for nobody, since who broke off comes
	// back.
	linger = 30 * time.Second
	// httpQueue is the number of blocks that wait for a reader behind net/http.
	httpQueue = 16
	// writeTime bounds one write to a reader behind net/http.
	writeTime = 5 * time.Second
	// MaxReaders bounds the readers of one log.
	MaxReaders = 100_000

	// maxUnacked bounds the bytes that a Downlink keeps until its client has
	// them; ticks leave half of it to control messages.
	maxUnacked = 256 << 10
	// ackTime is how long a client may leave a message unacknowledged before it
	// is given no further ticks.
	ackTime = 5 * time.Second
	// fetchTime is how old a message may be that no request fetched before no
	// further ticks are kept for the client: the next one covers them.
	fetchTime = 200 * time.Millisecond
	// answerEvery is the least time between two answers to the fetches of a client.
	answerEvery = 40 * time.Millisecond
)
