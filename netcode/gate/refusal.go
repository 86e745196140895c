package gate

import (
	"net/http"
	"time"
)

// Refusal is why a connection or a handshake is not taken.
type Refusal uint8

// Reasons to refuse.
const (
	Welcome  Refusal = iota // it is taken
	Full                    // Config.MaxConns
	AddrFull                // Config.MaxConnsPerAddr
	Busy                    // Config.Handshakes
	AddrBusy                // Config.HandshakesPerAddr
	BadProxy                // a trusted proxy began without a valid PROXY header
	refusals
)

// texts are what is said of each, to metrics and to clients.
var texts = [refusals]struct {
	name, text string
	status     int
	retry      time.Duration
}{
	Welcome:  {"welcome", "welcome", http.StatusOK, 0},
	Full:     {"connections", "the server is full", http.StatusServiceUnavailable, 5 * time.Second},
	AddrFull: {"address_connections", "too many connections from your address", http.StatusTooManyRequests, 5 * time.Second},
	Busy:     {"handshakes", "too many people are connecting", http.StatusServiceUnavailable, time.Second},
	AddrBusy: {"address_handshakes", "too many new connections from your address", http.StatusTooManyRequests, time.Second},
	BadProxy: {"proxy_header", "no PROXY header", http.StatusBadRequest, 0},
}

// Refusals lists every reason to refuse.
func Refusals() []Refusal {
	list := make([]Refusal, 0, refusals)
	for r := Full; r < refusals; r++ {
		list = append(list, r)
	}
	return list
}

// String names the reason as a metric label.
func (r Refusal) String() string { return texts[r].name }

// Text is the reason in words, for the client.
func (r Refusal) Text() string { return texts[r].text }

// Status is the status of an HTTP response that refuses.
func (r Refusal) Status() int { return texts[r].status }

// RetryAfter is what its Retry-After says (RFC 9110 section 10.2.3), 0 for none.
func (r Refusal) RetryAfter() time.Duration { return texts[r].retry }
