package server

import "time"

// socketPath is where WebSocket clients connect (PROTOCOL.md section 1).
const socketPath = "/v1/ws"

// Limits that no configuration changes.
const (
	// helloTimeout is how long an upgraded connection may stay without a hello.
	helloTimeout = 5 * time.Second
	// admitTimeout bounds one call of Config.Admit.
	admitTimeout = 5 * time.Second
	// placeTimeout is how long a hello may wait for a room, Admit included.
	placeTimeout = admitTimeout + time.Second
	// maxAdmits bounds the calls of Config.Admit under way at a time, maxAdmitsPerAddr
	// those for one address.
	maxAdmits        = 256
	maxAdmitsPerAddr = 64
	// maxMessagesPerSecond is what one connection may send, however many share a
	// WebSocket message; a player at the highest tick rate with pings sends a
	// third of it.
	maxMessagesPerSecond = 400
	// maxBytesPerSecond bounds the messages of one connection, in bytes: the largest
	// inputs at the highest tick rate fit.
	maxBytesPerSecond = 512 << 10
	// fewFiles is what a process needs of open files beside connections; a sixteenth
	// of its limit is left too, for loops of isolated rooms and the like. mostConns is
	// the highest default of Config.MaxConns.
	fewFiles  = 64
	mostConns = 1 << 20
	// warnEvery is the time between two log records of clients turned away for the
	// same reason.
	warnEvery = time.Minute
	// maxHead bounds the head of a request that net/http reads, in bytes: of the first
	// of each connection the WebSocket layer bounds it.
	maxHead = 8 << 10
	// postQueue is the number of posts waiting for Config.Post.
	postQueue = 1024
	// maxMail bounds one Mail body, in bytes.
	maxMail = 64 << 10
	// asleepAfter is how far away a room's next tick must be for its players'
	// sockets to wake the loop themselves.
	asleepAfter = 200 * time.Millisecond
	// collectTimeout bounds how long /metrics waits for one loop.
	collectTimeout = time.Second
	// retryHint is what a closing server tells its clients to wait.
	retryHint = 2 * time.Second
	// hungAfter is the silence after which a loop counts as hung.
	hungAfter = 2 * time.Second
	// flushPoll is the time between two looks at connections that are to end.
	flushPoll = 10 * time.Millisecond
	// retirePoll is the time between two looks at a loop that ends when its
	// connections are gone.
	retirePoll = 20 * time.Millisecond
	// placeTries bounds the rooms tried for one join that named no room.
	placeTries = 3
	// readTimeout, writeTimeout and idleTimeout guard the HTTP routes.
	readTimeout  = 5 * time.Second
	writeTimeout = 30 * time.Second
	idleTimeout  = 60 * time.Second

	// spareProcessors is how many goroutines run beside the loops: those that read
	// and write NATS or TLS.
	spareProcessors = 2
	// frozenPoll is the time between two looks whether a room that stands still may
	// go on.
	frozenPoll = 5 * time.Millisecond
	// lagTries is how many times frozenPoll a room that comes here waits for what its edge
	// has not heard yet.
	lagTries = 10
	// joinTimeout bounds one attempt to join the cluster.
	joinTimeout = 20 * time.Second
	// rescueHint is what clients wait whose room is changing hands, or who came to a
	// node that is not in its cluster.
	rescueHint = 300 * time.Millisecond
	// dismissEvery is the time between two edges whose clients are sent to other nodes.
	dismissEvery = 20 * time.Millisecond
	// lookTimeout bounds the search for a room in the cluster, readyPoll is the time
	// between two looks whether there is something to see of it.
	lookTimeout = 3 * time.Second
	readyPoll   = 5 * time.Millisecond
	// edgeLinger is how long an edge stays for which nobody is there.
	edgeLinger = 5 * time.Second
	// stalledAfter is how long a room stands still before its viewers are told.
	stalledAfter = 600 * time.Millisecond
	// movedHint is what clients that do not know that rooms move wait.
	movedHint = 100 * time.Millisecond
	// maxHTTPLinks bounds the sessions over HTTP requests.
	maxHTTPLinks = 10_000
	// linkSilence is how long the client of such a session may ask for nothing
	// before its connection counts as broken, readerSilence while it reads a
	// stream: browsers let hidden tabs send once a minute.
	linkSilence   = 10 * time.Second
	readerSilence = 90 * time.Second
	// linkLinger is how long the end of such a session can be asked for.
	linkLinger = 10 * time.Second
	// streamBeat is the silence after which a session's stream sends a comment,
	// streamStall the time that one write to it may take, and streamAge how long
	// one response lasts at most; each ends at a random 80 to 100 % of it.
	streamBeat  = 15 * time.Second
	streamStall = 10 * time.Second
	streamAge   = 10 * time.Minute
)
