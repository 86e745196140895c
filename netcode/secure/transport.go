package secure

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/roomd/roomd/netcode/loop"
)

// transport is the way to an ACME authority. It logs the reasons that come back, since
// the manager tells neither why the authority did not reach a host nor why a renewal
// failed.
type transport struct {
	log *slog.Logger

	mu   sync.Mutex
	said string // the last reason logged, and when
	at   time.Duration
}

// problem is why an authority does not do something (RFC 7807).
type problem struct{ Type, Detail string }

// answer is what an authority may say: a problem, or an object that has one (RFC
// 8555 section 7.1).
type answer struct {
	problem
	Error      problem
	Challenges []struct{ Error problem }
}

// badNonce is a problem of course: the client asks again (RFC 8555 section 6.5).
const badNonce = "urn:ietf:params:acme:error:badNonce"

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.say("no answer", err.Error())
		return nil, err
	}
	var a answer
	if strings.Contains(res.Header.Get("Content-Type"), "json") {
		b, _ := io.ReadAll(io.LimitReader(res.Body, maxAnswer)) // who reads on gets the error
		_ = json.Unmarshal(b, &a)                               // what is not JSON has no reasons
		res.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(b), res.Body), res.Body}
	}
	if res.StatusCode >= http.StatusBadRequest && a.Type != badNonce {
		t.say(res.Status, cmp.Or(a.Detail, a.Type))
	}
	if a.Error.Type != "" {
		t.say(a.Error.Type, a.Error.Detail)
	}
	for _, c := range a.Challenges {
		if c.Error.Type != "" {
			t.say(c.Error.Type, c.Error.Detail)
		}
	}
	return res, nil
}

// say logs a reason, unless it is the one said a moment ago: of an authority that
// is out of order the client asks again every ten seconds.
func (t *transport) say(what, why string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, said := loop.Now(), what+why
	if said == t.said && now < t.at+acmeRetry {
		return
	}
	t.said, t.at = said, now
	t.log.Warn("trouble with the ACME authority", "problem", what, "detail", why)
}
