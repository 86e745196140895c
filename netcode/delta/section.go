package delta

import (
	"math/bits"

	"github.com/roomd/roomd/netcode/wire"
)

// A table's section of a body: what an Encoder notes of a table, and how that is
// laid out (PROTOCOL.md section 6.4).

// Flags of a section's first element.
const (
	hasRemoved  = 1 << iota // a set of rows
	hasStrays               // rows with masks of their own
	hasGroups               // rows with the same mask
	sectionBits = iota
)

// wordBits is the number of rows that one word of a bitmap stands for: as many
// as a number of one byte holds.
const wordBits = 7

// words is the number of words of a bitmap of n rows.
func words(n int) int { return (n + wordBits - 1) / wordBits }

// section collects the changes of one table. Values are encoded once, in order
// of row and field, and then copied to where the layout wants them.
type section struct {
	num     int // of the table
	plan    *rowPlan
	removed []int32  // rows, rising
	changes []change // by rising row
	values  []byte   // of all changes
	lens    []int32  // bytes of each changed field's value
	elems   int      // elements in values
	groups  []group
	rows    []int32 // of all groups
	left    []int32 // changes in groups that are not yet appended
	members []int32 // and those of the running group
}

// change is one row that spawned or changed.
type change struct {
	row   int32
	at    int32 // in values: what is not yet copied
	field int32 // in lens: likewise
	group int16 // its rank, or stray
	spawn bool
	mask  uint64 // of fields
}

const stray = -1

// code is the mask as it is sent: below zero for a row that spawned.
func (c *change) code() int64 {
	if c.spawn {
		return -1 - int64(c.mask)
	}
	return int64(c.mask)
}

// group is the changes of one code.
type group struct {
	code int64
	n    int
}

func (s *section) reset(num int, plan *rowPlan) {
	s.num, s.plan, s.elems = num, plan, 0
	s.removed, s.changes, s.values, s.lens = s.removed[:0], s.changes[:0], s.values[:0], s.lens[:0]
}

// sectionMark is a state of a section to which undo returns.
type sectionMark struct{ changes, values, lens, elems int }

func (s *section) mark() sectionMark {
	return sectionMark{len(s.changes), len(s.values), len(s.lens), s.elems}
}

func (s *section) undo(m sectionMark) {
	s.changes, s.values, s.lens, s.elems = s.changes[:m.changes], s.values[:m.values], s.lens[:m.lens], m.elems
}

// headSize is the bytes of the newest change's gap and mask.
func (s *section) headSize() int {
	c := &s.changes[len(s.changes)-1]
	gap := c.row
	if len(s.changes) > 1 {
		gap -= s.changes[len(s.changes)-2].row + 1
	}
	return intSize(int64(gap)) + intSize(c.code())
}

// appendTo appends the section and returns its number of elements, 0 for a table
// without changes.
func (s *section) appendTo(dst []byte) ([]byte, int) {
	if len(s.removed)+len(s.changes) == 0 {
		return dst, 0
	}
	grouped := s.group()
	flags := 0
	if len(s.removed) > 0 {
		flags |= hasRemoved
	}
	if len(s.changes) > grouped {
		flags |= hasStrays
	}
	if grouped > 0 {
		flags |= hasGroups
	}
	dst = wire.AppendUint(dst, uint64(s.num<<sectionBits|flags))
	n := 1 + s.elems
	if flags&hasRemoved != 0 {
		dst, n = appendSet(dst, n, s.removed)
	}
	if flags&hasStrays != 0 {
		dst, n = s.appendStrays(dst, n, len(s.changes)-grouped)
	}
	if flags&hasGroups != 0 {
		dst, n = s.appendGroups(dst, n)
	}
	return dst, n
}

// group gives each change its group's rank, or makes it a stray, and returns the
// number of changes in groups. Ranks are places in s.groups.
func (s *section) group() int {
	s.groups = s.groups[:0]
	for i := range s.changes {
		s.changes[i].group = stray
		if len(s.changes) >= minGroup {
			s.changes[i].group = s.find(s.changes[i].code())
		}
	}
	rank, grouped := s.rank()
	for i := range s.changes {
		if c := &s.changes[i]; c.group != stray {
			c.group = rank[c.group]
		}
	}
	return grouped
}

// rank keeps the groups that are worth their heads, the largest first, since
// each bitmap is as long as the rows that are left. It returns the rank of each
// group as it was before, and the number of changes in those kept.
func (s *section) rank() (rank [maxGroups]int16, grouped int) {
	var order [maxGroups]int16
	for i := range s.groups {
		at := i
		for ; at > 0 && s.groups[order[at-1]].n < s.groups[i].n; at-- {
			order[at] = order[at-1]
		}
		order[at] = int16(i)
		rank[i] = stray
	}
	var kept [maxGroups]group
	n := 0
	for _, i := range order[:len(s.groups)] {
		g := s.groups[i]
		if !g.pays(len(s.changes)-grouped, n == 0) {
			break
		}
		kept[n], rank[i] = g, int16(n)
		grouped += g.n
		n++
	}
	s.groups = append(s.groups[:0], kept[:n]...)
	return rank, grouped
}

// find counts a change into the group of its code, or makes it a stray when
// there are too many groups.
func (s *section) find(code int64) int16 {
	for i := range s.groups {
		if s.groups[i].code == code {
			s.groups[i].n++
			return int16(i)
		}
	}
	if len(s.groups) == maxGroups {
		return stray
	}
	s.groups = append(s.groups, group{code, 1})
	return int16(len(s.groups) - 1)
}

// pays reports whether a group is smaller than its rows as strays, when left
// rows are not in larger groups.
func (g *group) pays(left int, first bool) bool {
	if g.n < minGroup {
		return false
	}
	mask := intSize(g.code)
	heads := mask + words(left)/2
	if first {
		heads = mask + 2 // the number of groups, the head of the set
	}
	return g.n*mask+g.n/2 > heads
}

func intSize(v int64) int {
	switch {
	case v >= -32 && v < 1<<7:
		return 1
	case v >= -1<<7 && v < 1<<8:
		return 2
	case v >= -1<<15 && v < 1<<16:
		return 3
	case v >= -1<<31 && v < 1<<32:
		return 5
	}
	return 9
}

func (s *section) appendStrays(dst []byte, n, strays int) ([]byte, int) {
	dst = wire.AppendUint(dst, uint64(strays))
	last := int32(-1)
	for i := range s.changes {
		c := &s.changes[i]
		if c.group != stray {
			continue
		}
		dst = wire.AppendUint(dst, uint64(c.row-last-1))
		last = c.row
		dst = wire.AppendInt(dst, c.code())
		size := int32(0)
		for _, l := range s.lens[c.field : int(c.field)+bits.OnesCount64(c.mask)] {
			size += l
		}
		dst = append(dst, s.values[c.at:c.at+size]...)
	}
	return dst, n + 1 + 2*strays
}

// appendGroups appends the rows of all groups, then for each its mask, which of
// the rows left it has, and its values field by field.
func (s *section) appendGroups(dst []byte, n int) ([]byte, int) {
	dst = wire.AppendUint(dst, uint64(len(s.groups)))
	s.rows, s.left = s.rows[:0], s.left[:0]
	for i := range s.changes {
		if s.changes[i].group != stray {
			s.rows = append(s.rows, s.changes[i].row)
			s.left = append(s.left, int32(i))
		}
	}
	dst, n = appendSet(dst, n+1, s.rows)
	for rank := range s.groups {
		g := &s.groups[rank]
		dst = wire.AppendInt(dst, g.code)
		n++
		s.members = s.members[:0]
		if rank == len(s.groups)-1 {
			s.members = append(s.members, s.left...)
		} else {
			n += words(len(s.left))
			dst = s.appendMembers(dst, int16(rank))
		}
		dst = s.appendColumns(dst, g.code)
	}
	return dst, n
}

// appendMembers appends a bitmap of which rows left are in the group of that
// rank, and takes them out.
func (s *section) appendMembers(dst []byte, rank int16) []byte {
	word, bit, rest := byte(0), 0, s.left[:0]
	for _, i := range s.left {
		if s.changes[i].group == rank {
			word |= 1 << bit
			s.members = append(s.members, i)
		} else {
			rest = append(rest, i)
		}
		if bit++; bit == wordBits {
			dst = append(dst, word)
			word, bit = 0, 0
		}
	}
	s.left = rest
	if bit > 0 {
		dst = append(dst, word)
	}
	return dst
}

func (s *section) appendColumns(dst []byte, code int64) []byte {
	if code < 0 {
		code = -1 - code
	}
	for range bits.OnesCount64(uint64(code)) {
		for _, i := range s.members {
			c := &s.changes[i]
			size := s.lens[c.field]
			if size == 1 {
				dst = append(dst, s.values[c.at])
			} else {
				dst = append(dst, s.values[c.at:c.at+size]...)
			}
			c.at += size
			c.field++
		}
	}
	return dst
}

// appendSet appends a set of rising rows as gaps or as bitmap, whichever is
// smaller, gaps if equal, and returns n plus its number of elements.
func appendSet(dst []byte, n int, rows []int32) ([]byte, int) {
	size, last := 0, int32(-1)
	for _, r := range rows {
		size += intSize(int64(r - last - 1))
		last = r
	}
	k := words(int(last) + 1)
	if intSize(int64(len(rows)))+size <= intSize(int64(-k))+k {
		dst = wire.AppendUint(dst, uint64(len(rows)))
		last = -1
		for _, r := range rows {
			dst = wire.AppendUint(dst, uint64(r-last-1))
			last = r
		}
		return dst, n + 1 + len(rows)
	}
	dst = wire.AppendInt(dst, int64(-k))
	start := len(dst)
	for range k {
		dst = append(dst, 0)
	}
	for _, r := range rows {
		dst[start+int(r)/wordBits] |= 1 << (r % wordBits)
	}
	return dst, n + 1 + k
}
