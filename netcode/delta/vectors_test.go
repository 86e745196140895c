package delta

import (
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/wire"
)

// update writes the vectors that decoders in other languages are tested with.
var update = flag.Bool("update", false, "write netcode/wire/testdata/bodies.json")

var vectorFile = filepath.Join("..", "wire", "testdata", "bodies.json")

// The file is {"cases": [...]}. A case holds a schema, in the shape of a
// welcome's, and steps to be decoded one after the other. Rows is all that a
// decoder holds after a step, by table, index and field, and Hash their hash. Fixed values are
// divided by their scale, fields of several leaves are arrays in order of leaf,
// references are index + 1.
type (
	vectorCase struct {
		Name   string       `json:"name"`
		Schema vectorSchema `json:"schema"`
		Steps  []vectorStep `json:"steps"`
	}
	vectorStep struct {
		Keyframe  bool                                 `json:"keyframe,omitempty"`  // clear first
		Predicted bool                                 `json:"predicted,omitempty"` // differences from a prediction
		Elements  int                                  `json:"elements"`
		Body      string                               `json:"body"` // hex
		Rows      map[string]map[string]map[string]any `json:"rows"`
		Hash      uint32                               `json:"hash"`
	}
	vectorSchema struct {
		Kind     string      `json:"kind"`
		TickRate int         `json:"tickRate"`
		Tables   []vectorRow `json:"tables"`
		Events   []vectorRow `json:"events"`
		Input    vectorRow   `json:"input"`
	}
	vectorRow struct {
		Name     string        `json:"name"`
		Single   bool          `json:"single,omitempty"`
		Fleeting bool          `json:"fleeting,omitempty"`
		Fields   []vectorField `json:"fields"`
	}
	vectorField struct {
		Name   string   `json:"name"`
		Owner  bool     `json:"owner,omitempty"`
		Pos    bool     `json:"pos,omitempty"`
		Once   bool     `json:"once,omitempty"`
		Leaves [][7]any `json:"leaves"` // name, type, bits, scale, min, max, table
	}
)

func vectorRowOf(r *game.RowSchema) vectorRow {
	v := vectorRow{Name: r.Name, Single: r.Single, Fleeting: r.Fleeting, Fields: []vectorField{}}
	for i := range r.Fields {
		f := &r.Fields[i]
		field := vectorField{Name: f.Name, Owner: f.Vis == game.VisOwner, Pos: f.Pos, Once: f.Once}
		for j := range f.Leaves {
			l := &f.Leaves[j]
			high := l.Max
			if l.Type == game.LeafString {
				high = int64(l.MaxLen)
			}
			field.Leaves = append(field.Leaves, [7]any{l.Name, l.Type, l.Bits, l.Scale, l.Min, high, l.Table})
		}
		v.Fields = append(v.Fields, field)
	}
	return v
}

func vectorSchemaOf(s *game.Schema) vectorSchema {
	v := vectorSchema{Kind: s.Kind, TickRate: s.TickRate, Tables: []vectorRow{}, Events: []vectorRow{}, Input: vectorRowOf(&s.Input)}
	for i := range s.Tables {
		v.Tables = append(v.Tables, vectorRowOf(&s.Tables[i]))
	}
	for i := range s.Events {
		v.Events = append(v.Events, vectorRowOf(&s.Events[i]))
	}
	return v
}

func vectorValue(l *game.Leaf, row []int32) any {
	switch v := l.Get(row); l.Type {
	case game.LeafString:
		return string(l.AppendString(nil, row))
	case game.LeafBool:
		return v != 0
	case game.LeafFixed:
		return float64(v) / float64(l.Scale)
	default:
		return v
	}
}

func vectorRows(s *State) map[string]map[string]map[string]any {
	tables := map[string]map[string]map[string]any{}
	for t := range s.schema.Tables {
		rows := map[string]map[string]any{}
		for index, lanes := range s.Rows(t) {
			fields := map[string]any{}
			for i := range s.schema.Tables[t].Fields {
				f := &s.schema.Tables[t].Fields[i]
				if len(f.Leaves) == 1 {
					fields[f.Name] = vectorValue(&f.Leaves[0], lanes)
					continue
				}
				var leaves []any
				for j := range f.Leaves {
					leaves = append(leaves, vectorValue(&f.Leaves[j], lanes))
				}
				fields[f.Name] = leaves
			}
			rows[fmt.Sprint(index)] = fields
		}
		tables[s.schema.Tables[t].Name] = rows
	}
	return tables
}

// vectorCaseOf encodes entries as view v sees them: the first from nothing, and
// again each of which the number is in keyframes. The shared part is predicted
// where three states were told before.
func vectorCaseOf(t *testing.T, name string, s *game.Schema, v View, entries []*game.Entry, keyframes ...int) vectorCase {
	c := vectorCase{Name: name, Schema: vectorSchemaOf(s)}
	r := wire.NewReader(wire.AppendSchema(nil, s))
	if read, err := wire.ReadSchema(&r); err != nil || read.Hash() != s.Hash() {
		t.Fatalf("the schema of %q is none that a welcome may hold: %v", name, err)
	}
	state, enc := NewState(s), NewEncoder(s)
	isKey := map[int]bool{0: true}
	for _, k := range keyframes {
		isKey[k] = true
	}
	run := 0
	for i, e := range entries {
		step := vectorStep{Keyframe: isKey[i], Predicted: !isKey[i] && run >= predictRun && v.Seat == 0}
		var body []byte
		switch {
		case step.Keyframe:
			state.Clear()
			body, step.Elements = enc.AppendBody(nil, nil, v, e, v)
			run = 0
		case step.Predicted:
			body, step.Elements = enc.AppendPredicted(nil, [3]*game.Entry{entries[i-1], entries[i-2], entries[i-3]}, e, v)
		default:
			body, step.Elements = enc.AppendBody(nil, entries[i-1], v, e, v)
		}
		run++
		if r := wire.NewReader(body); state.apply(&r, step.Elements, step.Predicted) != nil || r.Len() > 0 {
			t.Fatalf("%s: step %d does not decode", name, i)
		}
		step.Body, step.Rows, step.Hash = hex.EncodeToString(body), vectorRows(state), state.Hash()
		c.Steps = append(c.Steps, step)
	}
	return c
}

func tankVectors(t *testing.T) []vectorCase {
	s := tankSchema()
	again := game.RowMeta{Gen: 2, Show: game.Everyone}
	hidden := game.RowMeta{Gen: 1}
	owned := game.RowMeta{Gen: 1, Owner: 1}
	steps := []func(e *game.Entry){
		func(e *game.Entry) {
			put(s, e, 0, 0, public, 16, -8, 250, 100, 5, 0, refTo(1, 1))
			put(s, e, 0, 130, public, 1<<31-1, -1<<31, 128, -32768)
			put(s, e, 1, 1, public, 40)
		},
		func(e *game.Entry) { // moves, the heading wraps, the mine is hidden
			put(s, e, 0, 0, public, 17, -9, 4, 99, 5, 0, refTo(1, 1))
			put(s, e, 0, 130, public, -1<<31, 1<<31-1, 0, 32767)
			put(s, e, 1, 1, hidden, 40)
		},
		func(e *game.Entry) { // index 0 has a new life, 130 is gone, a hidden row comes into sight
			put(s, e, 0, 0, again, 0, 3, 0, 0, 0, 0, refTo(1, 1))
			put(s, e, 1, 1, public, 44)
		},
		func(e *game.Entry) { put(s, e, 0, 2, owned, 1, 2, 3, 4, 5, refTo(2, 1)) },
		func(e *game.Entry) {},
	}
	var entries []*game.Entry
	for i, fill := range steps {
		e := s.NewEntry(2)
		e.Tick = game.Tick(i + 1)
		fill(e)
		entries = append(entries, e)
	}
	return []vectorCase{
		vectorCaseOf(t, "numbers, references and new lives", s, seen, entries),
		vectorCaseOf(t, "private part", s, mine, entries[2:]),
		vectorCaseOf(t, "keyframe in between", s, seen, entries, 2),
	}
}

// groupVectors is many rows at once: groups of spawns and changes, bitmaps and
// gaps, strays, motion that goes on and motion that does not.
func groupVectors(t *testing.T) vectorCase {
	s := tankSchema()
	var entries []*game.Entry
	for tick := range int64(8) {
		e := s.NewEntry(2)
		e.Tick = game.Tick(tick + 1)
		for r := range int64(40) {
			if tick >= 5 && r%3 == 0 || tick == 6 && r == 1 {
				continue // gone, by bitmap; by gap
			}
			x, heading := 100*r+tick*(r%4), 250+tick*(r%3)
			if r == 11 && tick > 4 {
				x += 1000 * tick // a stray in haste
			}
			put(s, e, 0, int(r), public, x, -x, heading%256, 100-tick/4*(r%2))
		}
		entries = append(entries, e)
	}
	return vectorCaseOf(t, "groups and predictions", s, seen, entries)
}

func textVectors(t *testing.T) vectorCase {
	s := textSchema()
	var entries []*game.Entry
	for i := range int64(5) {
		e := s.NewEntry(0)
		e.Tick = game.Tick(i + 1)
		put(s, e, 0, 3, public)
		row := e.Tables[0].Row(3, s.Tables[0].Lanes)
		f := s.Tables[0].Fields
		f[0].Leaves[0].PutString(row, []string{"", "hello", "é日", "é日", "\x00"}[i])
		f[1].Leaves[i%3].Put(row, 100_000*i)
		f[1].Leaves[2].Put(row, -i)
		f[2].Leaves[0].Put(row, []int64{game.MaxSafeInt, 0, 1 << 40, 1<<40 + 1, 1<<40 - 1}[i])
		f[3].Leaves[0].Put(row, i%2)
		f[4].Leaves[0].Put(row, []int64{-128, 127, -1, 0, -128}[i])
		f[5].Leaves[0].Put(row, []int64{0, 255, 127, 128, 0}[i])
		put(s, e, 1, int(i), public)
		entries = append(entries, e)
	}
	return vectorCaseOf(t, "text, arrays and wide numbers", s, seen, entries)
}

func randomVectors(t *testing.T, seed uint64) vectorCase {
	rng := rand.New(rand.NewPCG(seed, 3))
	s := randomSchema(rng)
	w := newWorld(s, rng)
	var entries []*game.Entry
	for range 6 {
		w.step()
		e := s.NewEntry(worldSeats)
		w.copyTo(e)
		entries = append(entries, e)
	}
	return vectorCaseOf(t, fmt.Sprintf("random %d", seed), s, View{Teams: game.Team(0)}, entries)
}

func TestVectors(t *testing.T) {
	cases := append(tankVectors(t), textVectors(t), groupVectors(t))
	for seed := range uint64(4) {
		cases = append(cases, randomVectors(t, seed))
	}
	got := []byte("{\"cases\": [\n")
	for i, c := range cases {
		line, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			got = append(got, ",\n"...)
		}
		got = append(got, line...)
	}
	got = append(got, "\n]}\n"...)
	if *update {
		if err := os.MkdirAll(filepath.Dir(vectorFile), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(vectorFile, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Fatal("bodies are not what the vectors say; if that is meant, run go test -update")
	}
}
