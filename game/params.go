package game

import (
	"math"
	"strconv"
)

// Params are small named settings: of a room (map, mode), of a hello, of a
// summary. Those from players are untrusted. The helpers read a nil Params and
// give the default for what is absent or malformed.
type Params map[string]string

// String is the value of key, or def when there is none.
func (p Params) String(key, def string) string {
	if v, ok := p[key]; ok {
		return v
	}
	return def
}

// Int is the decimal number at key, or def.
func (p Params) Int(key string, def int) int {
	if v, err := strconv.Atoi(p[key]); err == nil {
		return v
	}
	return def
}

// Float is the finite number at key, or def.
func (p Params) Float(key string, def float64) float64 {
	v, err := strconv.ParseFloat(p[key], 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return def
	}
	return v
}

// Bool is the truth of key (1, t, true, 0, f, false), or def.
func (p Params) Bool(key string, def bool) bool {
	if v, err := strconv.ParseBool(p[key]); err == nil {
		return v
	}
	return def
}
