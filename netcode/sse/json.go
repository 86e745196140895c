package sse

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/delta"
)

// rowJSON writes rows of one table, or events of one type, as JSON objects:
// fields by name, arrays and nested structs as the SDK shows them.
type rowJSON struct {
	name   string // quoted
	fields []fieldJSON
}

type fieldJSON struct {
	key    string // quoted, with colon
	leaves []*game.Leaf
	value  []part
}

// part is text to be written before the value of a leaf; leaf nil: only text.
type part struct {
	text string
	leaf *game.Leaf
}

func newRowJSON(r *game.RowSchema) rowJSON {
	j := rowJSON{name: quote(r.Name)}
	for i := range r.Fields {
		f := &r.Fields[i]
		root := &node{}
		out := fieldJSON{key: quote(f.Name) + ":"}
		for k := range f.Leaves {
			l := &f.Leaves[k]
			out.leaves = append(out.leaves, l)
			root.add(l.Name, l)
		}
		out.value = root.parts(nil)
		j.fields = append(j.fields, out)
	}
	return j
}

// node is a place in the tree of a field's leaves, whose names are paths such as
// "3.x".
type node struct {
	leaf  *game.Leaf
	names []string
	under []*node
}

func (n *node) add(path string, l *game.Leaf) {
	if path == "" {
		n.leaf = l
		return
	}
	name, rest, _ := strings.Cut(path, ".")
	if k := len(n.names); k == 0 || n.names[k-1] != name { // leaves of one element follow each other
		n.names = append(n.names, name)
		n.under = append(n.under, &node{})
	}
	n.under[len(n.under)-1].add(rest, l)
}

// parts flattens the tree into texts and leaves.
func (n *node) parts(list []part) []part {
	if n.leaf != nil {
		return append(list, part{leaf: n.leaf})
	}
	_, err := strconv.Atoi(n.names[0])
	array := err == nil
	open, end := "{", "}"
	if array {
		open, end = "[", "]"
	}
	for i, u := range n.under {
		text := ","
		if i == 0 {
			text = open
		}
		if !array {
			text += quote(n.names[i]) + ":"
		}
		list = u.parts(append(list, part{text: text}))
	}
	return append(list, part{text: end})
}

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // of a string: cannot be
	}
	return string(b)
}

// appendRow appends the fields in which row differs from old, all of them if old
// is nil, as the inside of an object. It reports whether there were any.
func (j *rowJSON) appendRow(dst []byte, old, row []int32) ([]byte, bool) {
	any := false
	for i := range j.fields {
		f := &j.fields[i]
		if old != nil && f.same(old, row) {
			continue
		}
		if any {
			dst = append(dst, ',')
		}
		any = true
		dst = f.append(append(dst, f.key...), row)
	}
	return dst, any
}

func (f *fieldJSON) same(a, b []int32) bool {
	for _, l := range f.leaves {
		for i := l.Lane; i < l.Lane+l.Lanes; i++ {
			if a[i] != b[i] {
				return false
			}
		}
	}
	return true
}

func (f *fieldJSON) append(dst []byte, row []int32) []byte {
	for _, p := range f.value {
		dst = append(dst, p.text...)
		if p.leaf != nil {
			dst = appendLeaf(dst, p.leaf, row)
		}
	}
	return dst
}

// appendLeaf appends a scalar. A reference in row is the index + 1, as viewers
// hold it, and shown as the index, or null for none.
func appendLeaf(dst []byte, l *game.Leaf, row []int32) []byte {
	v := l.Get(row)
	switch l.Type {
	case game.LeafBool:
		return strconv.AppendBool(dst, v != 0)
	case game.LeafFixed:
		return strconv.AppendFloat(dst, float64(v)/float64(l.Scale), 'f', -1, 64)
	case game.LeafRef:
		if v == 0 {
			return append(dst, "null"...)
		}
		return strconv.AppendInt(dst, v-1, 10)
	case game.LeafString:
		return appendText(dst, l.AppendString(nil, row))
	}
	return strconv.AppendInt(dst, v, 10)
}

// appendText appends a JSON string. Line ends become escapes, so that a payload
// is one line of an event stream.
func appendText(dst, text []byte) []byte {
	b, err := json.Marshal(string(text))
	if err != nil {
		panic(err) // of a string: cannot be
	}
	return append(dst, b...)
}

// appendTables appends the tables of now as an object; if old is not nil only
// what differs: rows that are gone as null, rows that are another one than
// before whole and marked "$new".
func appendTables(dst []byte, tables []rowJSON, old, now *delta.State) []byte {
	dst = append(dst, '{')
	first := true
	for t := range tables {
		n := len(dst)
		if !first {
			dst = append(dst, ',')
		}
		dst = append(append(dst, tables[t].name...), ':', '{')
		head := len(dst)
		dst = appendRows(dst, &tables[t], t, old, now)
		if len(dst) == head && old != nil {
			dst = dst[:n]
			continue
		}
		dst = append(dst, '}')
		first = false
	}
	return append(dst, '}')
}

func appendRows(dst []byte, table *rowJSON, t int, old, now *delta.State) []byte {
	first := true
	key := func(dst []byte, r int) []byte {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		return append(strconv.AppendInt(append(dst, '"'), int64(r), 10), '"', ':')
	}
	end := now.End(t)
	if old != nil {
		end = max(end, old.End(t))
	}
	for r := range end {
		row, ok := now.Row(t, r)
		var before []int32
		was := false
		if old != nil {
			before, was = old.Row(t, r)
		}
		switch {
		case !ok && was:
			dst = append(key(dst, r), "null"...)
		case !ok:
		case !was:
			dst, _ = table.appendRow(append(key(dst, r), '{'), nil, row)
			dst = append(dst, '}')
		case old.Life(t, r) != now.Life(t, r):
			dst = append(key(dst, r), `{"$new":true,`...)
			n := len(dst)
			if dst, ok = table.appendRow(dst, nil, row); !ok {
				dst = dst[:n-1]
			}
			dst = append(dst, '}')
		default:
			mark, unmoved := len(dst), first
			dst = append(key(dst, r), '{')
			if dst, ok = table.appendRow(dst, before, row); !ok {
				dst, first = dst[:mark], unmoved
				continue
			}
			dst = append(dst, '}')
		}
	}
	return dst
}
