package secure

import "time"

// Result is how a connection fared at a Gate.
type Result uint8

// The results, each counted in Stats.Results.
const (
	Done      Result = iota // given to Config.Take, or all that an authority wanted
	Failed                  // the two did not agree, or the peer left
	Late                    // not over in time, or nothing was said
	Refused                 // by Config.Admit, or too many were there, in all or of the source
	Plain                   // the peer did not speak TLS
	OtherHost               // for a host that is none of Config.ACME
	results
)

// String names the result as a metric label.
func (r Result) String() string {
	names := [results]string{"done", "failed", "late", "refused", "plain", "other_host"}
	if r < results {
		return names[r]
	}
	return "unknown"
}

// Stats are the counters of a Gate since it was made, and its gauges.
type Stats struct {
	Results  [results]uint64 // connections that are through, by Result
	Busy     int             // handshakes now
	Waiting  int             // connections that wait for one now
	Reloads  uint64          // changed files taken into use, or certificates that came by ACME
	Failures uint64          // changed files that could not be used, and by ACME attempts that failed and renewals that are late
	Expires  time.Time       // the end of the certificate in use, of the first of several to end; zero: none is
}

// Stats reads the counters. Any goroutine may call it.
func (g *Gate) Stats() Stats {
	var s Stats
	for r := range s.Results {
		s.Results[r] = g.count[r].Load()
	}
	g.mu.Lock()
	s.Busy, s.Waiting = len(g.busy), len(g.queue)
	g.mu.Unlock()
	g.cert.fill(&s)
	return s
}
