package wire_test

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/roomd/roomd/netcode/wire"
)

// decode reads one element of any type sent in version 1 as JSON has it
// (PROTOCOL.md section 15).
func decode(r *wire.Reader) (any, error) {
	switch r.Peek() {
	case wire.TypeNil:
		return nil, r.ReadNil()
	case wire.TypeBool:
		return r.ReadBool()
	case wire.TypeUint:
		v, err := r.ReadUint()
		if v > wire.MaxSafe {
			return map[string]any{"$int": fmt.Sprint(v)}, err
		}
		return v, err
	case wire.TypeNeg:
		v, err := r.ReadInt()
		if v < -wire.MaxSafe {
			return map[string]any{"$int": fmt.Sprint(v)}, err
		}
		return v, err
	case wire.TypeStr:
		s, err := r.ReadStr(r.Len())
		return string(s), err
	case wire.TypeBin:
		b, err := r.ReadBin(r.Len())
		return map[string]any{"$bin": hex.EncodeToString(b)}, err
	case wire.TypeArray:
		n, err := r.ReadArrayHead()
		list := make([]any, 0, n)
		for range n {
			if err != nil {
				break
			}
			var v any
			v, err = decode(r)
			list = append(list, v)
		}
		return list, err
	case wire.TypeMap:
		n, err := r.ReadMapHead()
		m := make(map[string]any, n)
		for range n {
			if err != nil {
				break
			}
			var k []byte
			if k, err = r.ReadStr(r.Len()); err == nil {
				m[string(k)], err = decode(r)
			}
		}
		return m, err
	}
	return nil, wire.ErrType
}

// dumper prints elements as lines of bytes and their meaning.
type dumper struct {
	out    *strings.Builder
	r      wire.Reader
	indent string
}

const dumpBytes = 16 // on a line

func (d *dumper) line(b []byte, format string, args ...any) {
	for first := true; first || len(b) > 0; first = false {
		part := b[:min(len(b), dumpBytes)]
		b = b[len(part):]
		text := ""
		if first {
			text = "# " + d.indent + fmt.Sprintf(format, args...)
		}
		fmt.Fprintln(d.out, strings.TrimRight(fmt.Sprintf("%-*s  %s", 3*dumpBytes-1, fmt.Sprintf("% x", part), text), " "))
	}
}

// message prints a message whose elements after the kind are labelled.
func (d *dumper) message(labels []string) {
	before := d.r
	n, err := d.r.ReadArrayHead()
	if err != nil {
		panic(err)
	}
	d.head(before, "array of %d", n)
	before = d.r
	kind, _ := d.r.ReadUint()
	d.head(before, "%s", wire.Kind(kind))
	if labels[0] == "" {
		labels = nil
	}
	if len(labels) != n-1 {
		panic(fmt.Sprintf("%s: %d labels for %d elements", wire.Kind(kind), len(labels), n-1))
	}
	for _, l := range labels {
		d.element(l)
	}
	if d.r.Len() > 0 {
		panic("bytes behind the message")
	}
}

// head prints what was read since before.
func (d *dumper) head(before wire.Reader, format string, args ...any) {
	d.line(before.Rest()[:before.Len()-d.r.Len()], format, args...)
}

func (d *dumper) element(label string) {
	before := d.r
	switch d.r.Peek() {
	case wire.TypeMap:
		n, _ := d.r.ReadMapHead()
		d.head(before, "%s: map of %d", label, n)
		d.indent += "  "
		for range n {
			before := d.r
			key, _ := d.r.ReadStr(99)
			if t := d.r.Peek(); t == wire.TypeMap || t == wire.TypeArray {
				d.head(before, "%q", key)
				d.element("value")
				continue
			}
			v, _ := decode(&d.r)
			d.head(before, "%q: %s", key, show(v))
		}
		d.indent = d.indent[2:]
	case wire.TypeArray:
		n, _ := d.r.ReadArrayHead()
		ahead := d.r
		if t := ahead.Peek(); n == 0 || t != wire.TypeMap && t != wire.TypeArray {
			d.r = before
			v, _ := decode(&d.r)
			d.head(before, "%s", show(v))
			return
		}
		d.head(before, "%s: array of %d", label, n)
		d.indent += "  "
		for i := range n {
			d.element(fmt.Sprint(i))
		}
		d.indent = d.indent[2:]
	default:
		v, err := decode(&d.r)
		if err != nil {
			panic(err)
		}
		if told, ok := strings.CutPrefix(label, "="); ok {
			d.head(before, "%s", told)
			return
		}
		d.head(before, "%s %s", label, show(v))
	}
}

// show is a value in a comment.
func show(v any) string {
	switch v := v.(type) {
	case nil:
		return "nil"
	case string:
		return fmt.Sprintf("%q", v)
	case map[string]any:
		if b, ok := v["$bin"]; ok {
			return fmt.Sprintf("bin of %d", len(b.(string))/2)
		}
	case []any:
		parts := make([]string, len(v))
		for i := range v {
			parts[i] = show(v[i])
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return fmt.Sprint(v)
}
