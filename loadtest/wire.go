package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/delta"
	"github.com/roomd/roomd/netcode/wire"
)

// quakeRecording is the recording where nobody names one. It need not be there.
const quakeRecording = "../shared/traces/demo2-mvd.state.gz"

// wireCmd measures the wire format on two fixed worlds.
type wireCmd struct {
	QuakeWorld string `name:"quakeworld" default:"../shared/traces/demo2-mvd.state.gz" help:"Recording of a game of QuakeWorld."`
	Rounds     int    `default:"9" help:"Rounds of timing; the median counts."`
	JSON       bool   `name:"json" help:"Print one JSON object."`
}

func (c *wireCmd) Run() error {
	if c.Rounds < 1 {
		return errors.New("rounds must be positive")
	}
	var report wireReport
	options := game.Options{TickRate: syntheticRate, Spectate: game.Everyone}
	world := game.Define("synthetic", options, newSynthetic)
	var err error
	if report.Synthetic, err = measureWire(world, syntheticRate*syntheticSeconds, c.Rounds); err != nil {
		return err
	}
	switch frames, err := readQuake(c.QuakeWorld); {
	case errors.Is(err, fs.ErrNotExist) && c.QuakeWorld == quakeRecording:
		fmt.Fprintf(os.Stderr, "loadtest: no recording at %s: the QuakeWorld part does not run\n", c.QuakeWorld)
	case err != nil:
		return err
	default:
		world := game.Define("quakeworld", options, newQuake(frames))
		if report.QuakeWorld, err = measureWire(world, len(frames), c.Rounds); err != nil {
			return err
		}
	}
	if c.JSON {
		return report.writeJSON(os.Stdout)
	}
	return report.writeTable(os.Stdout)
}

// wireFrame is the step to one entry from the one before: the delta message as it
// is sent, and its body.
type wireFrame struct {
	msg       []byte
	body      []byte
	n         int
	predicted bool
}

// recording is a world's entries and what a viewer of everything is sent.
type recording struct {
	schema  *game.Schema
	entries []*game.Entry
	frames  []wireFrame // of the entries from the second on
	changed int         // rows told in all frames
}

var allView = delta.View{Teams: game.Everyone}

// measureWire plays a world for some ticks and measures its deltas.
func measureWire(kind *game.Kind, ticks, rounds int) (*wireResult, error) {
	rec, err := record(kind, ticks)
	if err != nil {
		return nil, err
	}
	if err := rec.encodeAll(); err != nil {
		return nil, err
	}
	res := &wireResult{Frames: len(rec.frames)}
	frames := float64(len(rec.frames))
	bytes := 0
	for _, f := range rec.frames {
		bytes += len(f.msg)
	}
	rows := 0
	for _, e := range rec.entries {
		for r := range e.Tables[0].Meta {
			if e.Tables[0].Live(r) {
				rows++
			}
		}
	}
	res.Entities = float64(rows) / float64(len(rec.entries))
	res.Changed = float64(rec.changed) / frames
	res.Bytes = float64(bytes) / frames
	if res.JSONBytes, res.MapBytes, res.MapDeltaBytes, err = rec.baselines(); err != nil {
		return nil, err
	}
	encode, allocs := rec.timeEncode(rounds)
	res.Allocs = allocs
	res.EncodeNs = encode / float64(rec.changed)
	res.EncodeUs100 = encode / frames / 1000 * 100 / res.Entities
	decode, err := rec.timeDecode(rounds)
	res.DecodeNs = decode / float64(rec.changed)
	return res, err
}

func record(kind *game.Kind, ticks int) (*recording, error) {
	sim, err := kind.NewSim(game.SimConfig{})
	if err != nil {
		return nil, err
	}
	rec := &recording{schema: sim.Schema()}
	sim.Start()
	for now := range game.Tick(ticks) {
		sim.Step(now + 1)
		e := rec.schema.NewEntry(0)
		sim.Capture(e)
		rec.entries = append(rec.entries, e)
	}
	return rec, nil
}

// appendFrame appends the delta message that leads to entry i for a viewer who
// missed none.
func (rec *recording) appendFrame(dst []byte, enc *delta.Encoder, i int) (f wireFrame) {
	back := game.Tick(1)
	if f.predicted = i >= 3; f.predicted {
		back = wire.Predicted
	}
	dst, mark := wire.BeginDelta(dst, back)
	head := len(dst)
	if f.predicted {
		past := [3]*game.Entry{rec.entries[i-1], rec.entries[i-2], rec.entries[i-3]}
		dst, f.n = enc.AppendPredicted(dst, past, rec.entries[i], allView)
	} else {
		dst, f.n = enc.AppendBody(dst, rec.entries[i-1], allView, rec.entries[i], allView)
	}
	size := len(dst) - head
	f.msg = wire.EndDelta(dst, mark, f.n)
	f.body = f.msg[len(f.msg)-size:]
	return f
}

// encodeAll makes the frames and checks that they lead to the entries.
func (rec *recording) encodeAll() error {
	enc := delta.NewEncoder(rec.schema)
	state := delta.NewState(rec.schema)
	body, n := enc.AppendBody(nil, nil, allView, rec.entries[0], allView)
	if err := apply(state, wireFrame{body: body, n: n}); err != nil {
		return err
	}
	for i := 1; i < len(rec.entries); i++ {
		f := rec.appendFrame(nil, enc, i)
		if err := apply(state, f); err != nil {
			return fmt.Errorf("frame %d: %w", i, err)
		}
		if h := enc.Hash(rec.entries[i], allView); h != state.Hash() {
			return fmt.Errorf("frame %d: decoded to another state", i)
		}
		rec.frames = append(rec.frames, f)
		rec.changed += changedRows(rec.schema, rec.entries[i-1], rec.entries[i])
	}
	return nil
}

// changedRows counts the rows of the first table that came, went or changed.
func changedRows(s *game.Schema, base, cur *game.Entry) (n int) {
	a, b, lanes := &base.Tables[0], &cur.Tables[0], s.Tables[0].Lanes
	for r := range max(len(a.Meta), len(b.Meta)) {
		switch {
		case a.Live(r) != b.Live(r):
			n++
		case a.Live(r) && (a.Meta[r] != b.Meta[r] || !slices.Equal(a.Row(r, lanes), b.Row(r, lanes))):
			n++
		}
	}
	return n
}

func apply(s *delta.State, f wireFrame) error {
	r := wire.NewReader(f.body)
	if f.predicted {
		return s.ApplyPredicted(&r, f.n)
	}
	return s.Apply(&r, f.n)
}

// timeEncode is the median time of encoding all frames, in ns, and the
// allocations of one.
func (rec *recording) timeEncode(rounds int) (ns, allocs float64) {
	enc := delta.NewEncoder(rec.schema)
	buf := make([]byte, 0, 1<<20)
	var before, after runtime.MemStats
	ns = median(rounds, func() {
		runtime.ReadMemStats(&before)
		for i := range rec.frames {
			rec.appendFrame(buf[:0], enc, i+1)
		}
		runtime.ReadMemStats(&after)
	})
	return ns, math.Floor(float64(after.Mallocs-before.Mallocs) / float64(len(rec.frames)))
}

// timeDecode is the median time of decoding all frames, in ns.
func (rec *recording) timeDecode(rounds int) (ns float64, err error) {
	enc := delta.NewEncoder(rec.schema)
	key, n := enc.AppendBody(nil, nil, allView, rec.entries[0], allView)
	state := delta.NewState(rec.schema)
	ns = median(rounds, func() {
		state.Clear()
		err = errors.Join(err, apply(state, wireFrame{body: key, n: n}))
		for _, f := range rec.frames {
			if e := apply(state, f); e != nil {
				err = e
			}
		}
	})
	return ns, err
}

// median is the median time of some runs of f, in ns, after one that warms up.
func median(rounds int, f func()) float64 {
	f()
	times := make([]float64, max(rounds, 1))
	for i := range times {
		begin := time.Now()
		f()
		times[i] = float64(time.Since(begin).Nanoseconds())
	}
	return medianOf(times)
}

// baselines is what the same frames cost in forms that need no schema: the full
// state as JSON and as msgpack maps, and the changed values as msgpack maps.
func (rec *recording) baselines() (jsonBytes, mapBytes, deltaBytes float64, err error) {
	var j, m, d int
	for i := 1; i < len(rec.entries); i++ {
		full, changed := rec.rows(i, false), rec.rows(i, true)
		a, errA := json.Marshal(full)
		b, errB := msgpack.Marshal(full)
		c, errC := msgpack.Marshal(changed)
		if err := errors.Join(errA, errB, errC); err != nil {
			return 0, 0, 0, err
		}
		j, m, d = j+len(a), m+len(b), d+len(c)
	}
	n := float64(len(rec.frames))
	return float64(j) / n, float64(m) / n, float64(d) / n, nil
}

// rows is entry i as maps, each number a float64: all of it, or what differs
// from the entry before.
func (rec *recording) rows(i int, changes bool) map[int]map[string]float64 {
	table, s := &rec.entries[i].Tables[0], &rec.schema.Tables[0]
	before := &rec.entries[i-1].Tables[0]
	rows := map[int]map[string]float64{}
	for r := range table.Meta {
		if !table.Live(r) {
			continue
		}
		row := map[string]float64{}
		known := changes && before.Live(r) && before.Meta[r].Gen == table.Meta[r].Gen
		for f := range s.Fields {
			l := &s.Fields[f].Leaves[0]
			v := l.Get(table.Row(r, s.Lanes))
			if known && v == l.Get(before.Row(r, s.Lanes)) {
				continue
			}
			row[s.Fields[f].Name] = float64(v) / float64(max(l.Scale, 1))
		}
		if len(row) > 0 || !changes {
			rows[r] = row
		}
	}
	return rows
}
