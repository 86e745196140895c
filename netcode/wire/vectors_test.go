package wire_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/wire"
	"github.com/vmihailenco/msgpack/v5"
)

const vectorsFile = "testdata/vectors.json"

// vector is one line of testdata/vectors.json (PROTOCOL.md section 15).
type vector struct {
	Name  string          `json:"name"`
	Hex   string          `json:"hex"`
	Value json.RawMessage `json:"value,omitempty"` // what hex decodes to
	Error string          `json:"error,omitempty"` // why it is refused
}

type vectorSet struct {
	Elements        []vector `json:"elements"`        // one element each
	Messages        []vector `json:"messages"`        // a WebSocket message each; value lists its arrays
	Refused         []vector `json:"refused"`         // not an element in canonical form
	RefusedMessages []vector `json:"refusedMessages"` // not from a client
}

func element(name string, b []byte) vector {
	r := wire.NewReader(b)
	v, err := decode(&r)
	if err != nil || r.Len() > 0 {
		panic(fmt.Sprintf("vector %s: %v", name, err))
	}
	return vector{Name: name, Hex: hex.EncodeToString(b), Value: toJSON(v)}
}

func message(name string, b []byte) vector {
	list := []any{}
	for r := wire.NewReader(b); r.Len() > 0; {
		v, err := decode(&r)
		if err != nil {
			panic(fmt.Sprintf("vector %s: %v", name, err))
		}
		list = append(list, v)
	}
	return vector{Name: name, Hex: hex.EncodeToString(b), Value: toJSON(list)}
}

func toJSON(v any) json.RawMessage {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err)
	}
	return bytes.TrimSpace(out.Bytes())
}

func elementVectors() (list []vector) {
	ints := []int64{0, 1, 31, 32, 127, 128, 255, 256, 32767, 32768, 65535, 65536, math.MaxInt32, 1 << 31, math.MaxUint32, 1 << 32,
		wire.MaxSafe, 1 << 53, math.MaxInt64}
	for _, v := range ints {
		list = append(list, element(fmt.Sprint(v), wire.AppendInt(nil, v)))
	}
	list = append(list, element("18446744073709551615", wire.AppendUint(nil, math.MaxUint64)))
	for _, v := range []int64{-1, -32, -33, -128, -129, -32768, -32769, math.MinInt32, math.MinInt32 - 1, -wire.MaxSafe, -1 << 53, math.MinInt64} {
		list = append(list, element(fmt.Sprint(v), wire.AppendInt(nil, v)))
	}
	list = append(list, element("nil", wire.AppendNil(nil)), element("false", wire.AppendBool(nil, false)), element("true", wire.AppendBool(nil, true)))
	for _, n := range []int{0, 1, 31, 32, 255, 256} {
		list = append(list, element(fmt.Sprintf("str of %d", n), wire.AppendStr(nil, strings.Repeat("s", n))))
	}
	list = append(list, element("str beyond ASCII", wire.AppendStr(nil, "Żółw \U0001f422")))
	for _, n := range []int{0, 8, 255, 256} {
		list = append(list, element(fmt.Sprintf("bin of %d", n), wire.AppendBin(nil, bytes.Repeat([]byte{0xb5}, n))))
	}
	for _, n := range []int{0, 15, 16, 17} {
		b := wire.AppendArrayHead(nil, n)
		m := wire.AppendMapHead(nil, n)
		for i := range n {
			b = wire.AppendInt(b, int64(-i))
			m = wire.AppendInt(wire.AppendStr(m, fmt.Sprintf("k%02d", i)), int64(i))
		}
		list = append(list, element(fmt.Sprintf("array of %d", n), b), element(fmt.Sprintf("map of %d", n), m))
	}
	return list
}

func messageVectors() (list []vector) {
	by := map[string][]byte{}
	for _, ex := range examples() {
		by[ex.name] = ex.msg
		list = append(list, message(ex.name, ex.msg))
	}
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	full := wire.Hello{
		Kind: strings.Repeat("k", wire.MaxKind), Room: strings.Repeat("R", wire.MaxRoom), Name: strings.Repeat("é", wire.MaxName/2),
		Token: strings.Repeat("~", wire.MaxToken), Epoch: wire.MaxSafe, Tick: math.MaxUint32, SchemaHash: math.MaxUint64,
		Flags: math.MaxUint32, Auth: strings.Repeat("a", wire.MaxAuth), Params: game.Params{},
	}
	for i := range wire.MaxParams {
		full.Params[fmt.Sprintf("%0*d", wire.MaxParamKey, i)] = strings.Repeat("v", wire.MaxParamValue)
	}
	wide, mark := wire.BeginDelta(nil, math.MaxUint32)
	for i := range int64(70) {
		wide = wire.AppendInt(wide, i*i*i*i*i-1000)
	}
	wide = wire.EndDelta(wide, mark, 70)
	return append(list,
		message("largest hello", wire.AppendHello(nil, full)),
		message("spectator's hello", wire.AppendHello(nil, wire.Hello{Kind: "tanks", Room: "lobby", Flags: wire.FlagSpectate})),
		message("spectator's welcome", wire.AppendWelcome(nil, wire.Welcome{Room: "lobby", Epoch: 1, TickRate: 1, SchemaHash: 1})),
		message("one tick", join(by["delta"], by["event"], by["event"])),
		message("private part of a tick", join(by["self-delta"], by["event"])),
		message("empty delta", []byte{0x92, 3, 1}),
		message("a wide delta", wide),
		message("three inputs", join(by["input"], by["input-next"], by["input-next"])),
		message("idle input", wire.AppendInput(nil, wire.Input{DSeq: 1, DSeen: 1})),
		message("largest input head", wire.AppendInput(nil, wire.Input{DSeq: math.MaxUint32, DSeen: math.MinInt32, Mask: 1<<52 - 1})),
		message("unknown kinds", join([]byte{0x91, 99}, by["ping"], []byte{0x93, 0xcd, 0x03, 0xe8, 0x91, 0x80, 0xc4, 0x01, 0xff}, by["leave"])),
		message("trailing elements", []byte{0x95, 9, 1, 2, 0xa1, 'x', 0x81, 0xa1, 'k', 0xc0}),
		message("bye with a long text", wire.AppendBye(nil, wire.Bye{Code: 255, Text: strings.Repeat("é", 200), Retry: time.Hour})),
		message("resync with hash", wire.AppendResync(nil, wire.Resync{Tick: math.MaxUint32, Reason: 255, Hash: math.MaxUint32, Hashed: true})),
	)
}

func refusedElements() []vector {
	return []vector{
		{Name: "127 as uint 8", Hex: "cc7f"}, {Name: "255 as uint 16", Hex: "cd00ff"}, {Name: "65535 as uint 32", Hex: "ce0000ffff"},
		{Name: "2^32-1 as uint 64", Hex: "cf00000000ffffffff"}, {Name: "5 as int 8", Hex: "d005"}, {Name: "-32 as int 8", Hex: "d0e0"},
		{Name: "-128 as int 16", Hex: "d1ff80"}, {Name: "-32768 as int 32", Hex: "d2ffff8000"}, {Name: "-2^31 as int 64", Hex: "d3ffffffff80000000"},
		{Name: "short str as str 8", Hex: "d90161"}, {Name: "short str as str 16", Hex: "da000161"}, {Name: "short bin as bin 16", Hex: "c5000161"},
		{Name: "short array as array 16", Hex: "dc000101"}, {Name: "short map as map 16", Hex: "de0001a16b01"},
		{Name: "array of 2^32-1", Hex: "ddffffffff01"}, {Name: "map of 2^32-1", Hex: "dfffffffffa16b01"}, {Name: "str of 2^32-1", Hex: "dbffffffff61"},
		{Name: "unfinished array", Hex: "9201"}, {Name: "unfinished int", Hex: "cd01"}, {Name: "nothing", Hex: ""}, {Name: "the unused type", Hex: "c1"},
		{Name: "nested too deep", Hex: strings.Repeat("91", wire.MaxDepth) + "9101"},
	}
}

func refusedMessages() []vector {
	hello := "9c0101a574616e6b73a0a0a00000c000a0"
	return []vector{
		{Name: "no array", Hex: "01"}, {Name: "empty array", Hex: "90"}, {Name: "kind is a string", Hex: "91a131"}, {Name: "kind is negative", Hex: "91ff"},
		{Name: "garbage behind a message", Hex: "910cc1"}, {Name: "hello without params", Hex: "9b" + hello[2:]},
		{Name: "hello with room of a space", Hex: "9c0101a574616e6b73a120a0a00000c000a080"},
		{Name: "hello with kind in capitals", Hex: "9c0101a554616e6b73a0a0a00000c000a080"},
		{Name: "hello with name that is not UTF-8", Hex: "9c0101a574616e6b73a0a1ffa00000c000a080"},
		{Name: "hello with a line end in name", Hex: "9c0101a574616e6b73a0a10aa00000c000a080"},
		{Name: "hello with token of a space", Hex: "9c0101a574616e6b73a0a0a1200000c000a080"},
		{Name: "hello with epoch 2^53", Hex: "9c0101a574616e6b73a0a0a0cf002000000000000000c000a080"},
		{Name: "hello with tick 2^32", Hex: "9c0101a574616e6b73a0a0a000cf0000000100000000c000a080"},
		{Name: "hello with hash of zeros", Hex: "9c0101a574616e6b73a0a0a00000c408000000000000000000a080"},
		{Name: "hello with hash of 4 bytes", Hex: "9c0101a574616e6b73a0a0a00000c4040102030400a080"},
		{Name: "hello with params out of order", Hex: hello + "82a162a0a161a0"}, {Name: "hello with a param twice", Hex: hello + "82a161a0a161a0"},
		{Name: "hello with an empty key", Hex: hello + "81a0a0"}, {Name: "hello with a key of a space", Hex: hello + "81a120a0"},
		{Name: "hello with a param that is a number", Hex: hello + "81a16101"},
		{Name: "input with dseq 0", Hex: "9407000100"}, {Name: "input with dseq 2^32", Hex: "9407cf00000001000000000100"},
		{Name: "input with mask 2^52", Hex: "94070101cf0010000000000000"}, {Name: "input with negative mask", Hex: "94070101ff"},
		{Name: "input without mask", Hex: "93070101"}, {Name: "ping with negative id", Hex: "9309ff00"}, {Name: "ping without t", Hex: "920901"},
		{Name: "resync with reason 256", Hex: "940800cd0100c0"}, {Name: "resync with hash as str", Hex: "94080000a83030303030303030"}, {Name: "resync with hash 2^32", Hex: "94080000cf0000000100000000"},
	}
}

// readClient reads what a server reads and returns the first error.
func readClient(b []byte) error {
	m := wire.ReadMessages(b)
	for m.Next() {
		var err error
		switch m.Kind() {
		case wire.KindHello:
			_, err = wire.ReadHello(m.Reader(), m.Len())
		case wire.KindInput:
			_, err = wire.ReadInput(m.Reader(), m.Len())
		case wire.KindPing:
			_, err = wire.ReadPing(m.Reader(), m.Len())
		case wire.KindResync:
			_, err = wire.ReadResync(m.Reader(), m.Len())
		}
		if err != nil {
			return err
		}
	}
	return m.Err()
}

func makeVectors(t *testing.T) vectorSet {
	set := vectorSet{elementVectors(), messageVectors(), refusedElements(), refusedMessages()}
	for i := range set.Refused {
		r := wire.NewReader(unhex(t, set.Refused[i].Hex))
		set.Refused[i].Error = mustFail(t, set.Refused[i].Name, r.Skip())
	}
	for i := range set.RefusedMessages {
		v := &set.RefusedMessages[i]
		v.Error = mustFail(t, v.Name, readClient(unhex(t, v.Hex)))
	}
	return set
}

func mustFail(t *testing.T, name string, err error) string {
	t.Helper()
	if err == nil {
		t.Errorf("%s: accepted", name)
		return ""
	}
	return err.Error()
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// print writes a vector a line.
func (s vectorSet) print() []byte {
	var out bytes.Buffer
	out.WriteString("{")
	for i, part := range []struct {
		name string
		list []vector
	}{{"elements", s.Elements}, {"messages", s.Messages}, {"refused", s.Refused}, {"refusedMessages", s.RefusedMessages}} {
		fmt.Fprintf(&out, "%s\n%q: [", [...]string{"", ","}[min(i, 1)], part.name)
		for j, v := range part.list {
			fmt.Fprintf(&out, "%s\n  %s", [...]string{"", ","}[min(j, 1)], toJSON(v))
		}
		out.WriteString("\n]")
	}
	out.WriteString("\n}\n")
	return out.Bytes()
}

func TestVectors(t *testing.T) {
	want := makeVectors(t).print()
	if *update && !t.Failed() {
		if err := os.WriteFile(vectorsFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%s is out of date: go test -update ./netcode/wire", vectorsFile)
	}
	for _, v := range messageVectors() {
		if err := readClient(unhex(t, v.Hex)); err != nil {
			t.Errorf("%s: %v", v.Name, err)
		}
	}
}

// An independent decoder reads the vectors as the file says.
func TestVectorsByReference(t *testing.T) {
	for _, v := range append(elementVectors(), messageVectors()...) {
		d := msgpack.NewDecoder(bytes.NewReader(unhex(t, v.Hex)))
		list := []any{}
		for {
			x, err := d.DecodeInterface()
			if err != nil {
				break
			}
			list = append(list, plain(x))
		}
		got := string(toJSON(list))
		if want := string(v.Value); got != want && got != "["+want+"]" {
			t.Errorf("%s: the reference decodes %s, the file says %s", v.Name, got, want)
		}
	}
}

// plain is a value as decode has it.
func plain(v any) any {
	switch v := v.(type) {
	case []byte:
		return map[string]any{"$bin": hex.EncodeToString(v)}
	case uint64:
		if v > wire.MaxSafe {
			return map[string]any{"$int": fmt.Sprint(v)}
		}
	case int64:
		if v < -wire.MaxSafe {
			return map[string]any{"$int": fmt.Sprint(v)}
		}
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
	}
	return v
}
