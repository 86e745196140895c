package sse

import (
	"errors"
	"net/http"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		query  string
		header map[string]string
		want   Request
		err    error
	}{
		{"", nil, Request{}, nil},
		{"fmt=b64&delay=2.5", nil, Request{Format: FormatBase64, Delay: 2500 * time.Millisecond}, nil},
		{"fmt=json", map[string]string{"Accept": "application/x-ndjson"}, Request{Format: FormatLines}, nil},
		{"last_event_id=7-9", nil, Request{HasCursor: true, Epoch: 7, Tick: 9}, nil},
		{"lastEventId=7-9", map[string]string{"Last-Event-ID": "8-10"}, Request{HasCursor: true, Epoch: 8, Tick: 10}, nil},
		{"cursor=7-4294967295", nil, Request{HasCursor: true, Epoch: 7, Tick: 4294967295}, nil},
		{"", map[string]string{"Accept-Encoding": "br, gzip;q=0.5"}, Request{Gzip: true}, nil},
		{"", map[string]string{"Accept-Encoding": "GZIP ; Q=0.001"}, Request{Gzip: true}, nil},
		{"", map[string]string{"Accept-Encoding": "gzip;q=0"}, Request{}, nil},
		{"", map[string]string{"Accept-Encoding": "gzip;q=0.0"}, Request{}, nil},
		{"", map[string]string{"Accept-Encoding": "gzip ;\tQ=0.00, br"}, Request{}, nil},
		{"", map[string]string{"Accept-Encoding": "gzip;q=none"}, Request{}, nil},
		{"fmt=xml", nil, Request{}, ErrFormat},
		{"delay=-1", nil, Request{}, ErrDelay},
		{"delay=601", nil, Request{}, ErrDelay},
		{"delay=NaN", nil, Request{}, ErrDelay},
		{"cursor=7", nil, Request{}, ErrCursor},
		{"cursor=7-4294967296", nil, Request{}, ErrCursor},
		{"cursor=-7-1", nil, Request{}, ErrCursor},
	} {
		got, err := Parse(c.query, func(name string) string { return c.header[name] })
		if !errors.Is(err, c.err) || err == nil && (got.Format != c.want.Format || got.Gzip != c.want.Gzip || got.Delay != c.want.Delay ||
			got.HasCursor != c.want.HasCursor || got.Epoch != c.want.Epoch || got.Tick != c.want.Tick) {
			t.Errorf("%q %v: %+v, %v; want %+v, %v", c.query, c.header, got, err, c.want, c.err)
		}
	}
}

func TestParseWait(t *testing.T) {
	for query, want := range map[string]time.Duration{"": MaxWait, "wait=0": 0, "wait=1.5": 1500 * time.Millisecond, "wait=25": MaxWait} {
		if got, err := ParseWait(query); got != want || err != nil {
			t.Errorf("%q: %v, %v", query, got, err)
		}
	}
	for _, query := range []string{"wait=26", "wait=-1", "wait=NaN", "wait=x", "%"} {
		if _, err := ParseWait(query); err == nil {
			t.Errorf("%q is accepted", query)
		}
	}
}

// FuzzParse: whatever a client asks for is refused or within bounds.
func FuzzParse(f *testing.F) {
	f.Add("delay=1&fmt=b64&cursor=1-2&wait=3", "gzip", "text/event-stream", "1-2")
	f.Fuzz(func(t *testing.T, query, encoding, accept, last string) {
		h := http.Header{"Accept-Encoding": {encoding}, "Accept": {accept}, "Last-Event-Id": {last}}
		q, err := Parse(query, h.Get)
		if err == nil && (q.Delay < 0 || q.Delay > MaxDelay || q.Format >= NumFormats) {
			t.Fatalf("%+v", q)
		}
		if wait, err := ParseWait(query); err == nil && (wait < 0 || wait > MaxWait) {
			t.Fatalf("wait %v", wait)
		}
	})
}
