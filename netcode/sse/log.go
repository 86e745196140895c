package sse

import (
	"encoding/json"
	"log/slog"
	"strconv"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/delta"
	"github.com/roomd/roomd/netcode/wire"
)

// Config says what a Log shows. Schema and Room are required.
type Config struct {
	Room   string
	Schema *game.Schema
	// SchemaHash is that of the room's welcome.
	SchemaHash uint64
	// Epoch names the history of the room, in cursors.
	Epoch uint64
	// View is the teams whose sight the public has.
	View game.Teams
	// Rate is the entries a second, at most the tick rate; 0 is DefaultRate.
	Rate int
	// Group is the time between keyframes; 0 is DefaultGroup.
	Group time.Duration
	// Keep is how much is kept beyond the delays in use; 0 is DefaultKeep.
	Keep time.Duration
	// Past bounds the bytes of each format from which on nothing is kept for delays
	// that readers chose, but only what Keep and MinDelay ask for; 0 is DefaultPast.
	Past int
	// MinDelay is the least delay of any reader.
	MinDelay time.Duration
	// Wake has the loop call Advance soon; nil does nothing.
	Wake func()
	// Log gets what goes wrong; nil discards it.
	Log *slog.Logger
}

// Log is the public's stream of one room. All its methods belong to the
// goroutine of the room's loop.
type Log struct {
	cfg   Config
	ring  *delta.Ring
	every game.Tick
	enc   *delta.Encoder
	view  delta.View

	tables, events []rowJSON
	feeds          [NumFormats]*feed
	readers        int
	hello          []byte // JSON, but for what each reader's request decides
	stats          Stats
	over           bool // nothing more happens

	base      game.Tick     // of the newest entry; 0: none
	made      time.Duration // when that was made
	passed    time.Duration // when a tick was last seen of which none was made
	now, old  *delta.State
	lanes     []int32 // of an event
	body      []byte
	head      []byte        // of a reader that begins
	first     []byte        // what it is sent first
	heartbeat time.Duration // when the feeds were last added to
}

// Stats are a log's counters, or sums of them.
type Stats struct {
	Encodes [NumFormats]uint64 // entries made
	Raw     uint64             // bytes offered and taken, before compression
	Wire    uint64             // and after
	Skips   uint64             // jumps of readers that were too slow
	Resets  [numReasons]uint64
	Polls   uint64 // answered
	Stalled uint64 // readers closed since they took nothing
}

// Add adds the counters of o.
func (s *Stats) Add(o *Stats) {
	for i := range s.Encodes {
		s.Encodes[i] += o.Encodes[i]
	}
	for i := range s.Resets {
		s.Resets[i] += o.Resets[i]
	}
	s.Raw += o.Raw
	s.Wire += o.Wire
	s.Skips += o.Skips
	s.Polls += o.Polls
	s.Stalled += o.Stalled
}

// NewLog returns the log of a room that nobody reads yet. It reads the room's
// ring on the goroutine that both belong to.
func NewLog(cfg Config, ring *delta.Ring) *Log {
	or(&cfg.Rate, DefaultRate)
	or(&cfg.Group, DefaultGroup)
	or(&cfg.Keep, DefaultKeep)
	or(&cfg.Past, DefaultPast)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Wake == nil {
		cfg.Wake = func() {}
	}
	l := &Log{
		cfg: cfg, ring: ring, every: game.Tick(max(1, cfg.Schema.TickRate/cfg.Rate)), enc: delta.NewEncoder(cfg.Schema),
		view: delta.View{Teams: cfg.View}, now: delta.NewState(cfg.Schema), old: delta.NewState(cfg.Schema),
	}
	for i := range cfg.Schema.Tables {
		l.tables = append(l.tables, newRowJSON(&cfg.Schema.Tables[i]))
	}
	for i := range cfg.Schema.Events {
		l.events = append(l.events, newRowJSON(&cfg.Schema.Events[i]))
	}
	l.hello = l.helloJSON()
	return l
}

func or[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// helloJSON is the first members of a hello.
func (l *Log) helloJSON() []byte {
	b := append([]byte(`"room":`), quote(l.cfg.Room)...)
	b = append(append(b, `,"kind":`...), quote(l.cfg.Schema.Kind)...)
	b = strconv.AppendUint(append(b, `,"epoch":`...), l.cfg.Epoch, 10)
	b = strconv.AppendInt(append(b, `,"tickRate":`...), int64(l.cfg.Schema.TickRate), 10)
	b = strconv.AppendInt(append(b, `,"rate":`...), int64(l.cfg.Schema.TickRate)/int64(l.every), 10)
	schema, err := json.Marshal(schemaOf(l.cfg.Schema))
	if err != nil {
		panic(err) // of maps and texts: cannot be
	}
	return append(append(b, `,"schema":`...), schema...)
}

// schemaOf is the schema as JSON has it: names and types for people, and the
// leaves as in PROTOCOL.md section 5.
func schemaOf(s *game.Schema) any {
	rows := func(list []game.RowSchema) (out []any) {
		for i := range list {
			fields := []any{}
			for _, f := range list[i].Fields {
				leaves := []any{}
				for _, l := range f.Leaves {
					high := l.Max
					if l.Type == game.LeafString {
						high = int64(l.MaxLen)
					}
					leaves = append(leaves, []any{l.Name, l.Type, l.Bits, l.Scale, l.Min, high, l.Table})
				}
				fields = append(fields, map[string]any{"name": f.Name, "leaves": leaves})
			}
			out = append(out, map[string]any{"name": list[i].Name, "single": list[i].Single, "fields": fields})
		}
		return out
	}
	return map[string]any{"kind": s.Kind, "tickRate": s.TickRate, "tables": rows(s.Tables), "events": rows(s.Events)}
}

// Readers is the number of readers and of polls that wait.
func (l *Log) Readers() int { return l.readers }

// Watching reports whether the log wants to be given entries: somebody reads it,
// or did a moment ago.
func (l *Log) Watching() bool {
	for _, f := range l.feeds {
		if f != nil {
			return true
		}
	}
	return false
}

// Stats are the log's counters.
func (l *Log) Stats() Stats { return l.stats }

// Count adds the readers to n, by format and delay.
func (l *Log) Count(n map[ReaderKind]int) {
	for _, f := range l.feeds {
		if f == nil {
			continue
		}
		for _, t := range f.tiers {
			if k := len(t.readers); k > 0 {
				n[ReaderKind{f.format, t.delay, false}] += k
			}
			if k := len(t.polls); k > 0 {
				n[ReaderKind{f.format, t.delay, true}] += k
			}
		}
	}
}

// ReaderKind is what readers are counted by.
type ReaderKind struct {
	Format Format
	Delay  time.Duration
	Poll   bool
}

// Observe is called after each tick of the room. If somebody reads it makes an
// entry where one is due; Advance makes up for the last ticks before a sleep.
func (l *Log) Observe(now time.Duration) {
	e := l.ring.Newest()
	if e == nil || l.over || !l.Watching() {
		return
	}
	if l.base == 0 || e.Tick/l.every != l.base/l.every {
		l.entry(now)
	} else if l.passed = now; now-l.made < l.period() {
		return // the next entry is not far, or Advance will see to it
	}
	l.cfg.Wake()
}

// begin gives a new feed its first entry, so that its reader need not wait: the
// room may be asleep.
func (l *Log) begin(f *feed, now time.Duration) {
	cur := l.ring.Newest()
	switch {
	case cur == nil:
	case cur.Tick != l.base:
		l.entry(now)
	default:
		l.append(f, &happening{tick: cur.Tick, at: now, id: l.cursor(cur.Tick)}, true)
	}
}

// entry makes the newest entry of the ring one of each feed.
func (l *Log) entry(now time.Duration) {
	cur := l.ring.Newest()
	var base *game.Entry
	heard := cur.Tick - 1
	if l.base != 0 {
		base, heard = l.ring.At(l.base), l.base
	}
	h := happening{tick: cur.Tick, at: now, id: l.cursor(cur.Tick)}
	l.follow(base, cur, &h)
	l.base, l.made = cur.Tick, now
	h.told = l.enc.AppendEvents(nil, l.ring, heard, cur.Tick, l.view, 0)
	l.tell(&h)
	for _, f := range l.feeds {
		if f != nil {
			l.append(f, &h, base == nil || len(f.entries) == 0 || now-f.keyAt >= l.cfg.Group)
		}
	}
}

func (l *Log) append(f *feed, h *happening, key bool) {
	l.form(f.format, h, key)
	f.add(entry{tick: h.tick, at: h.at, key: key}, f.format.append(nil, h, key))
	l.heartbeat = h.at
	l.stats.Encodes[f.format]++
	l.trim(f, h.at)
}

// follow brings now from base to cur and keeps what it was in old.
func (l *Log) follow(base, cur *game.Entry, h *happening) {
	n, mark := 0, 0
	if base == nil {
		l.now.Clear()
		l.body, n = l.enc.AppendBody(l.body[:0], nil, l.view, cur, l.view)
	} else {
		l.now.Copy(l.old)
		l.body, n = l.enc.AppendBody(l.body[:0], base, l.view, cur, l.view)
		h.msg, mark = wire.BeginDelta(nil, cur.Tick-base.Tick)
		h.msg = wire.EndDelta(append(h.msg, l.body...), mark, n)
	}
	r := wire.NewReader(l.body)
	if err := l.now.Apply(&r, n); err != nil {
		panic(err) // what the encoder wrote for this very state
	}
}

// form makes what a format needs of a happening, once for all formats.
func (l *Log) form(f Format, h *happening, key bool) {
	cur := l.ring.Newest()
	switch {
	case f == FormatBase64 && key && h.msgKey == nil:
		b, mark := wire.BeginKeyframe(nil, wire.Keyframe{Tick: cur.Tick, Last: true})
		b, n := l.enc.AppendBody(b, nil, l.view, cur, l.view)
		h.msgKey = wire.EndKeyframe(b, mark, n)
	case f != FormatBase64 && key && h.key == nil:
		h.key = l.stateJSON(h.tick, nil)
	case f != FormatBase64 && !key && h.delta == nil:
		h.delta = l.stateJSON(h.tick, l.old)
	}
}

func (l *Log) stateJSON(tick game.Tick, old *delta.State) []byte {
	b := strconv.AppendUint([]byte(`{"tick":`), uint64(tick), 10)
	b = appendTables(append(b, `,"tables":`...), l.tables, old, l.now)
	return append(b, '}')
}

// tell makes JSON of the event messages.
func (l *Log) tell(h *happening) {
	if l.feeds[FormatJSON] == nil && l.feeds[FormatLines] == nil {
		return
	}
	m := wire.ReadMessages(h.told)
	for m.Next() {
		ev, n, err := wire.ReadEvent(m.Reader(), m.Len())
		if err != nil {
			panic(err) // what the encoder wrote
		}
		row := &l.cfg.Schema.Events[ev.Type]
		if cap(l.lanes) < row.Lanes {
			l.lanes = make([]int32, row.Lanes)
		}
		lanes := l.lanes[:row.Lanes]
		clear(lanes)
		if err := delta.DecodeEvent(row, m.Reader(), n, lanes); err != nil {
			panic(err)
		}
		b := strconv.AppendUint([]byte(`{"tick":`), uint64(h.tick-ev.Back), 10)
		b = append(append(append(b, `,"name":`...), l.events[ev.Type].name...), `,"data":{`...)
		b, _ = l.events[ev.Type].appendRow(b, nil, lanes)
		h.events = append(h.events, append(b, "}}"...))
	}
}

func (l *Log) trim(f *feed, now time.Duration) {
	most := time.Duration(0)
	for _, t := range f.tiers {
		most = max(most, t.delay)
	}
	f.trim(now - l.cfg.Keep - most)
	if least := now - l.cfg.Keep - l.cfg.MinDelay; f.size > l.cfg.Past && len(f.entries) > 0 && f.entries[0].at < least {
		l.shorten(f, now, least)
	}
}

// shorten gives up the past of a feed that is too large, up to a time that is always
// kept. Readers whose delay reaches beyond it would be shown something too soon: they are
// sent off, and get a shorter delay when they come again.
func (l *Log) shorten(f *feed, now, least time.Duration) {
	for _, t := range f.tiers {
		t.reach(f, now)
	}
	first := f.first
	f.cut(least, l.cfg.Past)
	if f.first == first {
		return
	}
	f.most = max((now-f.entries[0].at)/2/delayStep*delayStep, delayStep)
	for _, t := range f.tiers {
		for t.head < f.first && len(t.readers) > 0 {
			t.readers[len(t.readers)-1].finish(nil)
		}
	}
}

// cursor is a tick's place in the room's history (PROTOCOL.md section 4.4).
func (l *Log) cursor(tick game.Tick) string {
	b := strconv.AppendUint(nil, l.cfg.Epoch, 10)
	return string(strconv.AppendUint(append(b, '-'), uint64(tick), 10))
}

// End tells the readers that the room is over, each after its delay, or at once
// that they are to come back when again is not 0. Nothing happens afterwards.
func (l *Log) End(now time.Duration, reason string, again time.Duration) {
	if l.over {
		return
	}
	l.over = true
	for _, f := range l.feeds {
		if f == nil {
			continue
		}
		if again > 0 {
			l.dismiss(f, again)
			continue
		}
		data := append(append([]byte(`{"reason":`), quote(reason)...), '}')
		f.add(entry{tick: l.base, at: now, beat: true, last: true}, f.format.appendEvent(nil, "end", "", data))
	}
	l.cfg.Wake()
}
