package sse

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/delta"
)

// car and horn are the toy game of these tests.
type car struct {
	X    float32 `net:"all,quant=1/8"`
	Name string  `net:"all,max=16"`
	Fuel uint8   `net:"owner"`
	Trip [2]struct {
		At game.ID[car]
		On bool
	} `net:"all"`
}

type horn struct{ Loud int16 }

type road struct {
	w    *game.World
	cars *game.Table[car]
	horn *game.Event[horn]
}

func (r *road) Join(game.PlayerID, game.JoinInfo) error { return nil }
func (r *road) Leave(game.PlayerID)                     {}
func (r *road) Step(game.Tick, game.Inputs[struct{}])   {}

const testRate = 20

// rig is a log with a game, a ring and a clock.
type rig struct {
	t     testing.TB
	sim   *game.Sim
	road  *road
	ring  *delta.Ring
	log   *Log
	tick  game.Tick
	now   time.Duration
	wakes int
	next  time.Duration
}

func newRig(t testing.TB, edit func(*Config)) *rig {
	r := &rig{t: t, now: time.Second}
	kind := game.Define("road", game.Options{TickRate: testRate}, func(w *game.World) game.Game[struct{}] {
		r.road = &road{w, game.NewTable[car](w, "car"), game.NewEvent[horn](w, "horn")}
		return r.road
	})
	var err error
	if r.sim, err = kind.NewSim(game.SimConfig{}); err != nil {
		t.Fatal(err)
	}
	r.ring = delta.NewRing(r.sim.Schema(), 40)
	cfg := Config{Room: "r", Schema: r.sim.Schema(), Epoch: 7, View: game.Spectators, Wake: func() { r.wakes++ }}
	if edit != nil {
		edit(&cfg)
	}
	r.log = NewLog(cfg, r.ring)
	return r
}

// step makes a tick in which change was done, at its time.
func (r *rig) step(change func()) {
	r.tick++
	r.now += time.Second / testRate
	if change != nil {
		change()
	}
	r.sim.Step(r.tick)
	e := r.ring.Next()
	r.sim.Capture(e)
	r.ring.Commit(e)
	r.log.Observe(r.now)
	r.next = r.log.Advance(r.now)
}

func (r *rig) steps(n int) {
	for range n {
		r.step(nil)
	}
}

// wait lets time pass without ticks.
func (r *rig) wait(d time.Duration) {
	for end := r.now + d; r.now < end; {
		r.now = min(end, max(r.next, r.now+time.Millisecond))
		r.next = r.log.Advance(r.now)
	}
}

// sink takes what it is offered.
type sink struct {
	bytes.Buffer
	full  bool
	ended bool
}

func (s *sink) Offer(private []byte, block *Block) bool {
	if s.full {
		return false
	}
	s.Write(private)
	if block != nil {
		s.Write(block.Bytes())
	}
	return true
}

func (s *sink) End(last []byte) {
	s.Write(last)
	s.ended = true
}

func (r *rig) read(q Request) *sink {
	r.t.Helper()
	s := &sink{}
	q.Head = func(bool) []byte { return nil }
	if r.log.Read(r.now, q, s) == nil {
		r.t.Fatal("no reader")
	}
	r.next = r.log.Advance(r.now)
	return s
}

// event is one of an event stream.
type event struct{ name, id, data string }

// parse reads an event stream as WHATWG HTML section 9.2.6 says, strictly: what
// a browser would forgive fails.
func parse(t *testing.T, stream string) (events []event) {
	t.Helper()
	if stream != "" && !strings.HasSuffix(stream, "\n\n") {
		t.Fatalf("ends within an event: %q", stream)
	}
	for block := range strings.SplitSeq(strings.TrimSuffix(stream, "\n\n"), "\n\n") {
		var e event
		for line := range strings.SplitSeq(block, "\n") {
			field, value, ok := strings.Cut(line, ": ")
			if !ok {
				t.Fatalf("line %q", line)
			}
			switch field {
			case "event":
				e.name = value
			case "id":
				e.id = value
			case "data":
				e.data = value
			case "retry":
				e.name = "retry"
			default:
				t.Fatalf("line %q", line)
			}
		}
		events = append(events, e)
	}
	return events
}

func names(events []event) string {
	var list []string
	for _, e := range events {
		switch {
		case e.name == "":
			list = append(list, "beat")
		case e.name != "retry":
			list = append(list, e.name)
		}
	}
	return strings.Join(list, " ")
}

// picture is what a client of the JSON stream holds.
type picture map[string]map[string]map[string]any

// follow applies key and delta events.
func follow(t *testing.T, p picture, events []event) picture {
	t.Helper()
	for _, e := range events {
		if e.name != "key" && e.name != "delta" {
			continue
		}
		var d struct {
			Tables map[string]map[string]map[string]any
		}
		if err := json.Unmarshal([]byte(e.data), &d); err != nil {
			t.Fatalf("%v in %s", err, e.data)
		}
		if e.name == "key" {
			p = picture{}
		}
		for table, rows := range d.Tables {
			if p[table] == nil {
				p[table] = map[string]map[string]any{}
			}
			for index, row := range rows {
				switch {
				case row == nil:
					delete(p[table], index)
				case p[table][index] == nil || row["$new"] == true:
					delete(row, "$new")
					p[table][index] = row
				default:
					for k, v := range row {
						p[table][index][k] = v
					}
				}
			}
		}
	}
	return p
}

// want is the picture of the newest entry, made without a log.
func (r *rig) want() picture {
	s := delta.Filter(r.sim.Schema(), r.ring.Newest(), delta.View{Teams: game.Spectators})
	tables := []rowJSON{newRowJSON(&r.sim.Schema().Tables[0])}
	var p picture
	if err := json.Unmarshal(appendTables(nil, tables, nil, s), &p); err != nil {
		r.t.Fatal(err)
	}
	return p
}

func (r *rig) expect(p picture) {
	r.t.Helper()
	got, _ := json.Marshal(p)
	want, _ := json.Marshal(r.want())
	if string(got) != string(want) {
		r.t.Fatalf("tick %d: holds %s, want %s", r.tick, got, want)
	}
}
