package cluster

import (
	"fmt"
	"os"
)

var tracing = os.Getenv("TRACE")

func (s *simNode) trace(what string, x any) {
	if tracing != "" {
		t := fmt.Sprintf("%+v", x)
		if len(t) > 300 {
			t = t[:300]
		}
		fmt.Fprintf(os.Stderr, "%v %s %s %T %s\n", s.w.now, s.sid, what, x, t)
	}
}
