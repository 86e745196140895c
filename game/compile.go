package game

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
)

// role is what a struct type is declared for.
type role uint8

const (
	roleRow role = iota
	roleEvent
	roleInput
)

func (r role) String() string { return [...]string{"a replicated", "an event", "an input"}[r] }

// compiler turns one struct type into a plan and collects its mistakes.
type compiler struct {
	plan   *plan
	as     role
	errs   []error
	leaves int
	names  map[string]string // SDK name -> field
}

// compile makes the plan of struct type t. what names its declaration in
// errors. The plan is safe to use even if there are errors.
func compile(what string, as role, t reflect.Type) (*plan, []error) {
	c := &compiler{plan: &plan{what: what, typ: t}, as: as, names: map[string]string{}}
	switch {
	case t.Kind() != reflect.Struct:
		c.fail(t.String(), "not a struct")
	case t.Size() > MaxRowBytes:
		c.fail(t.Name(), "%d bytes, at most %d", t.Size(), MaxRowBytes)
	default:
		c.fields(t, 0, t.Name())
	}
	if n := len(c.plan.row.Fields); n > MaxFields {
		c.fail(t.Name(), "%d sent fields, at most %d: put some into nested structs or arrays", n, MaxFields)
	}
	if c.leaves > MaxLeaves {
		c.fail(t.Name(), "%d sent values, at most %d", c.leaves, MaxLeaves)
	}
	if n := len(c.plan.state); n > maxStateOps {
		c.fail(t.Name(), "too many separate values (%d, at most %d): use arrays of numbers", n, maxStateOps)
	}
	return c.plan, c.errs
}

func (c *compiler) fail(path, format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf("%s: %s: %s", c.plan.what, path, fmt.Sprintf(format, args...)))
}

// fields compiles the fields of a row, those of embedded structs among them.
func (c *compiler) fields(t reflect.Type, off uintptr, path string) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Name == "_" {
			continue
		}
		at, path := off+f.Offset, path+"."+f.Name
		raw, tagged := f.Tag.Lookup("net")
		if tagged && raw == "" {
			c.fail(path, `the tag net:"" says nothing`)
			continue
		}
		if f.Anonymous && f.Type.Kind() == reflect.Struct && !tagged {
			c.fields(f.Type, at, path)
			continue
		}
		tg, err := parseTag(raw)
		if err != nil {
			c.fail(path, "%v", err)
			continue
		}
		c.field(f, at, path, tg)
	}
}

// field compiles one field of the row: one bit of its mask, if it is sent.
func (c *compiler) field(f reflect.StructField, at uintptr, path string, tg *tag) {
	if c.as == roleRow && !tg.sent {
		if tg.scale != 0 || tg.low != "" || tg.pos || tg.show || tg.once {
			c.fail(path, "options of a field that is not sent: say all or owner")
		}
		c.value(f.Type, at, path, "", scope{}.inner(tg), nil)
		c.unused(tg, path, false)
		return
	}
	c.options(f, path, tg)
	name := sdkName(f.Name)
	if other, ok := c.names[name]; ok {
		c.fail(path, "has the SDK name %q, as %s", name, other)
	}
	c.names[name] = path
	field := Field{Name: name, Vis: tg.vis, Pos: tg.pos, Once: tg.once}
	first, errs := len(c.plan.ops), len(c.errs)
	c.value(f.Type, at, path, "", scope{}.inner(tg), &field)
	floats := 0
	for i := first; i < len(c.plan.ops); i++ {
		o := &c.plan.ops[i]
		o.show, o.owner, o.once = tg.show, tg.vis == VisOwner, tg.once
		if o.code == opF32 || o.code == opF64 {
			floats++
		}
	}
	if len(c.errs) == errs {
		if len(field.Leaves) == 0 {
			c.fail(path, "has nothing to send")
		}
		if tg.show && floats == 0 {
			c.fail(path, "show is for floats")
		}
		c.unused(tg, path, true)
	}
	c.plan.row.Fields = append(c.plan.row.Fields, field)
}

// options checks a sent field's tag against what the struct is for.
func (c *compiler) options(f reflect.StructField, path string, tg *tag) {
	if !f.IsExported() {
		c.fail(path, "%s field must be exported", c.as)
	}
	if tg.once && c.as != roleInput {
		c.fail(path, "once is for inputs")
	}
	if c.as == roleRow {
		return
	}
	if tg.pos || tg.show || tg.vis == VisOwner {
		c.fail(path, "owner, pos and show are for rows of tables")
	}
}

// unused reports options that fit nothing they were said for.
func (c *compiler) unused(tg *tag, path string, sent bool) {
	if tg.scale != 0 && !tg.usedScale && sent {
		c.fail(path, "quant= is for floats")
	}
	if tg.low != "" && !tg.usedRange && sent {
		c.fail(path, "range= is for numbers")
	}
	if tg.max != 0 && !tg.usedMax {
		c.fail(path, "max= is for strings")
	}
}

// value compiles whatever lies at an offset: a scalar, or what is inside an
// array or a struct. field is nil if it is not sent; name is the path in it.
func (c *compiler) value(t reflect.Type, at uintptr, path, name string, sc scope, field *Field) {
	code := codeOf(t)
	switch {
	case t.Kind() == reflect.Struct:
		c.nested(t, at, path, name, sc, field)
	case t.Kind() == reflect.Array:
		c.array(t, at, path, name, sc, field)
	case code == opNone:
		c.fail(path, "%s cannot be state: use numbers, bools, strings with max=, fixed arrays, structs and IDs", t)
	default:
		if code == opString {
			if sc.max == nil {
				c.fail(path, "a string needs max=N")
				return
			}
			sc.max.usedMax = true
		}
		if c.as == roleRow {
			c.plan.addState(code, at, 1, sc.max, path)
		}
		if field != nil {
			c.leaf(t, code, at, path, name, sc, field)
		} else if code == opString {
			c.plan.trims = append(c.plan.trims, leafOp{off: at, code: opString, maxLen: sc.max.max})
		}
	}
}

// nested compiles a struct inside a field.
func (c *compiler) nested(t reflect.Type, at uintptr, path, name string, sc scope, field *Field) {
	names := map[string]bool{}
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Name == "_" {
			continue
		}
		path := path + "." + f.Name
		tg, err := parseTag(f.Tag.Get("net"))
		if err != nil {
			c.fail(path, "%v", err)
			continue
		}
		if tg.sent || tg.pos || tg.show || tg.once {
			c.fail(path, "all, owner, pos, show and once belong to the field of the row that this is part of")
		}
		inner, leaf := field, sdkName(f.Name)
		if !f.IsExported() {
			if inner = nil; c.as != roleRow {
				c.fail(path, "%s field must be exported", c.as)
			}
		} else if names[leaf] {
			c.fail(path, "has the SDK name %q twice", leaf)
		}
		names[leaf] = true
		errs := len(c.errs)
		c.value(f.Type, at+f.Offset, path, join(name, leaf), sc.inner(tg), inner)
		if len(c.errs) == errs {
			c.unused(tg, path, inner != nil)
		}
	}
}

// array compiles the elements of a fixed array.
func (c *compiler) array(t reflect.Type, at uintptr, path, name string, sc scope, field *Field) {
	n, elem := t.Len(), t.Elem()
	if field != nil && n > MaxLeaves {
		c.fail(path, "%d elements, at most %d sent values in a row", n, MaxLeaves)
		return
	}
	if code := codeOf(elem); field == nil && code != opNone && code != opString {
		if n > 0 {
			c.plan.addState(code, at, n, nil, path)
		}
		return
	}
	for i := range n {
		errs := len(c.errs)
		c.value(elem, at+uintptr(i)*elem.Size(), path, join(name, strconv.Itoa(i)), sc, field)
		if len(c.errs) > errs || c.leaves > MaxLeaves || len(c.plan.state) > maxStateOps {
			return // every element would say the same
		}
	}
}

func join(name, leaf string) string {
	if name == "" {
		return leaf
	}
	return name + "." + leaf
}

// leaf compiles one sent scalar.
func (c *compiler) leaf(t reflect.Type, code opCode, at uintptr, path, name string, sc scope, field *Field) {
	l := Leaf{Name: name, Lane: c.plan.row.Lanes, Lanes: 1}
	o := leafOp{off: at, code: code, raw: code}
	switch {
	case isRef(t):
		l.Type, l.Bits, l.Max = LeafRef, 32, math.MaxUint32
		if c.as == roleInput {
			l.Max = MaxRows
		}
		c.plan.refs = append(c.plan.refs, refPlan{
			row: rowType(t), op: len(c.plan.ops), field: len(c.plan.row.Fields), leaf: len(field.Leaves), path: path,
		})
	case code == opBool:
		l.Type, l.Bits, l.Max = LeafBool, 1, 1
	case code == opString:
		l.Type, l.MaxLen, l.Max = LeafString, sc.max.max, int64(sc.max.max)
		l.Lanes = 1 + (l.MaxLen+3)/4
		o.maxLen = l.MaxLen
	case code == opF32 || code == opF64:
		if !c.fixed(&l, &o, path, sc) {
			return
		}
	default:
		if !c.integer(&l, &o, t, path, sc) {
			return
		}
	}
	if field.Pos && (l.Type == LeafBool || l.Type == LeafString || l.Type == LeafRef) {
		c.fail(path, "pos is for numbers")
	}
	o.lane, o.lanes, o.min, o.max = int32(l.Lane), int32(l.Lanes), l.Min, l.Max
	o.ref = l.Type == LeafRef
	c.plan.row.Lanes += l.Lanes
	c.leaves++
	c.plan.ops = append(c.plan.ops, o)
	c.plan.paths = append(c.plan.paths, path)
	field.Leaves = append(field.Leaves, l)
}

// fixed sets the quanta and the range of a float.
func (c *compiler) fixed(l *Leaf, o *leafOp, path string, sc scope) bool {
	if sc.scale == nil {
		c.fail(path, "%s float needs quant=1/N", c.as)
		return false
	}
	sc.scale.usedScale = true
	l.Type, l.Scale = LeafFixed, sc.scale.scale
	l.Bits = 32
	if o.code == opF64 {
		l.Bits = 64
	}
	l.Min, l.Max = math.MinInt32, math.MaxInt32
	o.scale, o.inv = float64(l.Scale), 1/float64(l.Scale)
	if sc.rng != nil {
		sc.rng.usedRange = true
		low, err1 := strconv.ParseFloat(sc.rng.low, 64)
		high, err2 := strconv.ParseFloat(sc.rng.high, 64)
		low, high = math.Ceil(low*o.scale), math.Floor(high*o.scale)
		if err1 != nil || err2 != nil || !(low < high) || low < math.MinInt32 || high > math.MaxInt32 {
			c.fail(path, "range=%s..%s is not a range of 32-bit multiples of 1/%d", sc.rng.low, sc.rng.high, l.Scale)
			return false
		}
		l.Min, l.Max = int64(low), int64(high)
	}
	o.fmin, o.fmax = float64(l.Min), float64(l.Max)
	return true
}

// integer sets the width and the range of a whole number.
func (c *compiler) integer(l *Leaf, o *leafOp, t reflect.Type, path string, sc scope) bool {
	l.Type, l.Bits = LeafInt, o.code.bits()
	if strings.HasPrefix(t.Kind().String(), "uint") {
		l.Type = LeafUint
		l.Max = 1<<l.Bits - 1 // of 64 bits: replaced below
	} else {
		l.Max = 1<<(l.Bits-1) - 1
		l.Min = -l.Max - 1
	}
	if l.Bits == 64 {
		l.Lanes = 2
		l.Max = MaxSafeInt
		if l.Type == LeafInt {
			l.Min = -MaxSafeInt
		}
	}
	if sc.rng != nil {
		sc.rng.usedRange = true
		low, err1 := strconv.ParseInt(sc.rng.low, 10, 64)
		high, err2 := strconv.ParseInt(sc.rng.high, 10, 64)
		if err1 != nil || err2 != nil || low >= high || low < l.Min || high > l.Max {
			c.fail(path, "range=%s..%s is not a range of %s within %d..%d", sc.rng.low, sc.rng.high, t, l.Min, l.Max)
			return false
		}
		l.Min, l.Max = low, high
	}
	if sc.rng != nil || l.Bits == 64 {
		o.code = opRanged
	}
	return true
}
