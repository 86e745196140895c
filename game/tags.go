package game

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"unicode"
)

// tag is a parsed `net:"..."`. The used flags tell whether an option found a
// leaf that it fits, in this field or inside it.
type tag struct {
	sent      bool // all or owner
	vis       Visibility
	scale     uint32 // quant=1/N, 0 for none
	low, high string // range=low..high
	max       int    // 0 for none
	pos       bool
	show      bool
	once      bool

	usedScale, usedRange, usedMax bool
}

// parseTag reads the options, separated by commas, in any order and each once.
func parseTag(s string) (*tag, error) {
	t := &tag{}
	if s == "" {
		return t, nil
	}
	seen := map[string]bool{}
	for option := range strings.SplitSeq(s, ",") {
		key, value, hasValue := strings.Cut(option, "=")
		kind := key
		if key == "owner" {
			kind = "all"
		}
		if seen[kind] {
			return nil, fmt.Errorf("tag %q says %s twice", s, key)
		}
		seen[kind] = true
		if hasValue != (key == "quant" || key == "range" || key == "max") {
			return nil, fmt.Errorf("unknown tag option %q", option)
		}
		if err := t.set(key, value); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (t *tag) set(key, value string) error {
	switch key {
	case "all":
		t.sent = true
	case "owner":
		t.sent, t.vis = true, VisOwner
	case "pos":
		t.pos = true
	case "show":
		t.show = true
	case "once":
		t.once = true
	case "quant":
		return t.setQuant(value)
	case "range":
		var ok bool
		if t.low, t.high, ok = strings.Cut(value, ".."); !ok || t.low == "" || t.high == "" {
			return fmt.Errorf("range=%s is not range=a..b", value)
		}
	case "max":
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 || n > MaxString {
			return fmt.Errorf("max=%s is not a number of bytes from 1 to %d", value, MaxString)
		}
		t.max = n
	default:
		return fmt.Errorf("unknown tag option %q", key)
	}
	return nil
}

func (t *tag) setQuant(value string) error {
	n := uint64(1)
	if value != "1" {
		var err error
		if n, err = strconv.ParseUint(strings.TrimPrefix(value, "1/"), 10, 32); err != nil || !strings.HasPrefix(value, "1/") {
			return fmt.Errorf("quant=%s is not quant=1/N", value)
		}
	}
	if bits.OnesCount64(n) != 1 || n > MaxScale {
		return fmt.Errorf("quant=%s: N must be a power of two up to %d", value, MaxScale)
	}
	t.scale = uint32(n)
	return nil
}

// scope holds, for each option that reaches inward, the nearest tag that has it:
// a field's own before those of the fields around it.
type scope struct{ scale, rng, max *tag }

func (sc scope) inner(t *tag) scope {
	if t.scale != 0 {
		sc.scale = t
	}
	if t.low != "" {
		sc.rng = t
	}
	if t.max != 0 {
		sc.max = t
	}
	return sc
}

// sdkName is a Go field's name in the SDK: its leading run of capitals is
// lowered as Go writes initialisms, so HP is hp, HitPoints is hitPoints and
// HPMax is hpMax.
func sdkName(s string) string {
	r := []rune(s)
	run := 0
	for run < len(r) && unicode.IsUpper(r[run]) {
		run++
	}
	if run > 1 && run < len(r) && unicode.IsLower(r[run]) {
		run--
	}
	for i := range run {
		r[i] = unicode.ToLower(r[i])
	}
	return string(r)
}
