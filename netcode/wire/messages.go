package wire

import "fmt"

// Messages walks the messages of one WebSocket message (section 3.1):
//
//	m := wire.ReadMessages(b)
//	for m.Next() {
//		switch m.Kind() { ... wire.ReadPing(m.Reader(), m.Len()) ... }
//	}
//	if err := m.Err(); err != nil { ... }
//
// Messages of unknown kinds are passed over, and so are elements that the caller
// leaves unread. It does not allocate.
type Messages struct {
	rest Reader
	msg  []byte
	body Reader
	kind Kind
	n    int
	err  error
}

// ReadMessages returns the messages in b, which must not change meanwhile.
func ReadMessages(b []byte) Messages { return Messages{rest: NewReader(b)} }

// Next moves to the next message of a known kind. It is false at the end and
// when the rest is malformed; Err tells which.
func (m *Messages) Next() bool {
	for m.err == nil && m.rest.Len() > 0 {
		known, err := m.read()
		if err != nil {
			m.err = fmt.Errorf("wire: %w", err)
			return false
		}
		if known {
			return true
		}
	}
	return false
}

// read reads one whole message and reports whether its kind is known.
func (m *Messages) read() (bool, error) {
	start := m.rest.off
	n, err := m.rest.ReadArrayHead()
	if err != nil {
		return false, err
	}
	if n == 0 {
		return false, ErrShort
	}
	kind, err := m.rest.ReadUint()
	if err != nil {
		return false, err
	}
	body := m.rest.off
	if err := m.rest.SkipN(n - 1); err != nil {
		return false, err
	}
	if kind >= numKinds || !Kind(kind).known() {
		return false, nil
	}
	end := m.rest.off
	m.msg = m.rest.b[start:end:end]
	m.body = Reader{b: m.msg, off: body - start}
	m.kind, m.n = Kind(kind), n-1
	return true, nil
}

// Kind is the kind of the current message.
func (m *Messages) Kind() Kind { return m.kind }

// Len is the number of elements of the current message after its kind.
func (m *Messages) Len() int { return m.n }

// Reader yields the elements of the current message after its kind and nothing
// beyond. It is valid until Next.
func (m *Messages) Reader() *Reader { return &m.body }

// Bytes is the whole current message, part of the bytes that are walked.
func (m *Messages) Bytes() []byte { return m.msg }

// Err is why Next gave up early, or nil.
func (m *Messages) Err() error { return m.err }

// elements reads the elements of a message in order. It keeps the first error
// and reads zeros after it. It reads by a copy of the message's reader, for a
// pointer would move every Messages to the heap; end brings that up to date.
type elements struct {
	r    Reader
	left int
	kind Kind
	err  error
}

// end is the first error. r is the reader that e began with.
func (e *elements) end(r *Reader) error {
	*r = e.r
	return e.err
}

// begin starts to read an element and reports whether there is one.
func (e *elements) begin(name string) bool {
	if e.err == nil && e.left <= 0 {
		e.fail(name, ErrShort)
	}
	e.left--
	return e.err == nil
}

func (e *elements) fail(name string, err error) {
	if e.err == nil && err != nil {
		e.err = fmt.Errorf("wire: %s: %s: %w", e.kind, name, err)
	}
}

func (e *elements) uint(name string, limit uint64) uint64 {
	if !e.begin(name) {
		return 0
	}
	v, err := e.r.ReadUintMax(limit)
	e.fail(name, err)
	if err != nil {
		return 0
	}
	return v
}

func (e *elements) int(name string, low, high int64) int64 {
	if !e.begin(name) {
		return 0
	}
	v, err := e.r.ReadInt()
	if err == nil && (v < low || v > high) {
		err = ErrRange
	}
	e.fail(name, err)
	if err != nil {
		return 0
	}
	return v
}

// null reads a nil.
func (e *elements) null(name string) {
	if e.begin(name) {
		e.fail(name, e.r.ReadNil())
	}
}

// str reads a string that valid accepts.
func (e *elements) str(name string, limit int, valid func([]byte) bool) string {
	if !e.begin(name) {
		return ""
	}
	s, err := e.r.ReadStr(limit)
	if err == nil && !valid(s) {
		err = ErrText
	}
	e.fail(name, err)
	if err != nil {
		return ""
	}
	return string(s)
}

// hash reads a hash of 8 bytes, as big-endian number. With optional it may be
// nil, which is 0; then and only then it is 0.
func (e *elements) hash(name string, optional bool) uint64 {
	if !e.begin(name) {
		return 0
	}
	if optional && e.r.Peek() == TypeNil {
		e.fail(name, e.r.ReadNil())
		return 0
	}
	b, err := e.r.ReadBin(hashLen)
	if err == nil && len(b) != hashLen {
		err = ErrRange
	}
	if err != nil {
		e.fail(name, err)
		return 0
	}
	v := be64(b)
	if optional && v == 0 {
		e.fail(name, ErrForm)
	}
	return v
}
