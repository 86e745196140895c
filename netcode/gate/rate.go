package gate

import (
	"hash/maphash"
	"time"
)

// rate is a token bucket: it is full again at that time, and empty when that is
// burstSeconds away.
type rate struct {
	key  key
	full time.Duration
}

// has reports whether there is a token, where perSecond of them come a second.
func (r *rate) has(now time.Duration, perSecond int) bool {
	return max(r.full, now)+time.Second/time.Duration(perSecond) <= now+burstSeconds*time.Second
}

func (r *rate) spend(now time.Duration, perSecond int) {
	r.full = max(r.full, now) + time.Second/time.Duration(perSecond)
}

// budget is what handshakes of one sort spend.
type budget struct {
	times int // as many as Config.Handshakes, and HandshakesPerAddr
	all   rate
	rates rates
}

func newBudget(times int) budget { return budget{times: times, rates: newRates()} }

// Size of the table of rates: as many addresses can be told apart at a time.
const (
	rateSets = 1024
	rateWays = 4
)

// rates has a bucket for each of the addresses that came last. The one of an
// address that is forgotten is full again, or the least empty of its set: who
// makes many handshakes stays.
type rates struct {
	seed maphash.Seed // so that nobody can choose whom to share a set with
	sets []([rateWays]rate)
}

func newRates() rates { return rates{maphash.MakeSeed(), make([][rateWays]rate, rateSets)} }

// of is the bucket of k. It is valid until the next call.
func (t *rates) of(k key) *rate {
	set := &t.sets[maphash.Bytes(t.seed, k[:])%rateSets]
	least := &set[0]
	for i := range set {
		if set[i].key == k {
			return &set[i]
		}
		if set[i].full < least.full {
			least = &set[i]
		}
	}
	*least = rate{key: k}
	return least
}
