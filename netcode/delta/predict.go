package delta

// predict guesses the next value of a number from its last three, newest first:
// as far again as it moved last, unless the same guess a step earlier would have
// been no better than none (PROTOCOL.md section 6.8; the rule is that of the
// ghost delta predictor of Unity's Netcode for Entities).
func (l *leafPlan) predict(b0, b1, b2 int64) int64 {
	step := l.diff(b1, b0)
	if step == 0 {
		return b0
	}
	miss := step - l.diff(b2, b1)
	if magnitude(miss) >= magnitude(step) {
		return b0
	}
	if v, ok := l.add(b0, step); ok {
		return v
	}
	return b0
}

// expect is predict for a number that does not wrap.
func (l *leafPlan) expect(b0, b1, b2 int64) int64 {
	step := b0 - b1
	if miss := step - (b1 - b2); magnitude(miss) < magnitude(step) {
		if v := b0 + step; v >= l.min && v <= l.max {
			return v
		}
	}
	return b0
}

func magnitude(v int64) int64 {
	if v < 0 {
		return -v
	}
	return v
}
