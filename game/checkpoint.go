package game

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"unsafe"
)

// A checkpoint is, little endian: the magic, the hash of the layout (8 bytes),
// the length (4) of the layout and the layout; then the tick (4), sleep asked (1)
// and until (4), the length (2) and state of Rand, the number of taken seats (2)
// and each one's number (2) and teams (8), rising; then for each table the number
// of places (4) and the places; then 1, a length (4) and what StateSaver
// appended, or 0 for a game without. A place is flags (1) and generation (2), and
// for a live row what the flags announce of owner (2), show (8) and reveal (8),
// then the tick it was added (4) and its values as plan.appendRow writes them.
const checkpointMagic = "rmc\x02"

// Flags of a place.
const (
	placeLive   = 1 << iota // a row
	placeFreed              // removed since the last capture, so not yet free
	placeOwner              // the row has an owner
	placeShow               // shown to others than Everyone
	placeReveal             // revealed to others than Nobody
	placeFlags  = 1<<iota - 1
)

// placeBytes is the least that a place takes.
const placeBytes = 3

// AppendCheckpoint appends all state of the room but the events that were not
// captured yet. It belongs after Capture, and is canonical: equal states have
// equal bytes if the game's AppendState keeps that rule.
func (s *Sim) AppendCheckpoint(dst []byte) []byte {
	l := s.kind.layout
	dst = append(dst, checkpointMagic...)
	dst = binary.LittleEndian.AppendUint64(dst, l.hash)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(l.bytes)))
	return s.appendState(append(dst, l.bytes...))
}

// appendState appends what follows the layout.
func (s *Sim) appendState(dst []byte) []byte {
	w := s.w
	dst = binary.LittleEndian.AppendUint32(dst, uint32(w.now))
	dst = appendBool(dst, w.asked.SleepSet)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(w.asked.SleepUntil))
	dst = w.appendRand(dst)
	dst = w.appendSeats(dst)
	for _, r := range w.tables {
		dst = r.appendState(dst)
	}
	g, ok := s.rules.game().(StateSaver)
	dst = appendBool(dst, ok)
	if ok {
		mark := len(dst)
		dst = g.AppendState(append(dst, 0, 0, 0, 0))
		binary.LittleEndian.PutUint32(dst[mark:], uint32(len(dst)-mark-4))
	}
	return dst
}

// LoadCheckpoint restores a room of the same kind in place of Start, then calls
// LoadState, Migrate if the kind was declared otherwise when the checkpoint was
// written, and Restored of the game. What another layout has in common with this
// one is loaded by name, see Migrator; what does not fit is an error or left to
// Migrate. b is untrusted and not kept. After an error the Sim holds part of the
// state and must be dropped.
func (s *Sim) LoadCheckpoint(b []byte) error {
	r := &stateReader{b: b}
	m, err := s.readLayout(r)
	if err != nil {
		return err
	}
	s.migrated = m != nil
	w := s.w
	w.now = Tick(r.u32())
	w.out = outbox{}
	w.told = true // by the room that wrote it, or by Asked before the next Step
	w.asked = Asked{SleepSet: r.bool(), SleepUntil: Tick(r.u32())}
	w.readRand(r)
	w.readSeats(r)
	for p := range w.seats {
		s.rules.forget(PlayerID(p))
	}
	budget := maxRestored
	if m != nil {
		m.readTables(w, r, &budget)
	} else {
		for _, t := range w.tables {
			t.readState(r, &budget, nil)
		}
	}
	return s.loadGame(r, m)
}

// readLayout reads the head. The migration is nil if the layout is this build's.
func (s *Sim) readLayout(r *stateReader) (*migration, error) {
	if string(r.take(len(checkpointMagic))) != checkpointMagic {
		r.fail("not a checkpoint of this version")
	}
	hash, n := r.u64(), r.u32()
	if n > maxLayout {
		r.fail("its layout is too long")
	}
	b := r.take(int(n))
	if r.err != nil {
		return nil, r.err
	}
	if bytes.Equal(b, s.kind.layout.bytes) && hash == s.kind.layout.hash {
		return nil, nil
	}
	from, err := parseLayout(b)
	switch {
	case err != nil:
		return nil, err
	case from.hash != hash:
		r.fail("its layout is damaged")
		return nil, r.err
	}
	return s.planMigration(from)
}

// loadGame reads the end of a checkpoint and tells the game.
func (s *Sim) loadGame(r *stateReader, m *migration) error {
	g, saver := s.rules.game().(StateSaver)
	has := r.bool()
	wrote := saver
	if m != nil {
		wrote = m.from.saver
	}
	if has != wrote {
		r.fail("state of a StateSaver is missing or too much")
	}
	var blob []byte
	if has {
		n := r.u32()
		if n > maxStateBlob {
			r.fail("the game's own state is too long")
		}
		blob = r.take(int(n))
	}
	if len(r.b) > 0 {
		r.fail("bytes after the end")
	}
	if r.err != nil {
		return r.err
	}
	if saver && has {
		if err := g.LoadState(blob); err != nil {
			return err
		}
	}
	if m != nil {
		if err := m.finish(s.rules.game(), blob); err != nil {
			return err
		}
	}
	if g, ok := s.rules.game().(Restorer); ok {
		g.Restored()
	}
	return nil
}

// Hash is the FNV-1a 64 of the state and of the hash of its layout: rooms of one
// build in equal states have equal hashes, on any machine.
func (s *Sim) Hash() uint64 {
	s.scratch = s.appendState(binary.LittleEndian.AppendUint64(s.scratch[:0], s.kind.layout.hash))
	h := uint64(14695981039346656037)
	for _, b := range s.scratch {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return h
}

func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, 1)
	}
	return append(dst, 0)
}

func (r *stateReader) bool() bool {
	v := r.u8()
	if v > 1 {
		r.fail("a bool is neither 0 nor 1")
	}
	return v == 1
}

func (w *World) appendRand(dst []byte) []byte {
	mark := len(dst)
	dst, err := w.src.AppendBinary(append(dst, 0, 0))
	if err != nil {
		panic(err) // ChaCha8 gives none
	}
	binary.LittleEndian.PutUint16(dst[mark:], uint16(len(dst)-mark-2))
	return dst
}

func (w *World) readRand(r *stateReader) {
	n := int(r.u16())
	if n > maxRandState {
		r.fail("the state of Rand is too long")
	}
	b := r.take(n)
	if r.err == nil && w.src.UnmarshalBinary(b) != nil {
		r.fail("the state of Rand is malformed")
	}
}

func (w *World) appendSeats(dst []byte) []byte {
	mark, n := len(dst), uint16(0)
	dst = append(dst, 0, 0)
	for p := range w.seats {
		if w.seats[p].taken {
			n++
			dst = binary.LittleEndian.AppendUint16(dst, uint16(p))
			dst = binary.LittleEndian.AppendUint64(dst, uint64(w.seats[p].teams))
		}
	}
	binary.LittleEndian.PutUint16(dst[mark:], n)
	return dst
}

func (w *World) readSeats(r *stateReader) {
	clear(w.seats)
	last := 0
	for range r.u16() {
		p, teams := int(r.u16()), Teams(r.u64())
		if p > w.opts.MaxPlayers {
			r.fail(fmt.Sprintf("seat %d is taken, of %d seats", p, w.opts.MaxPlayers))
			return
		}
		if p <= last || teams == Nobody {
			r.fail("a seat out of range")
			return
		}
		w.sit(PlayerID(p), teams)
		last = p
	}
}

func (r *rows) appendState(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(r.meta)))
	for _, i := range r.freed {
		r.slots[i].freed = true
	}
	for i := range r.meta {
		dst = r.appendPlace(dst, i)
	}
	for _, i := range r.freed {
		r.slots[i].freed = false
	}
	return dst
}

func (r *rows) appendPlace(dst []byte, i int) []byte {
	m, s := &r.meta[i], &r.slots[i]
	flags := byte(0)
	if s.freed {
		flags = placeFreed
	}
	if m.Gen != 0 {
		flags = placeLive
		if m.Owner != 0 {
			flags |= placeOwner
		}
		if m.Show != Everyone {
			flags |= placeShow
		}
		if m.Reveal != Nobody {
			flags |= placeReveal
		}
	}
	dst = append(dst, flags)
	dst = binary.LittleEndian.AppendUint16(dst, s.gen)
	if m.Gen == 0 {
		return dst
	}
	if flags&placeOwner != 0 {
		dst = binary.LittleEndian.AppendUint16(dst, uint16(m.Owner))
	}
	if flags&placeShow != 0 {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(m.Show))
	}
	if flags&placeReveal != 0 {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(m.Reveal))
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(s.born))
	return r.plan.appendRow(dst, r.at(i))
}

// readState fills the emptied table. budget is the memory that the tables of
// the checkpoint may still take; move is nil for rows of this build's layout.
func (r *rows) readState(in *stateReader, budget *int, move *valueMove) {
	r.reset()
	n := int(in.u32())
	if n > MaxRows || n*placeBytes > len(in.b) || r.plan.row.Single && n != 1 {
		in.fail("table " + r.plan.row.Name + " has an impossible number of rows")
	}
	each := int(r.size) + 4*r.plan.row.Lanes + int(unsafe.Sizeof(RowMeta{})+unsafe.Sizeof(slot{}))
	if in.err == nil && n > *budget/each {
		in.fail("table " + r.plan.row.Name + " needs too much memory")
	}
	if in.err != nil {
		r.restoreSingle()
		return
	}
	*budget -= n * each
	r.grow(n)
	var copied unsafe.Pointer
	if r.plan.captures() {
		copied = r.newChunk(1)
	}
	for i := range n {
		if r.readPlace(in, i, copied, move); in.err != nil {
			r.restoreSingle()
			return
		}
	}
	if r.plan.row.Single && r.live == 0 {
		in.fail("value " + r.plan.row.Name + " is missing")
		r.restoreSingle()
	}
}

// restoreSingle keeps a Value usable after a failed load.
func (r *rows) restoreSingle() {
	if r.plan.row.Single && r.live == 0 {
		r.reset()
		r.add()
	}
}

func (r *rows) readPlace(in *stateReader, i int, copied unsafe.Pointer, move *valueMove) {
	p := in.place()
	if in.err != nil {
		return
	}
	r.slots[i] = slot{next: -1, prev: -1, gen: p.gen, born: p.born}
	if !p.live() {
		if p.flags == placeFreed {
			r.freed = append(r.freed, int32(i))
		} else {
			r.putFree(i)
		}
		return
	}
	if p.owner != 0 && !r.w.taken(p.owner) {
		in.fail("a row belongs to an empty seat")
	}
	again := *in
	r.readRow(in, r.at(i), move)
	if in.err != nil {
		return
	}
	r.meta[i] = RowMeta{Gen: p.gen, Show: p.show, Reveal: p.reveal}
	r.live++
	r.top = i + 1
	if p.owner != 0 {
		r.link(i, p.owner)
	}
	if copied != nil { // what the last capture held, without changing the row
		n := r.plan.row.Lanes
		r.readRow(&again, copied, move)
		r.plan.capture(copied, r.held[i*n:(i+1)*n])
	}
}

func (r *rows) readRow(in *stateReader, base unsafe.Pointer, move *valueMove) {
	if move == nil {
		r.plan.readRow(in, base)
		return
	}
	r.plan.zero(base)
	move.read(in, base)
}

// place is what a checkpoint says of a place but the row's values.
type place struct {
	flags        byte
	gen          uint16
	owner        PlayerID
	show, reveal Teams
	born         Tick
}

func (p *place) live() bool { return p.flags&placeLive != 0 }

// place reads up to the values. After a failure it is no live one.
func (r *stateReader) place() (p place) {
	p = place{flags: r.u8(), gen: r.u16(), show: Everyone, reveal: Nobody}
	if p.flags&^placeFlags != 0 || p.gen == 0 || p.gen > maxGen || p.live() && p.flags&placeFreed != 0 || !p.live() && p.flags > placeFreed {
		r.fail("a row is malformed")
		return place{}
	}
	if !p.live() {
		return p
	}
	if p.flags&placeOwner != 0 {
		if p.owner = PlayerID(r.u16()); p.owner == 0 {
			r.fail("a row belongs to an empty seat")
		}
	}
	if p.flags&placeShow != 0 {
		if p.show = Teams(r.u64()); p.show == Everyone {
			r.fail("a row says its default")
		}
	}
	if p.flags&placeReveal != 0 {
		if p.reveal = Teams(r.u64()); p.reveal == Nobody {
			r.fail("a row says its default")
		}
	}
	if p.born = Tick(r.u32()); r.err != nil {
		return place{}
	}
	return p
}
