package loop

// slots are the connections of a loop. A slot is reused with another
// generation, so that an event or a timer of its former life names nothing.
type slots struct {
	all  []slotEntry
	free []uint32
}

type slotEntry struct {
	conn *Conn
	gen  uint32 // never 0 while in use: handles with generation 0 are not connections
}

// put gives c a slot; false when there is none left.
func (s *slots) put(c *Conn) bool {
	var i uint32
	if n := len(s.free); n > 0 {
		i = s.free[n-1]
		s.free = s.free[:n-1]
	} else {
		if len(s.all) >= maxSlots {
			return false
		}
		i = uint32(len(s.all))
		s.all = append(s.all, slotEntry{})
	}
	e := &s.all[i]
	e.gen++
	if e.gen == 0 {
		e.gen = 1
	}
	e.conn = c
	c.slot, c.gen = i, e.gen
	return true
}

// drop frees the slot of c, if it has one.
func (s *slots) drop(c *Conn) bool {
	if s.get(makeHandle(c.slot, c.gen)) != c {
		return false
	}
	s.all[c.slot].conn = nil
	s.free = append(s.free, c.slot)
	c.gen = 0
	return true
}

// get is the connection that h names, or nil when that life is over.
func (s *slots) get(h handle) *Conn {
	slot, gen := uint32(h), uint32(h>>32)
	if int(slot) >= len(s.all) || gen == 0 {
		return nil
	}
	e := &s.all[slot]
	if e.gen != gen {
		return nil
	}
	return e.conn
}
