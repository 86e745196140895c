package loop

import "time"

// Defaults of Config. Of a peer that does not read, a broadcast of frames up to 16 KB
// leaves at most 128 KB in the kernel and here.
const (
	DefaultMaxTail      = 48 << 10         // bytes
	DefaultMaxPending   = 64 << 10         // bytes
	DefaultSendBuffer   = 32 << 10         // bytes; the kernel doubles it for its own bookkeeping
	DefaultNotSentLowat = 16 << 10         // bytes
	DefaultUserTimeout  = 30 * time.Second // until an unanswered write ends a connection
	DefaultMailbox      = 4096             // functions
	DefaultFlushTime    = 5 * time.Second  // CloseAfterFlush without a time of its own
)

const (
	// slot is the grid on which a loop with due tasks polls and runs them.
	slot = time.Millisecond
	// slotHorizon is how near a task's deadline must be for the loop to leave
	// the ordinary wait, whose wake-ups are less exact.
	slotHorizon = 2 * slot
	// uringHorizon is that of a loop with an io_uring. Its calls take longer than the
	// runtime's monitor leaves a thread with a processor, if that is the only one and
	// the monitor is awake; where the processor has no pauses it falls asleep.
	uringHorizon = 25 * slot
	// longestWait bounds an ordinary wait, so that arithmetic on Never stays
	// within what the kernel takes.
	longestWait = time.Hour

	// readBuffer is the size of the buffer that a loop reads into, bytes.
	readBuffer = 64 << 10
	// leastRead is the least room for a read behind pending bytes.
	leastRead = 4 << 10
	// maxPendingCeiling is the largest bound of unconsumed input, bytes.
	maxPendingCeiling = 1 << 30
	// stdReadBuffer is the buffer of each reader goroutine, bytes.
	stdReadBuffer = 4 << 10
	// joinedWrite is how many bytes are copied to make one write of several, where
	// the connection takes them singly: a TLS record.
	joinedWrite = 16 << 10

	// joinedSend is up to how many bytes, in several places, are copied to be sent as
	// one.
	joinedSend = 4 << 10

	// segmentEnd is how many bytes of sends the kernel gathers in one piece of its
	// memory, about.
	segmentEnd = 4 << 10
	// maxSegment is TCP_MAXSEG, bytes. The loopback takes segments of 64 KB: the first
	// would fill the send buffer, and its receiver puts its acknowledgement off by 40 ms.
	maxSegment = 16 << 10

	// eventsPerPoll bounds the events taken from the kernel at once, and
	// pollsPerPass how often a pass asks again when it got that many.
	eventsPerPoll = 512
	pollsPerPass  = 4

	// acceptsPerWake bounds the connections accepted before others are served.
	acceptsPerWake = 64
	// acceptPause is how long a listener rests after an error that a further
	// accept would only repeat.
	acceptPause = 100 * time.Millisecond
	// backlog of listening sockets; the kernel caps it at somaxconn.
	backlog = 4096

	// wheelSlot is the grain of connection timers, wheelSlots how many there
	// are: a power of two. Later deadlines are looked at once a round.
	wheelSlot  = 16 * time.Millisecond
	wheelSlots = 1024
	// keptBucket is the capacity that an emptied bucket of the wheel keeps.
	keptBucket = 256

	// keptSides is how many side storages a loop keeps for reuse, and
	// keptPending the largest input buffer that one of them keeps, bytes.
	keptSides   = 64
	keptPending = 4 << 10

	// maxSlots bounds the connections of one loop.
	maxSlots = 1 << 24
	// stopWait bounds how long a stopping loop waits for writer goroutines.
	stopWait = 2 * time.Second
	// maxStacks bounds the dump of stacks that Watch makes, bytes.
	maxStacks = 4 << 20
	// watchSamples is how often Watch looks at a loop within its limit.
	watchSamples = 8
)
