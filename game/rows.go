package game

import (
	"math/bits"
	"unsafe"
)

// rows is the part of a Table that does not depend on its type: which rows
// live, who owns and sees them, and where they are in memory.
//
// The storage is a list of chunks, so that rows never move. meta and slots have
// one element for each place ever used; meta is zero where no row lives.
type rows struct {
	w        *World
	plan     *plan
	newChunk func(n int) unsafe.Pointer // typed memory of n rows
	chunks   []unsafe.Pointer
	size     uintptr
	shift    uint
	mask     int

	meta   []RowMeta
	slots  []slot
	held   []int32  // lanes of every place as captured last, zero where no row lives
	free   []uint64 // bit set of places that Add may use
	hint   int      // no word of free below it has a bit
	freed  []int32  // places that become free at the next capture
	top    int      // highest live row + 1
	live   int
	births uint64
	head   []int32 // by PlayerID, up to the highest that ever owned one: first and last owned row, -1 none
	tail   []int32
	warned bool // a number that is not finite was told

	audited []uint64 // slot.birth of the row captured last, while Sim.OnLoss listens
}

// slot is what the engine keeps of one place beside RowMeta.
type slot struct {
	birth      uint64 // value of rows.births when the row was added
	next, prev int32  // rows of the same owner in order of index, -1 none
	born       Tick   // when the row was added
	gen        uint16 // generation of the newest row
	freed      bool   // while a checkpoint is written: is in rows.freed
}

// setChunk chooses how many rows of size bytes one chunk holds.
func (r *rows) setChunk(size uintptr, single bool) {
	r.size = size
	n := chunkRows
	if single {
		n = 1
	}
	for n > 1 && uintptr(n)*size > chunkBytes {
		n /= 2
	}
	r.shift, r.mask = uint(bits.TrailingZeros(uint(n))), n-1
}

// at is the memory of place i.
func (r *rows) at(i int) unsafe.Pointer {
	return unsafe.Add(r.chunks[i>>r.shift], uintptr(i&r.mask)*r.size)
}

// find is the index of the row that an ID's bits name, -1 when it is gone.
func (r *rows) find(ref uint32) int {
	i, g := RefIndex(ref), RefGen(ref)
	if g == 0 || i >= len(r.meta) || r.meta[i].Gen != g {
		return -1
	}
	return i
}

// add makes the lowest free place live and returns it, -1 when the table is
// full. The caller stores the row.
func (r *rows) add() int {
	i := r.takeFree()
	if i < 0 {
		i = len(r.meta)
		if i >= MaxRows {
			r.w.warning("table " + r.plan.row.Name + " is full")
			return -1
		}
		r.grow(i + 1)
	}
	s := &r.slots[i]
	if s.gen++; s.gen > maxGen {
		s.gen = 1
	}
	r.births++
	s.birth, s.born = r.births, r.w.now
	s.next, s.prev = -1, -1
	r.meta[i] = RowMeta{Gen: s.gen, Show: Everyone}
	r.live++
	r.top = max(r.top, i+1)
	return i
}

// takeFree takes the lowest free place out of the set, -1 for none.
func (r *rows) takeFree() int {
	for ; r.hint < len(r.free); r.hint++ {
		if word := r.free[r.hint]; word != 0 {
			r.free[r.hint] = word & (word - 1)
			return r.hint<<6 + bits.TrailingZeros64(word)
		}
	}
	return -1
}

func (r *rows) putFree(i int) {
	r.free[i>>6] |= 1 << (i & 63)
	r.hint = min(r.hint, i>>6)
}

// grow makes room for n places.
func (r *rows) grow(n int) {
	for len(r.chunks)<<r.shift < n {
		r.chunks = append(r.chunks, r.newChunk(r.mask+1))
	}
	d := n - len(r.meta)
	r.meta = append(r.meta, make([]RowMeta, d)...)
	r.slots = append(r.slots, make([]slot, d)...)
	r.held = append(r.held, make([]int32, d*r.plan.row.Lanes)...)
	for len(r.free)<<6 < n {
		r.free = append(r.free, 0)
	}
}

// remove ends the life of row i. Its memory is left as it is until the place is
// used again, which is after the next capture at the earliest.
func (r *rows) remove(i int) {
	r.unlink(i)
	r.meta[i] = RowMeta{}
	n := r.plan.row.Lanes
	clear(r.held[i*n : (i+1)*n])
	r.live--
	for r.top > 0 && r.meta[r.top-1].Gen == 0 {
		r.top--
	}
	r.freed = append(r.freed, int32(i))
}

// setOwner gives row i to p; a p without a seat is nobody.
func (r *rows) setOwner(i int, p PlayerID) {
	if !r.w.taken(p) {
		p = 0
	}
	if r.meta[i].Owner == p {
		return
	}
	r.unlink(i)
	if p != 0 {
		r.link(i, p)
	}
}

// link puts row i, which has no owner, into p's list in order of index. Rows
// are mostly given out in rising order, so it looks from the end.
func (r *rows) link(i int, p PlayerID) {
	for int(p) >= len(r.head) {
		r.head, r.tail = append(r.head, -1), append(r.tail, -1)
	}
	r.meta[i].Owner = p
	prev := r.tail[p]
	for prev > int32(i) {
		prev = r.slots[prev].prev
	}
	next := r.head[p]
	if prev >= 0 {
		next = r.slots[prev].next
		r.slots[prev].next = int32(i)
	} else {
		r.head[p] = int32(i)
	}
	if next >= 0 {
		r.slots[next].prev = int32(i)
	} else {
		r.tail[p] = int32(i)
	}
	r.slots[i].prev, r.slots[i].next = prev, next
}

// unlink takes row i from its owner.
func (r *rows) unlink(i int) {
	p := r.meta[i].Owner
	if p == 0 {
		return
	}
	s := &r.slots[i]
	if s.prev >= 0 {
		r.slots[s.prev].next = s.next
	} else {
		r.head[p] = s.next
	}
	if s.next >= 0 {
		r.slots[s.next].prev = s.prev
	} else {
		r.tail[p] = s.prev
	}
	s.prev, s.next = -1, -1
	r.meta[i].Owner = 0
}

// firstOf is the first row that p owns, -1 for none.
func (r *rows) firstOf(p PlayerID) int {
	if p == 0 || int(p) >= len(r.head) {
		return -1
	}
	return int(r.head[p])
}

// nextOf is the row of p after i, which p may have lost since.
func (r *rows) nextOf(p PlayerID, i int) int {
	if r.meta[i].Owner == p {
		return int(r.slots[i].next)
	}
	n := r.head[p]
	for n >= 0 && n <= int32(i) {
		n = r.slots[n].next
	}
	return int(n)
}

// release takes all rows from p and zeroes their owner fields.
func (r *rows) release(p PlayerID) {
	for i := r.firstOf(p); i >= 0; i = r.firstOf(p) {
		r.plan.clearOwner(r.at(i))
		r.unlink(i)
	}
}

// visible is the ID of the row at index for an input of player p that saw
// nothing newer than tick seen: 0 when there is no row or its table stays on
// the server, when the row is younger than what the player saw, or when the
// player may not see it.
func (r *rows) visible(index int, p PlayerID, seen Tick) uint32 {
	if index < 0 || index >= r.top || len(r.plan.row.Fields) == 0 {
		return 0
	}
	m := &r.meta[index]
	if m.Gen == 0 || int32(r.slots[index].born-seen) > 0 {
		return 0
	}
	if m.Owner != p && m.Show&r.w.seats[p].teams == 0 {
		return 0
	}
	return uint32(m.Gen)<<idIndexBits | uint32(index)
}

// capture writes the rows into to, their quantized values back into the rows,
// and gives freed places back to Add. A table without replicated fields stays
// on the server: to is left empty.
func (r *rows) capture(to *TableRows) {
	n := r.plan.row.Lanes
	if r.plan.captures() {
		for i := range r.meta[:r.top] {
			if r.meta[i].Gen == 0 {
				continue
			}
			if bad, at := r.plan.capture(r.at(i), r.held[i*n:(i+1)*n]); bad > 0 {
				r.w.notFinite(&r.warned, r.plan, bad, at)
			}
		}
	}
	to.Meta, to.Lanes = to.Meta[:0], to.Lanes[:0]
	if len(r.plan.row.Fields) > 0 {
		to.Meta = append(fit(to.Meta, r.top), r.meta[:r.top]...)
		to.Lanes = append(fit(to.Lanes, r.top*n), r.held[:r.top*n]...)
	}
	for _, i := range r.freed {
		r.putFree(int(i))
	}
	r.freed = r.freed[:0]
}

// fit is s, empty, with room for n elements and few more: a history holds many.
func fit[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, 0, n+n/8)
	}
	return s[:0]
}

// notFinite counts values that were NaN or infinite and tells of the first.
func (w *World) notFinite(warned *bool, p *plan, n, at int) {
	w.bad += uint64(n)
	if !*warned {
		*warned = true
		w.warning(p.what + ": " + p.paths[at] + " is not a finite number; the previous value stays")
	}
}

// reset empties the table for a checkpoint that is about to be loaded.
func (r *rows) reset() {
	clear(r.meta)
	r.meta, r.slots, r.held = r.meta[:0], r.slots[:0], r.held[:0]
	r.free, r.freed = r.free[:0], r.freed[:0]
	r.hint, r.top, r.live = 0, 0, 0
	for i := range r.head {
		r.head[i], r.tail[i] = -1, -1
	}
}
