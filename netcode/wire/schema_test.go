package wire

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/roomd/roomd/game"
)

type vec struct {
	X, Y float64
}

type unit struct {
	Pos    vec           `net:"all,quant=1/256,range=-1000..1000,pos"`
	Turn   uint16        `net:"all"`
	Name   string        `net:"all,max=21"`
	Slots  [3]uint8      `net:"owner"`
	Leader game.ID[unit] `net:"all"`
	Gold   int64         `net:"owner"`
	Total  uint          `net:"all"`
	Alive  bool          `net:"all"`
	Heat   float32       // is not sent
}

type phase struct {
	Round uint8 `net:"all"`
}

type shot struct {
	By  game.ID[unit]
	Dir [2]vec `net:"quant=1/16"`
}

type order struct {
	Steer int8   `net:"range=-10..10"`
	Say   string `net:"max=40"`
	Fire  bool   `net:"once"`
}

type battle struct{}

func (battle) Join(game.PlayerID, game.JoinInfo) error   { return nil }
func (battle) Leave(game.PlayerID)                       {}
func (battle) Step(now game.Tick, in game.Inputs[order]) {}

func battleSchema(t testing.TB) *game.Schema {
	kind := game.Define("battle", game.Options{TickRate: 15}, func(w *game.World) game.Game[order] {
		game.NewTable[unit](w, "unit")
		game.NewValue[phase](w, "phase")
		game.NewEvent[shot](w, "shot", game.Fleeting())
		return battle{}
	})
	s, err := kind.Schema()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What a game declares arrives at a client exactly, lanes included.
func TestSchemaRoundTrip(t *testing.T) {
	s := battleSchema(t)
	b := AppendSchema(nil, s)
	r := NewReader(b)
	got, err := ReadSchema(&r)
	if err != nil || r.Len() != 0 {
		t.Fatalf("%v, %d bytes left", err, r.Len())
	}
	if !reflect.DeepEqual(got, s) {
		t.Fatalf("got  %+v\nwant %+v", got, s)
	}
	if got.Hash() != s.Hash() {
		t.Error("another hash")
	}
	same(t, "again", AppendSchema(nil, got), b)
	w := Welcome{Proto: 1, Room: "r", TickRate: 15, Schema: s, SchemaHash: s.Hash()}
	roundTrip(t, w, AppendWelcome, ReadWelcome)
}

func TestLargestSchema(t *testing.T) {
	leaf := game.Leaf{Type: game.LeafString, MaxLen: 255, Max: 255, Lanes: 65}
	row := game.RowSchema{Name: strings.Repeat("r", game.MaxName)}
	for i := range game.MaxFields {
		f := game.Field{Name: fmt.Sprintf("%0*d", MaxSchemaName, i), Vis: game.VisOwner, Pos: true, Once: true}
		for j := range game.MaxLeaves/game.MaxFields + 1 {
			if row.Lanes/65 == game.MaxLeaves {
				break
			}
			leaf.Name, leaf.Lane = fmt.Sprint(j), row.Lanes
			row.Lanes += leaf.Lanes
			f.Leaves = append(f.Leaves, leaf)
		}
		if len(f.Leaves) > 0 {
			row.Fields = append(row.Fields, f)
		}
	}
	s := &game.Schema{Kind: "big", TickRate: 120, Input: row}
	for range game.MaxTables {
		s.Tables = append(s.Tables, row)
		s.Events = append(s.Events, row)
	}
	b := AppendSchema(nil, s)
	if len(b) > MaxServerMessage {
		t.Fatalf("%d bytes", len(b))
	}
	r := NewReader(b)
	got, err := ReadSchema(&r)
	if err != nil || !reflect.DeepEqual(got, s) {
		t.Fatalf("differs: %v", err)
	}
	for _, more := range []func(){
		func() { s.Tables = append(s.Tables, row) },
		func() { s.Input.Fields[0].Leaves = append(s.Input.Fields[0].Leaves, leaf) },
		func() { s.Input.Fields = make([]game.Field, game.MaxFields+1) },
		func() { s.Kind = strings.Repeat("k", MaxKind+1) },
		func() { s.TickRate = MaxTickRate + 1 },
		func() { s.Input.Name = strings.Repeat("n", MaxSchemaName+1) },
	} {
		before := *s
		more()
		r := NewReader(AppendSchema(nil, s))
		if _, err := ReadSchema(&r); !errors.Is(err, ErrRange) {
			t.Errorf("one more: %v", err)
		}
		*s = before
	}
}

// A later server may add keys to maps and elements to leaves.
func TestSchemaSkipsWhatIsNew(t *testing.T) {
	b := []byte("\x87\xa6events\x90\xa5input\x82\xa6fields\x91\x84\xa6leaves\x91\x98\xa0\x01\x01\x00\x00\x01\x00\xc3" +
		"\xa4name\xa1f\xa4once\xc3\xa3xyz\x91\x05\xa4name\xa1i\xa4kind\xa1k\xa3new\x80\xa6tables\x90\xa8tickRate\x0a\xa3zzz\xc0")
	r := NewReader(b)
	s, err := ReadSchema(&r)
	if err != nil || s.Kind != "k" || s.TickRate != 10 || len(s.Input.Fields) != 1 || !s.Input.Fields[0].Once || r.Len() != 0 {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestSchemaRefuses(t *testing.T) {
	leaf := func(l string) string {
		return "\x85\xa6events\x90\xa5input\x82\xa6fields\x91\x82\xa6leaves\x91" + l + "\xa4name\xa1f\xa4name\xa1i\xa4kind\xa1k\xa6tables\x90\xa8tickRate\x0a"
	}
	for name, b := range map[string]string{
		"no map":           "\x90",
		"nothing in it":    "\x80",
		"no tick rate":     "\x84\xa6events\x90\xa5input\x82\xa6fields\x90\xa4name\xa0\xa4kind\xa1k\xa6tables\x90",
		"keys not rising":  "\x85\xa5input\x82\xa6fields\x90\xa4name\xa0\xa6events\x90\xa4kind\xa1k\xa6tables\x90\xa8tickRate\x0a",
		"a key twice":      "\x86\xa6events\x90\xa6events\x90\xa5input\x82\xa6fields\x90\xa4name\xa0\xa4kind\xa1k\xa6tables\x90\xa8tickRate\x0a",
		"false is written": "\x85\xa6events\x90\xa5input\x83\xa6fields\x90\xa8fleeting\xc2\xa4name\xa0\xa4kind\xa1k\xa6tables\x90\xa8tickRate\x0a",
		"no leaves":        strings.Replace(leaf(""), "\xa6leaves\x91", "\xa6leaves\x90", 1),
		"short leaf":       leaf("\x96\xa0\x01\x01\x00\x00\x01"),
		"type 0":           leaf("\x97\xa0\x00\x01\x00\x00\x01\x00"),
		"type 7":           leaf("\x97\xa0\x07\x01\x00\x00\x01\x00"),
		"bool of 8 bits":   leaf("\x97\xa0\x01\x08\x00\x00\x01\x00"),
		"bool up to 2":     leaf("\x97\xa0\x01\x01\x00\x00\x02\x00"),
		"int of 7 bits":    leaf("\x97\xa0\x02\x07\x00\x00\x01\x00"),
		"int8 to 128":      leaf("\x97\xa0\x02\x08\x00\x00\xcc\x80\x00"),
		"uint from -1":     leaf("\x97\xa0\x03\x08\x00\xff\x01\x00"),
		"uint64 to 2^53":   leaf("\x97\xa0\x03\x40\x00\x00\xcf\x00\x20\x00\x00\x00\x00\x00\x00\x00"),
		"min above max":    leaf("\x97\xa0\x02\x08\x00\x05\x04\x00"),
		"scale 3":          leaf("\x97\xa0\x04\x20\x03\x00\x01\x00"),
		"scale 0":          leaf("\x97\xa0\x04\x20\x00\x00\x01\x00"),
		"scale of an int":  leaf("\x97\xa0\x02\x20\x02\x00\x01\x00"),
		"table of an int":  leaf("\x97\xa0\x02\x20\x00\x00\x01\x01"),
		"ref to nowhere":   leaf("\x97\xa0\x05\x20\x00\x00\x01\x00"),
		"string of 256":    leaf("\x97\xa0\x06\x00\x00\x00\xcd\x01\x00\x00"),
		"string of 0":      leaf("\x97\xa0\x06\x00\x00\x00\x00\x00"),
		"name not UTF-8":   leaf("\x97\xa1\xff\x01\x01\x00\x00\x01\x00"),
		"huge array":       leaf("\xdd\xff\xff\xff\xff"),
	} {
		r := NewReader([]byte(b))
		if s, err := ReadSchema(&r); err == nil {
			t.Errorf("%s: accepted as %+v", name, s)
		}
	}
	r := NewReader([]byte(leaf("\x97\xa0\x01\x01\x00\x00\x01\x00")))
	if _, err := ReadSchema(&r); err != nil {
		t.Errorf("the frame of these tests: %v", err)
	}
}

// Broken in any byte, a schema is read as another or refused.
func TestSchemaBroken(t *testing.T) {
	b := AppendSchema(nil, battleSchema(t))
	rng := rand.New(rand.NewPCG(5, 6))
	for i := range b {
		broken := append([]byte{}, b...)
		broken[i] ^= byte(1 + rng.IntN(255))
		r := NewReader(broken)
		if s, err := ReadSchema(&r); err == nil {
			if again := AppendSchema(nil, s); len(again) > len(broken) {
				t.Fatalf("byte %d: %x re-encodes as %x", i, broken, again)
			}
		}
		r = NewReader(b[:i])
		if _, err := ReadSchema(&r); err == nil {
			t.Fatalf("%d of %d bytes accepted", i, len(b))
		}
	}
}
