package delta

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/wire"
)

// textSchema has strings and a field of several leaves.
func textSchema() *game.Schema {
	leaf := func(name string) game.Leaf {
		l := whole(game.LeafInt, 32, -1<<31, 1<<31-1)
		l.Name = name
		return l
	}
	return layOut(&game.Schema{Kind: "texts", TickRate: 20, Tables: []game.RowSchema{
		{Name: "notes", Fields: []game.Field{
			field("text", game.VisAll, game.Leaf{Type: game.LeafString, MaxLen: 5, Max: 5}),
			field("at", game.VisAll, leaf("0"), leaf("1"), leaf("2")),
			field("size", game.VisAll, whole(game.LeafUint, 64, 0, game.MaxSafeInt)),
			field("done", game.VisAll, whole(game.LeafBool, 1, 0, 1)),
			field("level", game.VisAll, whole(game.LeafInt, 8, -128, 127)),
			field("color", game.VisAll, whole(game.LeafUint, 8, 0, 255)),
		}},
		{Name: "empty"},
	}})
}

func text(s string) []byte { return wire.AppendStr(nil, s) }

func join(parts ...[]byte) (all []byte) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func TestStateRefusesWhatNoEncoderWrites(t *testing.T) {
	row := ints(1, 0, 1, 0, 1) // a row 0 of notes
	cases := []struct {
		name string
		held []byte // applied before
		body []byte
		err  error // nil: any
	}{
		{"table 0", nil, ints(0), errCanonical},
		{"unknown table", nil, ints(3, 0, 1, 0, 1), wire.ErrRange},
		{"table without a change", nil, ints(1, 0, 0), errCanonical},
		{"tables that fall", nil, ints(2, 0, 1, 0, 1, 1, 0, 1, 0, 1), errCanonical},
		{"table twice", nil, ints(1, 0, 1, 0, 1, 1, 0, 1, 0, 1), errCanonical},
		{"removed row that is not there", nil, ints(1, 1, 0, 0), errNoRow},
		{"changed row that is not there", nil, ints(1, 0, 1, 0, 0b1000, 1), errNoRow},
		{"row without a change", row, ints(1, 0, 1, 0, 0), errCanonical},
		{"mask beyond the fields", row, ints(1, 0, 1, 0, 1<<7), wire.ErrRange},
		{"change by zero", row, ints(1, 0, 1, 0, 0b1000, 0), errCanonical},
		{"size below zero", row, ints(1, 0, 1, 0, 0b1000, -1), wire.ErrRange},
		{"size beyond 2^53", row, ints(1, 0, 1, 0, 0b1000, game.MaxSafeInt+1), wire.ErrRange},
		{"difference beyond 2^54", row, ints(1, 0, 1, 0, 0b1000, math.MaxInt64), wire.ErrRange},
		{"bool of 2", row, ints(1, 0, 1, 0, 0b10000, 2), wire.ErrRange},
		{"int8 of 128", row, ints(1, 0, 1, 0, 0b100000, 128), wire.ErrRange},
		{"uint8 by 128 instead of -128", row, ints(1, 0, 1, 0, 0b1000000, 128), wire.ErrRange},
		{"no leaves", row, ints(1, 0, 1, 0, 0b100, 0), errCanonical},
		{"too many leaves", row, ints(1, 0, 1, 0, 0b100, 4, 0, 1, 0, 1, 0, 1, 0, 1), wire.ErrRange},
		{"leaf beyond the last", row, ints(1, 0, 1, 0, 0b100, 1, 3, 1), wire.ErrRange},
		{"leaf far beyond the last", row, ints(1, 0, 1, 0, 0b100, 1, math.MaxInt64, 1), wire.ErrRange},
		{"same text", row, join(ints(1, 0, 1, 0, 0b10), text("")), errCanonical},
		{"long text", row, join(ints(1, 0, 1, 0, 0b10), text("sixsix")), wire.ErrRange},
		{"text for a number", row, join(ints(1, 0, 1, 0, 0b1000), text("1")), wire.ErrType},
		{"number for a text", row, ints(1, 0, 1, 0, 0b10, 1), wire.ErrType},
		{"row beyond the highest", nil, ints(1, 0, 1, MaxStateRow+1, 1), wire.ErrRange},
		{"more rows than elements", nil, ints(1, 0, 1e9), wire.ErrRange},
		{"more removals than elements", nil, ints(1, 1e9), wire.ErrRange},
		{"ends after the table", nil, ints(1), nil},
		{"ends in a row", nil, ints(1, 0, 1, 0), wire.ErrShort},
	}
	for _, c := range cases {
		s := NewState(textSchema())
		if err := applyBody(s, c.held, elements(t, c.held)); err != nil {
			t.Fatalf("%s: before: %v", c.name, err)
		}
		err := applyBody(s, c.body, elements(t, c.body))
		if err == nil || c.err != nil && !errors.Is(err, c.err) {
			t.Errorf("%s: error %v, want %v", c.name, err, c.err)
		}
	}
}

// elements counts the msgpack elements of a body.
func elements(t *testing.T, body []byte) int {
	t.Helper()
	n, ok := count(body)
	if !ok {
		t.Fatalf("%x is not msgpack", body)
	}
	return n
}

func TestStateIsBounded(t *testing.T) {
	s := NewState(layOut(&game.Schema{Tables: []game.RowSchema{{Name: "notes", Fields: []game.Field{
		field("text", game.VisAll, game.Leaf{Type: game.LeafString, MaxLen: game.MaxString}),
	}}}}))
	var err error
	for row := int64(0); err == nil && row <= MaxStateRow; row += 1 << 14 {
		err = applyBody(s, ints(1, 0, 1, row, 1), 5)
		if held := cap(s.tables[0].lanes); held > 2*MaxStateLanes {
			t.Fatalf("%d lanes held", held)
		}
	}
	if !errors.Is(err, errTooLarge) {
		t.Fatalf("error %v, want %v", err, errTooLarge)
	}
	s.Clear()
	if err := applyBody(s, ints(1, 0, 1, 0, 1), 5); err != nil || s.Len(0) != 1 {
		t.Fatalf("after Clear: %d rows, %v", s.Len(0), err)
	}
}

func TestStateRowsAndDifferences(t *testing.T) {
	a, b := NewState(textSchema()), NewState(textSchema())
	body := join(ints(1, 0, 2, 2, 0b111), text("hi"), ints(2, 0, 5, 1, -7), ints(0, 0b10001, 1))
	if err := applyBody(a, body, elements(t, body)); err != nil {
		t.Fatal(err)
	}
	var rows []int
	for r := range a.Rows(0) {
		rows = append(rows, r)
	}
	if len(rows) != 2 || rows[0] != 2 || rows[1] != 3 {
		t.Fatalf("rows %v, want 2 and 3", rows)
	}
	if _, ok := a.Row(0, 1); ok {
		t.Fatal("row 1 is there")
	}
	lanes, _ := a.Row(0, 2)
	if f := a.Schema().Tables[0].Fields; string(f[0].Leaves[0].AppendString(nil, lanes)) != "hi" || f[1].Leaves[2].Get(lanes) != -7 {
		t.Fatalf("row 2 holds %v", lanes)
	}
	if err := b.Equal(a); err == nil || !strings.Contains(err.Error(), `"notes" row 2`) {
		t.Fatalf("difference %v", err)
	}
	body = join(ints(1, 0, 2, 2, 0b111), text("hi"), ints(2, 0, 5, 1, -8), ints(0, 0b10001, 1))
	if err := applyBody(b, body, elements(t, body)); err != nil {
		t.Fatal(err)
	}
	if err := b.Equal(a); err == nil || !strings.Contains(err.Error(), "field at.2 is -8, other -7") {
		t.Fatalf("difference %v", err)
	}
}
