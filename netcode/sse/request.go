package sse

import (
	"errors"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/roomd/roomd/game"
)

// Errors of Parse, for people.
var (
	ErrCursor = errors.New("a cursor is <epoch>-<tick>, two whole numbers")
	ErrDelay  = errors.New("delay is a number of seconds, 0 to 600")
	ErrFormat = errors.New("fmt is json or b64")
	ErrWait   = errors.New("wait is a number of seconds, 0 to 25")
)

// Parse reads what a client asks for from the query of its request and its header
// fields, which header gives by name. The result lacks Head.
func Parse(query string, header func(name string) string) (Request, error) {
	var q Request
	v, err := url.ParseQuery(query)
	if err != nil {
		return q, err
	}
	switch {
	case strings.Contains(header("Accept"), FormatLines.contentType()):
		q.Format = FormatLines
	case v.Get("fmt") == "b64":
		q.Format = FormatBase64
	case v.Get("fmt") != "" && v.Get("fmt") != "json":
		return q, ErrFormat
	}
	q.Gzip = acceptsGzip(header("Accept-Encoding"))
	if s := v.Get("delay"); s != "" {
		d, err := strconv.ParseFloat(s, 64)
		if err != nil || !(d >= 0 && d <= MaxDelay.Seconds()) {
			return q, ErrDelay
		}
		q.Delay = time.Duration(d * float64(time.Second))
	}
	// The header is what browsers send when they connect again by themselves; a
	// page that was loaded anew can only use the query.
	cursor := header("Last-Event-ID")
	for _, name := range [...]string{"last_event_id", "lastEventId", "cursor"} {
		if cursor == "" {
			cursor = v.Get(name)
		}
	}
	if cursor != "" {
		if q.Epoch, q.Tick, err = parseCursor(cursor); err != nil {
			return q, err
		}
		q.HasCursor = true
	}
	return q, nil
}

func parseCursor(s string) (epoch uint64, tick game.Tick, err error) {
	a, b, ok := strings.Cut(s, "-")
	epoch, errA := strconv.ParseUint(a, 10, 64)
	t, errB := strconv.ParseUint(b, 10, 32)
	if !ok || errA != nil || errB != nil {
		return 0, 0, ErrCursor
	}
	return epoch, game.Tick(t), nil
}

// ParseWait reads how long a poll may wait, MaxWait if it does not say.
func ParseWait(query string) (time.Duration, error) {
	v, err := url.ParseQuery(query)
	if err != nil {
		return 0, err
	}
	s := v.Get("wait")
	if s == "" {
		return MaxWait, nil
	}
	d, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(d) || d < 0 || d > MaxWait.Seconds() {
		return 0, ErrWait
	}
	return time.Duration(d * float64(time.Second)), nil
}

// acceptsGzip reads Accept-Encoding (RFC 9110 section 12.5.3) as far as it
// concerns gzip.
func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
			continue
		}
		key, weight, _ := strings.Cut(params, "=")
		if !strings.EqualFold(strings.TrimSpace(key), "q") {
			return true
		}
		q, err := strconv.ParseFloat(strings.TrimSpace(weight), 64)
		return err == nil && q > 0
	}
	return false
}

// Header is the header fields of a stream: its type, and what keeps caches and
// proxies from holding it back.
func (q *Request) Header(gzip bool) [][2]string {
	h := [][2]string{
		{"Content-Type", q.Format.contentType()},
		{"Cache-Control", "no-cache, no-transform"},
		{"X-Accel-Buffering", "no"},
		{"Vary", "Accept, Accept-Encoding, Origin"},
	}
	if gzip {
		h = append(h, [2]string{"Content-Encoding", "gzip"})
	}
	return h
}
