// Package loop is the event loop under roomd: it moves bytes between sockets
// and handlers, and runs drivers (rooms) at their deadlines. It knows no
// protocol.
//
// A Loop is one goroutine that owns its poller, its connections and its tasks.
// Everything that belongs to it is touched by that goroutine alone, so nothing
// here is locked; Post is the way in from other goroutines. All callbacks of
// Handler and Driver run on it and must not block.
//
//	wait (slot or ordinary) -> poll: accept, read, flush -> mailbox
//	    -> timers -> tasks that are due          after each: settle
//
// # Slots
//
// While a task is about to be due the loop runs in slots of an absolute 1 ms
// grid: one poll for each slot, then everything that is due, and a wait that
// keeps the processor. Input does not wake it. With nothing due it blocks in
// the ordinary wait, which wakes for input, mail and the next deadline.
//
// # Batches
//
// Close, Move and SetHandler take effect at the end of the batch of callbacks
// under way (settle): Closed is never called from inside another callback, and
// a file descriptor is closed only when no event of the batch can name it.
//
// # Engines
//
// EngineEpoll (Linux) keeps about 150 bytes for an idle connection and no
// goroutine. EngineStd runs on every system with a reader goroutine for each
// connection; Attach brings that to single connections of an epoll loop (TLS,
// net.Pipe). Handlers see no difference.
//
// With Config.Uring an epoll loop sends what a slot's drivers offered by one call of
// an io_uring, and so it reads the connections of those that are Preparers. The ring
// holds nothing between two calls: whoever closes, moves or writes to a connection
// first has what is queued for it sent.
package loop
