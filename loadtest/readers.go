package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/loadtest/crowd"
	"github.com/roomd/roomd/netcode/client"
	"github.com/roomd/roomd/netcode/delta"
	"github.com/roomd/roomd/netcode/loop"
	"github.com/roomd/roomd/netcode/wire"
)

const (
	watchPath = "/v1/rooms/" + watchedRoom + "/spectate"
	// maxHead bounds the head of a response, and maxEvent one event, in bytes.
	maxHead  = 64 << 10
	maxEvent = 1 << 20
	// remembered is the number of ticks whose truth is kept.
	remembered = 4096
)

// crowdOfReaders is readers of event streams on one loop. Some ask for messages
// instead of JSON and decode them; one decodes JSON; each compares its state with
// the truth. The other readers of JSON compare the events since their keyframe,
// all of them and in order, with what the others got: who has the same has the
// same state.
type crowdOfReaders struct {
	loop  *loop.Loop
	ended chan error
	seed  maphash.Seed

	mu     sync.Mutex
	truth  map[game.Tick]truth
	schema *game.Schema

	// Of the loop:
	readers  []*streamReader
	ready    int
	measure  bool
	messages int64
	bytes    int64
	seen     map[string]uint64 // by id, hash of the JSON events from the keyframe to it
	ids      map[string]bool   // of events counted
	checked  int64
	wrong    int64
	why      error // of the first reader that was lost
}

func newCrowdOfReaders() *crowdOfReaders {
	c := &crowdOfReaders{
		ended: make(chan error, 1), seed: maphash.MakeSeed(), truth: map[game.Tick]truth{},
		seen: map[string]uint64{}, ids: map[string]bool{},
	}
	var err error
	if c.loop, err = loop.New(loop.Config{}); err != nil {
		panic(err) // an epoll instance cannot be had
	}
	go func() { c.ended <- c.loop.Run() }()
	return c
}

// truth is what two kinds of readers should hold at a tick.
type truth struct {
	hash uint32 // of the state
	text uint64 // hash of textOf its rows
}

// know notes the state at a tick. Any goroutine may call it.
func (c *crowdOfReaders) know(tick game.Tick, t truth) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.truth[tick] = t
	delete(c.truth, tick-remembered)
}

// compare counts a state at a tick whose truth is known.
func (c *crowdOfReaders) compare(tick game.Tick, right func(truth) bool) {
	c.mu.Lock()
	want, known := c.truth[tick]
	c.mu.Unlock()
	if !known {
		return
	}
	c.checked++
	if !right(want) {
		c.wrong++
	}
}

// connect starts n readers, of which some decode messages, and waits until each
// had a state.
func (c *crowdOfReaders) connect(ctx context.Context, addr string, n, decoding int) error {
	var err error
	on(c.loop, func() {
		c.ready = 0
		for i := 0; i < n && err == nil; i++ {
			r := &streamReader{crowd: c, decodes: i < decoding}
			if i == decoding && decoding > 0 {
				r.tables = map[string]map[string]map[string]float64{}
			}
			if err = r.start(addr); err == nil {
				c.readers = append(c.readers, r)
			}
		}
	})
	if err != nil {
		return err
	}
	deadline := time.Now().Add(connectTimeout)
	for {
		var ready int
		on(c.loop, func() { ready = c.ready })
		if err := c.failure(); err != nil {
			return err
		}
		switch {
		case ready == n:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("only %d of %d readers have a state", ready, n)
		}
		if err := wait(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// failure says whether readers were lost.
func (c *crowdOfReaders) failure() (err error) {
	on(c.loop, func() {
		lost := 0
		for _, r := range c.readers {
			if r.gone {
				lost++
			}
		}
		if lost > 0 {
			err = fmt.Errorf("%d of %d readers were lost, the first: %w", lost, len(c.readers), c.why)
		}
	})
	return err
}

// hangUp ends all readers.
func (c *crowdOfReaders) hangUp() {
	on(c.loop, func() {
		for _, r := range c.readers {
			r.quit = true
			r.conn.Close(nil)
		}
		c.readers = nil
		clear(c.seen)
	})
}

// count starts or ends counting and returns what was counted.
func (c *crowdOfReaders) count(start bool) (messages, bytes int64) {
	on(c.loop, func() {
		messages, bytes = c.messages, c.bytes
		c.measure, c.messages, c.bytes = start, 0, 0
		if start {
			clear(c.ids)
		}
	})
	return messages, bytes
}

// events is the number of different events told while counting.
func (c *crowdOfReaders) events() (n int) {
	on(c.loop, func() { n = len(c.ids) })
	return n
}

// alive is the number of readers whose stream goes on.
func (c *crowdOfReaders) alive() (n int) {
	on(c.loop, func() {
		for _, r := range c.readers {
			if !r.gone {
				n++
			}
		}
	})
	return n
}

func (c *crowdOfReaders) stop() {
	c.hangUp()
	c.loop.Stop()
	<-c.ended
}

// streamReader is one reader.
type streamReader struct {
	crowd   *crowdOfReaders
	conn    *loop.Conn
	decodes bool
	headed  bool
	chunked bool
	ready   bool
	gone    bool
	quit    bool

	state  *delta.State // of one who decodes messages
	tick   game.Tick
	chain  uint64                                   // hash of the JSON events since the keyframe
	tables map[string]map[string]map[string]float64 // of one who decodes JSON
}

func (r *streamReader) start(addr string) error {
	c, err := r.crowd.loop.Dial(addr, r)
	if err != nil {
		return err
	}
	r.conn = c
	c.SetMaxPending(maxEvent)
	query := ""
	if r.decodes {
		query = "?fmt=b64"
	}
	return c.Write(fmt.Appendf(nil, "GET %s%s HTTP/1.1\r\nHost: %s\r\n\r\n", watchPath, query, addr))
}

// Read implements loop.Handler.
func (r *streamReader) Read(c *loop.Conn, p []byte) int {
	used := 0
	if !r.headed {
		n := bytes.Index(p, []byte("\r\n\r\n"))
		if n < 0 {
			return 0
		}
		if !bytes.HasPrefix(p, []byte("HTTP/1.1 200 ")) {
			c.Close(errors.New("the server does not stream"))
			return len(p)
		}
		used, r.headed = n+4, true
		// net/http cuts its stream into chunks, between and within events: those
		// are counted only.
		r.chunked = bytes.Contains(p[:n], []byte("Transfer-Encoding: chunked"))
	}
	for {
		n := bytes.Index(p[used:], []byte("\n\n"))
		if n < 0 {
			return used
		}
		if err := r.event(p[used : used+n]); err != nil {
			c.Close(err)
			return len(p)
		}
		used += n + 2
	}
}

// Timer implements loop.Handler.
func (r *streamReader) Timer(*loop.Conn, time.Duration) {}

// Closed implements loop.Handler.
func (r *streamReader) Closed(_ *loop.Conn, err error) {
	if r.gone = !r.quit; r.gone && r.crowd.why == nil {
		if r.crowd.why = err; err == nil {
			r.crowd.why = errors.New("the server closed")
		}
	}
}

// event takes in one event of the stream.
func (r *streamReader) event(b []byte) error {
	c := r.crowd
	name, id, data := cutEvent(b)
	if name != "key" && name != "delta" {
		return nil
	}
	if !r.ready {
		r.ready = true
		c.ready++
	}
	if c.measure {
		c.messages++
		c.bytes += int64(len(b)) + 2
		c.ids[string(id)] = true
	}
	if r.chunked {
		return nil
	}
	if r.decodes {
		return r.decode(data)
	}
	if r.tables != nil {
		if err := r.decodeJSON(name, data); err != nil {
			return err
		}
	}
	var h maphash.Hash
	h.SetSeed(c.seed)
	if name != "key" {
		maphash.WriteComparable(&h, r.chain)
	}
	h.Write(data)
	r.chain = h.Sum64()
	c.checked++
	switch known, ok := c.seen[string(id)]; {
	case !ok:
		c.seen[string(id)] = r.chain
	case known != r.chain:
		c.wrong++
	}
	return nil
}

// cutEvent splits an event into its fields.
func cutEvent(b []byte) (name string, id, data []byte) {
	for len(b) > 0 {
		line, rest, _ := bytes.Cut(b, []byte("\n"))
		b = rest
		switch field, value, _ := bytes.Cut(line, []byte(": ")); string(field) {
		case "event":
			name = string(value)
		case "id":
			id = value
		case "data":
			data = value
		}
	}
	return name, id, data
}

// decode applies the messages of an event and compares the state.
func (r *streamReader) decode(data []byte) error {
	c := r.crowd
	msg, err := base64.StdEncoding.AppendDecode(nil, data)
	if err != nil {
		return err
	}
	if r.state == nil {
		r.state = delta.NewState(c.schema)
	}
	m := wire.ReadMessages(msg)
	for m.Next() {
		switch m.Kind() {
		case wire.KindKeyframe:
			k, n, err := wire.ReadKeyframe(m.Reader(), m.Len())
			if err != nil {
				return err
			}
			r.state.Clear()
			r.tick = k.Tick
			if err := r.state.Apply(m.Reader(), n); err != nil {
				return err
			}
		case wire.KindDelta:
			back, n, err := wire.ReadDelta(m.Reader(), m.Len())
			if err != nil {
				return err
			}
			r.tick += back
			if err := r.state.Apply(m.Reader(), n); err != nil {
				return err
			}
		}
	}
	c.compare(r.tick, func(t truth) bool { return t.hash == r.state.Hash() })
	return m.Err()
}

// decodeJSON applies an event and compares the state.
func (r *streamReader) decodeJSON(name string, data []byte) error {
	var e struct {
		Tick   game.Tick
		Tables map[string]map[string]map[string]float64
	}
	if err := json.Unmarshal(data, &e); err != nil {
		return err
	}
	if name == "key" {
		clear(r.tables)
	}
	for table, rows := range e.Tables {
		if r.tables[table] == nil {
			r.tables[table] = map[string]map[string]float64{}
		}
		for index, fields := range rows {
			row := r.tables[table][index]
			switch {
			case fields == nil:
				delete(r.tables[table], index)
			case row == nil:
				r.tables[table][index] = fields
			default:
				maps.Copy(row, fields)
			}
		}
	}
	c := r.crowd
	c.compare(e.Tick, func(t truth) bool {
		return t.text == maphash.String(c.seed, textOf(c.schema, func(table string, row int) map[string]float64 {
			return r.tables[table][strconv.Itoa(row)]
		}))
	})
	return nil
}

// textOf is the numbers of all rows of the workload as text, whoever holds them.
func textOf(s *game.Schema, row func(table string, row int) map[string]float64) string {
	var b strings.Builder
	for t := range s.Tables {
		for i := range crowd.MaxPlayers {
			if fields := row(s.Tables[t].Name, i); fields != nil {
				fmt.Fprint(&b, s.Tables[t].Name, i, fields, "\n") // maps are printed in the order of their keys
			}
		}
	}
	return b.String()
}

// truthOf is what readers should hold of the state that a player holds.
func (c *crowdOfReaders) truthOf(core *client.Core) truth {
	s := core.Schema()
	rows := map[string]map[int]map[string]float64{}
	for t := range s.Tables {
		name := s.Tables[t].Name
		rows[name] = map[int]map[string]float64{}
		for row := range core.Rows(name) {
			fields := map[string]float64{}
			for _, f := range s.Tables[t].Fields {
				fields[f.Name] = row.Value(f.Name)
			}
			rows[name][row.Index] = fields
		}
	}
	text := textOf(s, func(table string, row int) map[string]float64 { return rows[table][row] })
	return truth{core.Shared().Hash(), maphash.String(c.seed, text)}
}

// learn takes the schema from who knows the truth.
func (c *crowdOfReaders) learn(cl *client.Client) {
	cl.View(func(core *client.Core) { c.schema = core.Shared().Schema() })
}
