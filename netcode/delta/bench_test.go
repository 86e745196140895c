package delta

import (
	"fmt"
	"testing"

	"github.com/roomd/roomd/netcode/wire"
)

// BenchmarkEncode is one delta of a tick in which every tank moves.
func BenchmarkEncode(b *testing.B) {
	for _, rows := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) {
			s := tankSchema()
			ring, enc := movingTanks(s, rows), NewEncoder(s)
			base, cur := ring.At(1), ring.At(2)
			var body []byte
			b.ReportAllocs()
			for b.Loop() {
				body, _ = enc.AppendBody(body[:0], base, seen, cur, seen)
			}
			b.ReportMetric(float64(len(body))/float64(rows), "B/row")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(rows), "ns/row")
		})
	}
}

// BenchmarkEncodeStill is one delta of a tick in which nothing changes.
func BenchmarkEncodeStill(b *testing.B) {
	const rows = 1000
	s := tankSchema()
	ring, enc := movingTanks(s, rows), NewEncoder(s)
	cur := ring.At(2)
	for b.Loop() {
		enc.AppendBody(nil, cur, seen, cur, seen)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
}

// BenchmarkEncodePrivate is one seat's private part, a third of all rows.
func BenchmarkEncodePrivate(b *testing.B) {
	const rows = 100
	s := tankSchema()
	ring, enc := movingTanks(s, rows), NewEncoder(s)
	base, cur := ring.At(1), ring.At(2)
	var body []byte
	for b.Loop() {
		body, _ = enc.AppendBody(body[:0], base, mine, cur, mine)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(rows/3), "ns/row")
}

// BenchmarkApply is what a viewer does with BenchmarkEncode's delta and its
// reverse.
func BenchmarkApply(b *testing.B) {
	const rows = 100
	s := tankSchema()
	ring, enc := movingTanks(s, rows), NewEncoder(s)
	first, second := ring.At(1), ring.At(2)
	state := NewState(s)
	start, n := enc.AppendBody(nil, nil, View{}, first, seen)
	if err := applyBody(state, start, n); err != nil {
		b.Fatal(err)
	}
	there, thereN := enc.AppendBody(nil, first, seen, second, seen)
	back, backN := enc.AppendBody(nil, second, seen, first, seen)
	b.ReportAllocs()
	for b.Loop() {
		r := wire.NewReader(there)
		if err := state.Apply(&r, thereN); err != nil {
			b.Fatal(err)
		}
		r = wire.NewReader(back)
		if err := state.Apply(&r, backN); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(2*rows), "ns/row")
}

// BenchmarkDecodeInput is one input of which two fields changed.
func BenchmarkDecodeInput(b *testing.B) {
	s := tankSchema()
	prev, out := inputRow(s), inputRow(s)
	in := wire.Input{Mask: 0b10, Values: ints(5)}
	b.ReportAllocs()
	for b.Loop() {
		if err := DecodeInput(&s.Input, prev, in, out); err != nil {
			b.Fatal(err)
		}
	}
}
