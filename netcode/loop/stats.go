package loop

import "time"

// Stats are the counters of one loop since it began, and its gauges.
type Stats struct {
	Conns int   // connections now
	Tasks int   // tasks now
	Tail  int64 // unsent bytes of all connections now

	Accepts  uint64 // connections accepted
	Refused  uint64 // connections closed at accept: no descriptors or slots left
	Pauses   uint64 // times a listener had to rest
	Reads    uint64 // reads that brought bytes
	BytesIn  uint64
	Writes   uint64 // writes that took bytes
	BytesOut uint64
	Again    uint64 // reads and writes that the kernel answered with EAGAIN
	Partial  uint64 // writes of which the kernel took a part
	Batches  uint64 // calls that did many reads or writes
	Mail     uint64 // functions run from the mailbox
	MailFull uint64 // functions refused by a full mailbox

	Passes   uint64        // rounds of the loop
	TaskRuns uint64        // calls of Driver.Advance
	Lag      time.Duration // how late the latest task ran
	MaxLag   time.Duration // the latest that any task ran
}
