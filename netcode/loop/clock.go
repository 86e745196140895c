package loop

import (
	"math"
	"time"
)

// Never is the deadline of a task that waits for Task.Wake.
const Never time.Duration = math.MaxInt64

// processStart is where the time of this process begins.
var processStart = time.Now()

// Now is the monotonic time since the process started. Any goroutine may call
// it. Only shells read it: everything below takes time as an argument.
func Now() time.Duration { return time.Since(processStart) }
