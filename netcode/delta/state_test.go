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
	row := ints(2, 1, 0, -1) // a row 0 of notes
	four := ints(4, 1, 4, 0, 0, 0, 0, -1)
	cases := []struct {
		name string
		held []byte // applied before
		body []byte
		err  error // nil: any
	}{
		{"table without a change", nil, ints(0), errCanonical},
		{"unknown table", nil, ints(16+2, 1, 0, -1), wire.ErrRange},
		{"tables that fall", nil, ints(8+2, 1, 0, -1, 2, 1, 0, -1), errCanonical},
		{"table twice", nil, ints(2, 1, 0, -1, 2, 1, 1, -1), errCanonical},
		{"removed row that is not there", nil, ints(1, 1, 0), errNoRow},
		{"row removed and back", row, ints(3, 1, 0, 1, 0, -1), errCanonical},
		{"changed row that is not there", nil, ints(2, 1, 0, 4, 1), errNoRow},
		{"row without a change", row, ints(2, 1, 0, 0), errCanonical},
		{"mask beyond the fields", row, ints(2, 1, 0, 1<<6), wire.ErrRange},
		{"spawn mask beyond the fields", nil, ints(2, 1, 0, -1<<6-1), wire.ErrRange},
		{"change by zero", row, ints(2, 1, 0, 4, 0), errCanonical},
		{"size below zero", row, ints(2, 1, 0, 4, -1), wire.ErrRange},
		{"size beyond 2^53", row, ints(2, 1, 0, 4, game.MaxSafeInt+1), wire.ErrRange},
		{"difference beyond 2^54", row, ints(2, 1, 0, 4, math.MaxInt64), wire.ErrRange},
		{"bool of 2", row, ints(2, 1, 0, 8, 2), wire.ErrRange},
		{"int8 of 128", row, ints(2, 1, 0, 16, 128), wire.ErrRange},
		{"uint8 by 128 instead of -128", row, ints(2, 1, 0, 32, 128), wire.ErrRange},
		{"no leaves", row, ints(2, 1, 0, 2, 0), errCanonical},
		{"too many leaves", row, ints(2, 1, 0, 2, 4, 0, 1, 0, 1, 0, 1, 0, 1), wire.ErrRange},
		{"leaf beyond the last", row, ints(2, 1, 0, 2, 1, 3, 1), wire.ErrRange},
		{"leaf far beyond the last", row, ints(2, 1, 0, 2, 1, math.MaxInt64, 1), wire.ErrRange},
		{"same text", row, join(ints(2, 1, 0, 1), text("")), errCanonical},
		{"long text", row, join(ints(2, 1, 0, 1), text("sixsix")), wire.ErrRange},
		{"text that is not UTF-8", row, join(ints(2, 1, 0, 1), text("\xff")), wire.ErrText},
		{"text for a number", row, join(ints(2, 1, 0, 4), text("1")), wire.ErrType},
		{"number for a text", row, ints(2, 1, 0, 1, 1), wire.ErrType},
		{"row beyond the highest", nil, ints(2, 1, MaxStateRow+1, -1), wire.ErrRange},
		{"no strays", nil, ints(2, 0), errCanonical},
		{"more rows than elements", nil, ints(2, 1e9), wire.ErrRange},
		{"more removals than elements", nil, ints(1, 1e9), wire.ErrShort},
		{"bitmap of more words than elements", nil, ints(1, -1e9), wire.ErrShort},
		{"set of nothing", nil, ints(1, 0), errCanonical},
		{"bitmap that ends with nothing", row, ints(1, -2, 1, 0), errCanonical},
		{"bitmap word of 8 bits", row, ints(1, -1, 129), wire.ErrRange},
		{"no groups", nil, ints(4, 0), errCanonical},
		{"stray in a group", row, ints(6, 1, 0, 4, 1, 1, 1, 0, 4, 1), errCanonical},
		{"group without rows", four, ints(4, 2, 4, 0, 0, 0, 0, 4, 0, 8, 1, 1, 1, 1), errCanonical},
		{"group with all rows before the last", four, ints(4, 2, 4, 0, 0, 0, 0, 4, 15, 1, 1, 1, 1, 8), errCanonical},
		{"member beyond the rows left", four, ints(4, 2, 4, 0, 0, 0, 0, 4, 16, 1), wire.ErrRange},
		{"column that ends early", four, ints(4, 1, 4, 0, 0, 0, 0, 4, 1, 1, 1), wire.ErrShort},
		{"ends after the table", nil, ints(2), nil},
		{"ends in a row", nil, ints(2, 1, 0), wire.ErrShort},
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
		err = applyBody(s, ints(2, 1, row, -1), 4)
		if held := 3*cap(s.tables[0].lanes) + 3*cap(s.tables[0].rows); held > 2*MaxStateWords {
			t.Fatalf("%d words held", held)
		}
	}
	if !errors.Is(err, errTooLarge) {
		t.Fatalf("error %v, want %v", err, errTooLarge)
	}
	s.Clear()
	if err := applyBody(s, ints(2, 1, 0, -1), 4); err != nil || s.Len(0) != 1 {
		t.Fatalf("after Clear: %d rows, %v", s.Len(0), err)
	}
}

func TestStateRowsAndDifferences(t *testing.T) {
	a, b := NewState(textSchema()), NewState(textSchema())
	body := join(ints(2, 2, 2, -0b100), text("hi"), ints(2, 0, 5, 1, -7), ints(0, -0b1001, 1))
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
	body = join(ints(2, 2, 2, -0b100), text("hi"), ints(2, 0, 5, 1, -8), ints(0, -0b1001, 1))
	if err := applyBody(b, body, elements(t, body)); err != nil {
		t.Fatal(err)
	}
	if err := b.Equal(a); err == nil || !strings.Contains(err.Error(), "field at.2 is -8, other -7") {
		t.Fatalf("difference %v", err)
	}
}
