package sse

import "time"

const never = time.Duration(1<<63 - 1)

// Advance offers what is due at now, and returns when it wants to be called next.
// The loop's task calls it.
func (l *Log) Advance(now time.Duration) (next time.Duration) {
	next = l.catchUp(now)
	silent := now-l.heartbeat >= heartbeat
	for i, f := range l.feeds {
		if f == nil {
			continue
		}
		if silent && !l.over && len(f.entries) > 0 {
			l.beat(f, now)
		}
		next = min(next, l.serve(f, now))
		if l.forgotten(f, now) {
			l.feeds[i] = nil
		}
	}
	if l.Watching() {
		if now-l.heartbeat >= heartbeat {
			l.heartbeat = now
		}
		next = min(next, l.heartbeat+heartbeat)
	} else {
		l.base = 0 // the next reader begins with a keyframe
	}
	return next
}

// catchUp makes an entry of ticks that none was made of, since the room fell asleep
// behind them, and returns when to look for such ticks.
func (l *Log) catchUp(now time.Duration) (next time.Duration) {
	if l.over || l.base == 0 || !l.Watching() {
		return never
	}
	if due := max(l.made+2*l.period(), l.passed+l.period()); now < due {
		return due
	}
	if e := l.ring.Newest(); e != nil && e.Tick > l.base {
		l.entry(now)
	}
	return never
}

// period is the time between two entries.
func (l *Log) period() time.Duration {
	return time.Duration(l.every) * time.Second / time.Duration(l.cfg.Schema.TickRate)
}

// beat tells the readers of a feed that they are up to date. In a long silence it
// begins a group now and then, so that the heartbeats before it can be forgotten.
func (l *Log) beat(f *feed, now time.Duration) {
	last := &f.entries[len(f.entries)-1]
	if e := l.ring.Newest(); now-f.keyAt >= maxAge && e != nil && e.Tick == l.base {
		l.append(f, &happening{tick: e.Tick, at: now, id: l.cursor(e.Tick)}, true)
		return
	}
	f.add(entry{tick: last.tick, at: now, beat: true}, f.format.appendHeartbeat(nil, l.cursor(last.tick)))
}

// serve moves the tiers of a feed and offers their readers what is due.
func (l *Log) serve(f *feed, now time.Duration) (next time.Duration) {
	next = never
	for _, t := range f.tiers {
		t.reach(f, now)
		for i := 0; i < len(t.readers); {
			r := t.readers[i]
			if len(r.head) > 0 || r.next < t.head {
				r.pump(now)
			}
			if i < len(t.readers) && t.readers[i] == r {
				i++
			}
			if r.behind != 0 && !r.gone {
				next = min(next, now+pumpEvery)
			}
		}
		for i := 0; i < len(t.polls); {
			p := t.polls[i]
			if l.settle(p, now) {
				continue
			}
			next = min(next, p.wake())
			i++
		}
		if t.head < f.end() {
			next = min(next, f.at(t.head).at+t.delay)
		}
	}
	return next
}

func (p *Poll) wake() time.Duration {
	if p.due != 0 {
		return p.due
	}
	return p.until
}

// forgotten reports whether nobody has read the feed for a while; then it is made
// no more. Tiers without readers end sooner, for they keep the past.
func (l *Log) forgotten(f *feed, now time.Duration) bool {
	used := 0
	for i := 0; i < len(f.tiers); {
		t := f.tiers[i]
		if n := len(t.readers) + len(t.polls); n > 0 {
			used += n
			i++
			continue
		}
		f.tiers = append(f.tiers[:i], f.tiers[i+1:]...)
	}
	switch {
	case used > 0:
		f.idle = 0
		return false
	case f.idle == 0:
		f.idle = max(now, 1)
	}
	return now-f.idle >= linger
}

// dismiss ends the responses of a feed at once: the server goes away.
func (l *Log) dismiss(f *feed, again time.Duration) {
	data := []byte(`{"type":"drain"}`)
	for _, t := range f.tiers {
		for len(t.readers) > 0 {
			r := t.readers[len(t.readers)-1]
			var last []byte
			if !r.packed { // of what is compressed, only the log's own encoder knows the end
				last = f.format.appendEvent(f.format.appendRetry(r.head), "notice", "", data)
			}
			r.finish(last)
		}
		for len(t.polls) > 0 {
			p := t.polls[len(t.polls)-1]
			p.Leave()
			p.answer(Answer{})
		}
	}
	l.feeds[f.format] = nil
}
