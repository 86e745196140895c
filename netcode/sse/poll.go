package sse

import (
	"math/rand/v2"
	"time"

	"github.com/roomd/roomd/game"
)

// Poll is one long poll: an idempotent read from a cursor. The log keeps nothing
// of it but the answer's place.
type Poll struct {
	log    *Log
	feed   *feed
	tier   *tier
	q      Request
	answer func(Answer)
	next   uint64
	reset  string
	due    time.Duration // when what came is told; 0: nothing came
	until  time.Duration // when it is told that nothing came
	gone   bool
	slot   int // in tier.polls
}

// Answer is what a poll is told.
type Answer struct {
	// Body is JSON, nil when nothing came in the time.
	Body []byte
	// Over says that the room is over and nothing more will come.
	Over bool
	// Past says that Body is what followed the cursor, and that there was more
	// already: the same question will have the same answer for as long as it is kept.
	Past bool
}

// Poll answers, on the log's goroutine, with what came after the cursor: at once
// if there is something, else when something comes or wait is over. Without a
// cursor the answer begins with the newest keyframe that is due.
func (l *Log) Poll(now time.Duration, q Request, wait time.Duration, answer func(Answer)) *Poll {
	q.Format = FormatLines
	p := &Poll{log: l, q: q, answer: answer, until: now + jittered(wait)}
	if l.readers >= MaxReaders || l.over && l.feeds[FormatLines] == nil {
		p.gone = true
		answer(Answer{Over: l.over})
		return p
	}
	p.feed, p.tier = l.place(now, q)
	next, why, reset := l.start(p.feed, p.tier, q)
	p.next = next
	if reset {
		l.stats.Resets[why]++
		p.reset = reasons[why]
	}
	l.readers++
	p.slot = len(p.tier.polls)
	p.tier.polls = append(p.tier.polls, p)
	if p.tier.head > p.next {
		p.due = now
	}
	l.settle(p, now)
	l.cfg.Wake()
	return p
}

// jittered is at most MaxWait and up to a tenth shorter than wait, so that
// clients who came together do not come back together.
func jittered(wait time.Duration) time.Duration {
	wait = min(max(wait, 0), MaxWait)
	return wait - rand.N(wait/10+1)
}

// Leave takes the poll out; its connection is gone.
func (p *Poll) Leave() {
	if p.gone || p.tier == nil {
		return
	}
	p.gone = true
	list := p.tier.polls
	last := len(list) - 1
	list[p.slot] = list[last]
	list[p.slot].slot = p.slot
	list[last] = nil
	p.tier.polls = list[:last]
	p.log.readers--
}

// settle answers the poll if it is time, and reports whether it did.
func (l *Log) settle(p *Poll, now time.Duration) bool {
	switch {
	case p.gone:
		return true
	case p.due == 0 && p.news():
		if p.due = now + coalesce; l.over {
			p.due = now
		}
	}
	if p.due != 0 && now >= p.due {
		p.Leave()
		l.stats.Polls++
		p.answer(p.read())
		return true
	}
	if p.due == 0 && now >= p.until {
		p.Leave()
		l.stats.Polls++
		p.answer(Answer{Over: l.over})
		return true
	}
	return false
}

// news reports whether something that is due came after the cursor.
func (p *Poll) news() bool {
	for n := max(p.next, p.feed.first); n < p.tier.head; n++ {
		if e := p.feed.at(n); !e.beat || e.last {
			return true
		}
	}
	return false
}

// read is the answer: {"cursor", "reset", "upToDate", "events": [...]}.
func (p *Poll) read() Answer {
	f, l := p.feed, p.log
	if p.next < f.first {
		p.next, p.reset = f.group(p.tier.head), reasons[resetExpired]
	}
	var a Answer
	var events []byte
	var at game.Tick
	n := p.next
	for ; n < p.tier.head && len(events) < pollBytes; n++ {
		e := f.at(n)
		if e.beat && !e.last {
			continue
		}
		if len(events) > 0 {
			events = append(events, ',')
		}
		events = appendLines(events, e.plain.b)
		at, a.Over = e.tick, e.last
		l.stats.Raw += uint64(len(e.plain.b))
		l.stats.Wire += uint64(len(e.plain.b))
	}
	more := n < p.tier.head
	a.Past = more && p.q.HasCursor && p.reset == ""
	b := append(append([]byte(`{"cursor":"`), l.cursor(at)...), '"')
	if p.reset != "" {
		b = append(append(append(b, `,"reset":"`...), p.reset...), '"')
	}
	b = append(b, `,"upToDate":`...)
	if more {
		b = append(b, "false"...)
	} else {
		b = append(b, "true"...)
	}
	b = append(append(b, `,"events":[`...), events...)
	a.Body = append(b, "]}\n"...)
	return a
}

// appendLines appends lines as elements of an array.
func appendLines(dst, lines []byte) []byte {
	for i, c := range lines {
		if c == '\n' {
			if i < len(lines)-1 {
				dst = append(dst, ',')
			}
			continue
		}
		dst = append(dst, c)
	}
	return dst
}
