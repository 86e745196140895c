package ws

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/gobwas/ws"
)

// Reject is why a request did not become a connection.
type Reject uint8

// Reasons to refuse, each counted in Stats.Rejected.
const (
	RejectOpen        Reject = iota // Config.Open refused
	RejectMalformed                 // no valid handshake: 400, 505
	RejectMethod                    // not GET: 405
	RejectVersion                   // not version 13: 426
	RejectOrigin                    // foreign Origin: 403
	RejectHeadSize                  // head above Config.HeadLimit: 431
	RejectHeadTimeout               // head not complete in time: 408
	RejectNotFound                  // no upgrade, and no Config.HTTP: 404
	RejectGate                      // Config.Gate refused: 429, 503
	rejects
)

// String names the reason as a metric label.
func (r Reject) String() string {
	names := [rejects]string{"open", "malformed", "method", "version", "origin", "head_size", "head_timeout", "not_found", "limit"}
	if r < rejects {
		return names[r]
	}
	return "unknown"
}

// Rejects lists every reason, for those who export Stats.
func Rejects() []Reject {
	all := make([]Reject, rejects)
	for i := range all {
		all[i] = Reject(i)
	}
	return all
}

// RejectError refuses an upgrade with an HTTP status and a text for the client.
// Open may return one.
type RejectError struct {
	Status     int           // 4xx or 5xx
	Text       string        // body of the response, shown to the client
	RetryAfter time.Duration // told the client, in whole seconds; 0 is nothing
	why        Reject        // what it is counted as; zero is RejectOpen
}

// Error implements error.
func (e *RejectError) Error() string {
	return fmt.Sprintf("ws: upgrade refused: %s (%d)", e.Text, e.Status)
}

// reject makes a refusal that is counted as why.
func reject(why Reject, status int, text string) *RejectError {
	return &RejectError{Status: status, Text: text, why: why}
}

// rejection turns an error of the Upgrader or of Open into a refusal.
func rejection(err error) *RejectError {
	var own *RejectError
	if errors.As(err, &own) {
		return own
	}
	var theirs *ws.ConnectionRejectedError
	if !errors.As(err, &theirs) {
		if errors.Is(err, errHeadEnded) {
			return reject(RejectMalformed, http.StatusBadRequest, "malformed request")
		}
		return reject(RejectOpen, http.StatusInternalServerError, "internal error")
	}
	why := RejectMalformed
	switch theirs.StatusCode() {
	case http.StatusUpgradeRequired:
		why = RejectVersion
	case http.StatusMethodNotAllowed:
		why = RejectMethod
	}
	return reject(why, theirs.StatusCode(), theirs.Error())
}

// appendRejection appends the whole HTTP response of a refusal. The connection
// ends after it.
func appendRejection(dst []byte, e *RejectError) []byte {
	status := e.Status
	if status < 400 || status > 599 {
		status = http.StatusInternalServerError
	}
	dst = fmt.Appendf(dst, "HTTP/1.1 %d %s\r\n", status, http.StatusText(status))
	switch status {
	case http.StatusUpgradeRequired:
		// RFC 6455 4.4 and RFC 9110 15.5.22.
		dst = append(dst, "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"...)
	case http.StatusMethodNotAllowed:
		dst = append(dst, "Allow: GET\r\n"...)
	}
	if e.RetryAfter > 0 {
		seconds := int64((e.RetryAfter + time.Second - 1) / time.Second)
		dst = append(strconv.AppendInt(append(dst, "Retry-After: "...), seconds, 10), "\r\n"...)
	}
	dst = append(dst, "Connection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(e.Text))+1, 10)
	dst = append(dst, "\r\n\r\n"...)
	return append(append(dst, e.Text...), '\n')
}
