package wire_test

import (
	"strings"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/delta"
	"github.com/roomd/roomd/netcode/wire"
)

// The worked examples of PROTOCOL.md: one short game of tanks, as player 1 sees
// it. Bodies, events and input values come from package delta.

func scalar(name string, l game.Leaf) game.Field {
	return game.Field{Name: name, Leaves: []game.Leaf{l}}
}

func number(t game.LeafType, bits uint8, low, high int64) game.Leaf {
	return game.Leaf{Type: t, Bits: bits, Min: low, Max: high}
}

func tanksSchema() *game.Schema {
	u8 := number(game.LeafUint, 8, 0, 255)
	quarter := game.Leaf{Type: game.LeafFixed, Bits: 32, Scale: 256, Min: -1 << 31, Max: 1<<31 - 1}
	tank := game.Leaf{Type: game.LeafRef, Bits: 32, Max: game.MaxRows}
	x, y, ammo, fire := scalar("x", quarter), scalar("y", quarter), scalar("ammo", u8), scalar("fire", number(game.LeafBool, 1, 0, 1))
	x.Pos, y.Pos, ammo.Vis, fire.Once = true, true, game.VisOwner, true
	slots := game.Field{Name: "slots"}
	for _, name := range []string{"0", "1", "2", "3"} {
		l := u8
		l.Name = name
		slots.Leaves = append(slots.Leaves, l)
	}
	stick := number(game.LeafInt, 8, -100, 100)
	s := &game.Schema{
		Kind: "tanks", TickRate: 30,
		Tables: []game.RowSchema{
			{Name: "tank", Fields: []game.Field{
				x, y, scalar("turn", u8), scalar("name", game.Leaf{Type: game.LeafString, MaxLen: 16, Max: 16}), slots,
				scalar("target", tank), scalar("score", number(game.LeafInt, 64, -wire.MaxSafe, wire.MaxSafe)), ammo,
			}},
			{Name: "match", Single: true, Fields: []game.Field{scalar("left", number(game.LeafUint, 16, 0, 65535))}},
		},
		Events: []game.RowSchema{
			{Name: "hit", Fleeting: true, Fields: []game.Field{scalar("at", tank), scalar("damage", u8)}},
		},
		Input: game.RowSchema{Name: "input", Fields: []game.Field{scalar("throttle", stick), scalar("steer", stick), fire}},
	}
	for _, rows := range [][]game.RowSchema{s.Tables, s.Events} {
		for i := range rows {
			layOut(&rows[i])
		}
	}
	layOut(&s.Input)
	return s
}

// layOut places the leaves in lanes as package game does.
func layOut(r *game.RowSchema) {
	for i := range r.Fields {
		for j := range r.Fields[i].Leaves {
			l := &r.Fields[i].Leaves[j]
			l.Lane, l.Lanes = r.Lanes, 1
			switch {
			case l.Type == game.LeafString:
				l.Lanes += (l.MaxLen + 3) / 4
			case l.Bits == 64 && l.Type != game.LeafFixed:
				l.Lanes = 2
			}
			r.Lanes += l.Lanes
		}
	}
}

// values fills a row in order of its leaves with int64s and strings.
func values(r *game.RowSchema, row []int32, v ...any) {
	for i := range r.Fields {
		for j := range r.Fields[i].Leaves {
			l := &r.Fields[i].Leaves[j]
			switch x := v[0].(type) {
			case int:
				l.Put(row, int64(x))
			case string:
				l.PutString(row, x)
			}
			v = v[1:]
		}
	}
}

func addRow(s *game.Schema, e *game.Entry, table, index int, m game.RowMeta, v ...any) {
	t, n := &e.Tables[table], s.Tables[table].Lanes
	for len(t.Meta) <= index {
		t.Meta = append(t.Meta, game.RowMeta{})
		t.Lanes = append(t.Lanes, make([]int32, n)...)
	}
	m.Gen, m.Show = 1, game.Everyone
	t.Meta[index] = m
	values(&s.Tables[table], t.Row(index, n), v...)
}

// fill makes the state of ticks 1234 and 1235.
func fill(s *game.Schema, e *game.Entry, tick game.Tick) {
	ref := func(index int) int { return 1<<20 | index }
	e.Tick = tick
	e.Seats = []game.Seat{1: {Taken: true, Present: true, Teams: game.Team(0)}}
	mine := game.RowMeta{Owner: 1}
	switch tick {
	case 1234:
		addRow(s, e, 0, 0, mine, 384, -512, 250, "Ann", 1, 0, 0, 9, ref(2), wire.MaxSafe, 12)
		addRow(s, e, 0, 2, game.RowMeta{Owner: 2}, 70000, 0, 128, "Bo", 0, 0, 0, 0, 0, 0, 40)
		addRow(s, e, 1, 0, game.RowMeta{}, 600)
	case 1235:
		addRow(s, e, 0, 0, mine, 400, -512, 4, "Ann", 1, 0, 7, 8, 0, -5, 11)
		addRow(s, e, 0, 1, game.RowMeta{Owner: 3}, 0, 256, 0, "", 0, 0, 0, 0, ref(0), 0, 0)
		addRow(s, e, 1, 0, game.RowMeta{}, 599)
		e.Events = append(e.Events, game.EventRecord{Teams: game.Everyone, Fleeting: true, Lanes: int32(s.Events[0].Lanes)})
		e.EventLanes = make([]int32, s.Events[0].Lanes)
		values(&s.Events[0], e.EventLanes, ref(0), 200)
	}
}

// example is one message of the document.
type example struct {
	name   string
	msg    []byte
	labels string // of the elements after the kind, separated by |; = tells the value too
}

const exampleHash = 0x0123456789abcdef

// examples are in order of appearance.
func examples() []example {
	s := tanksSchema()
	list := append(joinExamples(s), stateExamples(s)...)
	list = append(list, inputExamples(s)...)
	return append(list,
		example{"resync", wire.AppendResync(nil, wire.Resync{Tick: 1235, Reason: wire.ResyncBase}), "tick|reason|hash"},
		example{"ping", wire.AppendPing(nil, wire.Ping{ID: 7, T: 81234567}), "id|t"},
		example{"pong", wire.AppendPong(nil, wire.Pong{ID: 7, T: 81234567, Tick: 1240}), "id|t|tick"},
		example{"leave", wire.AppendLeave(nil), ""},
		example{"reset", wire.AppendReset(nil, wire.Reset{Epoch: 1760000001, Tick: 1200, LastSeq: 29}), "epoch|tick|lastSeq"},
		example{"stalled", wire.AppendStalled(nil), ""},
		example{"moved", wire.AppendMoved(nil, "wss://b.example/v1/ws"), "url"},
		example{"bye", wire.AppendBye(nil, wire.Bye{Code: wire.ByeFull, Text: "the room is full", Retry: 5 * time.Second}), "code|text|retryMs"},
	)
}

const (
	helloLabels   = "proto|kind|room|name|token|epoch|tick|schemaHash|flags|auth|params"
	welcomeLabels = "proto|room|epoch|seat|token|tick|tickRate|lastSeq|flags|graceMs|schema|schemaHash"
	exampleToken  = "lobby.1.AAECAwQFBgcICQoLDA0ODw"
)

func joinExamples(s *game.Schema) []example {
	hello := wire.Hello{Kind: "tanks", Name: "Ann", Params: game.Params{"map": "dust", "color": "#00f"}}
	again := wire.Hello{Kind: "tanks", Room: "lobby", Name: "Ann", Token: exampleToken, Epoch: 1760000000, Tick: 1235, SchemaHash: exampleHash}
	welcome := wire.Welcome{
		Room: "lobby", Epoch: 1760000000, Seat: 1, Token: exampleToken, Tick: 1233, TickRate: 30,
		Grace: 20 * time.Second, Schema: s, SchemaHash: exampleHash,
	}
	back := welcome
	back.Tick, back.LastSeq, back.Flags, back.Schema = 1290, 31, wire.FlagResumed, nil
	return []example{
		{"hello", wire.AppendHello(nil, hello), helloLabels},
		{"hello-resume", wire.AppendHello(nil, again), helloLabels},
		{"welcome", wire.AppendWelcome(nil, welcome), welcomeLabels},
		{"welcome-resumed", wire.AppendWelcome(nil, back), welcomeLabels},
	}
}

func stateExamples(s *game.Schema) []example {
	ring, enc := delta.NewRing(s, 4), delta.NewEncoder(s)
	for _, tick := range []game.Tick{1234, 1235} {
		fill(s, ring.Next(), tick)
		ring.Commit(ring.Next())
	}
	base, cur := ring.At(1234), ring.At(1235)
	shared := delta.View{Teams: game.Team(0)}
	own := delta.View{Teams: game.Team(0), Seat: 1}

	key, mark := wire.BeginKeyframe(nil, wire.Keyframe{Tick: 1234, Last: true})
	key, n := enc.AppendBody(key, nil, shared, base, shared)
	key = wire.EndKeyframe(key, mark, n)
	first, mark := wire.BeginSelf(nil, wire.Self{Slack: -1})
	first, n = enc.AppendBody(first, nil, own, base, own)
	first = wire.EndSelf(first, mark, n)
	next, mark := wire.BeginDelta(nil, 1)
	next, n = enc.AppendBody(next, base, shared, cur, shared)
	next = wire.EndDelta(next, mark, n)
	self, mark := wire.BeginSelf(nil, wire.Self{DAck: 2, Slack: 5, Drops: 1})
	self, n = enc.AppendBody(self, base, own, cur, own)
	self = wire.EndSelf(self, mark, n)

	return []example{
		{"delta", next, "back" +
			"|=table 0, tank: removed, strays|=1 removed row|=gap: row 2|=2 strays" +
			"|=gap: row 0|=mask: x, turn, slots, target, score|=x + 16: 400 / 256|=turn + 10 mod 256: 4" +
			"|=2 slots|=gap: slot 2|=slot 2 + 7: 7|=gap: slot 3|=slot 3 - 1: 8|=target - 3: none|=score - (2^53 + 4): -5" +
			"|=gap: row 1|=mask: spawn, y, target|=y: 256 / 256|=target: row 0" +
			"|=table 1, match: strays|=1 stray|=gap: row 0|=mask: left|=left - 1: 599"},
		{"delta-groups", groupsExample(s), "back" +
			"|=table 0, tank: strays, groups|=1 stray|=gap: row 4|=mask: name|name" +
			"|=2 groups|=set: a bitmap of 2 words|=rows 0, 1, 2, 3, 5, 6|=rows 7, 8, 9" +
			"|=mask: x, turn|=members: the first 6 of 9|=and no more" +
			"|=x of row 0 + 5|=x of row 1 + 5|=x of row 2 + 5|=x of row 3 + 5|=x of row 5 + 5|=x of row 6 + 5" +
			"|=turn of row 0 - 1|=turn of row 1 - 1|=turn of row 2 - 1|=turn of row 3 - 1|=turn of row 5 - 1|=turn of row 6 - 1" +
			"|=mask: y; the rows left|=y of row 7 + 9|=y of row 8 + 9|=y of row 9 + 9"},
		{"delta-predicted", predictedExample(s), "=back 0: one tick, predicted" +
			"|=table 0, tank: strays|=1 stray|=gap: row 0|=mask: x|=x: 28 was expected, + 2: 30"},
		{"keyframe", key, "tick|part|=last: yes" +
			"|=table 0, tank: strays|=2 strays" +
			"|=gap: row 0|=mask: spawn, x, y, turn, name, slots, target, score|=x: 384 / 256|=y: -512 / 256|=turn: 250|name" +
			"|=2 slots|=gap: slot 0|=slot 0: 1|=gap: slot 3|=slot 3: 9|=target: row 2|score" +
			"|=gap: row 2|=mask: spawn, x, turn, name|=x: 70000 / 256|=turn: 128|name" +
			"|=table 1, match: strays|=1 stray|=gap: row 0|=mask: spawn, left|left"},
		{"self-keyframe", first, "dack|=slack: no input yet|drops" +
			"|=table 0, tank: strays|=1 stray|=gap: row 0|=mask: spawn, ammo|ammo"},
		{"self-delta", self, "dack|=slack: 5/4 ticks|drops" +
			"|=table 0, tank: strays|=1 stray|=gap: row 0|=mask: ammo|=ammo - 1: 11"},
		{"event", enc.AppendEvents(nil, ring, 1234, 1235, shared, 0), "back|=type: hit|=at: row 0|damage"},
		{"check", wire.AppendCheck(nil, enc.Hash(cur, shared)), "=the shared store after the delta of 6.1"},
	}
}

// tanksAt is an entry of n tanks that a function moves.
func tanksAt(s *game.Schema, tick game.Tick, n int, at func(row int) (x, y, turn int, name string)) *game.Entry {
	e := s.NewEntry(1)
	e.Tick = tick
	for row := range n {
		x, y, turn, name := at(row)
		addRow(s, e, 0, row, game.RowMeta{}, x, y, turn, name, 0, 0, 0, 0, 0, 0, 0)
	}
	return e
}

func groupsExample(s *game.Schema) []byte {
	shared := delta.View{Teams: game.Team(0)}
	base := tanksAt(s, 1, 10, func(int) (int, int, int, string) { return 100, 100, 9, "" })
	cur := tanksAt(s, 2, 10, func(row int) (int, int, int, string) {
		switch {
		case row == 4:
			return 100, 100, 9, "Cy"
		case row < 7:
			return 105, 100, 8, ""
		}
		return 100, 109, 9, ""
	})
	b, mark := wire.BeginDelta(nil, 1)
	b, n := delta.NewEncoder(s).AppendBody(b, base, shared, cur, shared)
	return wire.EndDelta(b, mark, n)
}

func predictedExample(s *game.Schema) []byte {
	var past [3]*game.Entry
	for i, x := range []int{24, 20, 16} {
		past[i] = tanksAt(s, game.Tick(3-i), 1, func(int) (int, int, int, string) { return x, 7, 0, "" })
	}
	cur := tanksAt(s, 4, 1, func(int) (int, int, int, string) { return 30, 7, 0, "" })
	b, mark := wire.BeginDelta(nil, wire.Predicted)
	b, n := delta.NewEncoder(s).AppendPredicted(b, past, cur, delta.View{Teams: game.Team(0)})
	return wire.EndDelta(b, mark, n)
}

func inputExamples(s *game.Schema) []example {
	rows := [3][]int32{}
	for i := range rows {
		rows[i] = make([]int32, s.Input.Lanes)
	}
	values(&s.Input, rows[1], 100, -40, 1)
	values(&s.Input, rows[2], 100, 0, 0)
	input := func(i int, dseen int32) []byte {
		mask, v := delta.AppendInputValues(nil, &s.Input, rows[i-1], rows[i])
		return wire.AppendInput(nil, wire.Input{DSeq: 1, DSeen: dseen, Mask: mask, Values: v})
	}
	return []example{
		{"input", input(1, 1), "dseq|dseen|=mask: throttle, steer, fire|=throttle: 100|=steer: -40|=fire: true"},
		{"input-next", input(2, 1), "dseq|dseen|=mask: steer, fire|=steer + 40: 0|=fire - 1: false"},
	}
}

// render is a message as PROTOCOL.md shows it, an element a line.
func render(ex example) string {
	var out strings.Builder
	d := dumper{out: &out, r: wire.NewReader(ex.msg)}
	d.message(strings.Split(ex.labels, "|"))
	return out.String()
}
