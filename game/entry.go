package game

// Entry is one captured tick of a room and holds all that a view of it depends
// on: rows with their owner and audience, seats with their teams, and the
// tick's events. It is filled by Sim.Capture and by the room (Ack, Slack,
// Present), and is immutable once committed to a history.
type Entry struct {
	Tick       Tick
	Tables     []TableRows // in order of definition
	Seats      []Seat      // by PlayerID, up to the highest taken; the first is unused
	Events     []EventRecord
	EventLanes []int32 // the events' values, found by EventRecord.Lane
}

// TableRows holds the rows of one table. Meta ends with the highest live row;
// the lanes of row r are Lanes[r*n:(r+1)*n] with n = RowSchema.Lanes.
type TableRows struct {
	Meta  []RowMeta
	Lanes []int32
}

// RowMeta says which life of a row this is and who may see it. Gen 0 means
// there is no row.
type RowMeta struct {
	Gen    uint16
	Owner  PlayerID
	Show   Teams // who sees the row, beside its owner
	Reveal Teams // who sees its owner fields, beside its owner
}

// Seat is what views and acknowledgements need of one player.
type Seat struct {
	Teams   Teams
	Ack     uint32 // newest input sequence applied or dropped
	Drops   uint32 // inputs dropped, modulo 2^32
	Slack   int16  // quarter ticks the applied input waited, -1 for none
	Taken   bool
	Present bool // connected
}

// EventRecord is one event of a tick: for player To, or for Teams when To is 0.
type EventRecord struct {
	Type     uint8 // number of the event in the schema
	Fleeting bool
	To       PlayerID
	Teams    Teams
	Lane     int32 // its values are EventLanes[Lane:Lane+Lanes]
	Lanes    int32
}

// NewEntry returns an empty entry for the schema with seats 1 to n.
func (s *Schema) NewEntry(n int) *Entry {
	return &Entry{Tables: make([]TableRows, len(s.Tables)), Seats: make([]Seat, n+1)}
}

// Row is the lanes of row r of a table whose rows have n lanes, valid as long
// as the entry.
func (t *TableRows) Row(r, n int) []int32 { return t.Lanes[r*n : (r+1)*n : (r+1)*n] }

// Live reports whether row r exists.
func (t *TableRows) Live(r int) bool { return r >= 0 && r < len(t.Meta) && t.Meta[r].Gen != 0 }
