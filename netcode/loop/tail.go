package loop

// tail is what the kernel refused: the rest of one Offer, then control bytes.
// There is at most one Offer in it, since an Offer needs an empty tail.
type tail struct {
	private []byte // copied rest of an Offer's private part
	shared  Buffer // its shared part, held by reference
	offset  int    // bytes of shared that are sent
	control []byte // copied, from Write
	size    int    // bytes in all
}

// Write sends b, control bytes that must not be lost, copying what the kernel
// does not take. It fails with ErrTailFull, closing the connection, when more
// than Config.MaxTail such bytes would be kept.
func (c *Conn) Write(b []byte) error {
	c.sendQueued()
	if c.flags&(isClosed|isFlushing|isLingering) != 0 {
		return ErrClosed
	}
	if len(b) == 0 {
		return nil
	}
	if c.flags&(hasTail|isConnecting) == 0 {
		n, err := c.transport.send(c, b, nil)
		if err != nil {
			c.Close(err)
			return err
		}
		if b = b[max(n, 0):]; len(b) == 0 {
			return nil
		}
	}
	return c.keepControl(b)
}

// Offer sends private and then shared in one write, if nothing is unsent and
// the kernel takes at least the first byte: only then it returns true. What the
// kernel leaves is kept, private copied and shared by reference (Retain until
// it is sent or the connection ends). False means that nothing was sent and
// nothing is kept. private may be nil and shared may be nil. With Config.Uring the
// kernel is asked later, and the Offer taken before.
func (c *Conn) Offer(private []byte, shared Buffer) bool {
	c.sendQueued()
	if c.flags&(isClosed|isFlushing|isLingering|isConnecting|hasTail) != 0 {
		return false
	}
	var b []byte
	if shared != nil {
		b = shared.Bytes()
	}
	if len(private)+len(b) == 0 {
		return true
	}
	if q := c.loop.batch; q != nil && c.fd >= 0 && q.offer(c, private, shared, b) {
		return true
	}
	n, err := c.transport.send(c, private, b)
	switch {
	case err != nil:
		c.Close(err)
		return false
	case n == len(private)+len(b):
		return true
	case n == 0:
		return false
	}
	c.keepOffer(private, shared, b, max(n, 0))
	return true
}

// keepOffer keeps what is left of an Offer of which n bytes are sent.
func (c *Conn) keepOffer(private []byte, shared Buffer, b []byte, n int) {
	t := &c.more().tail
	if n < len(private) {
		t.private = append([]byte(nil), private[n:]...)
	}
	if len(b) > 0 {
		shared.Retain()
		t.shared, t.offset = shared, max(n-len(private), 0)
	}
	c.grown(len(private) + len(b) - n)
}

func (c *Conn) keepControl(b []byte) error {
	t := &c.more().tail
	if len(t.control)+len(b) > c.loop.cfg.MaxTail {
		c.Close(ErrTailFull)
		return ErrTailFull
	}
	t.control = append(t.control, b...)
	c.grown(len(b))
	return nil
}

// grown counts n bytes more in the tail and has them sent when possible.
func (c *Conn) grown(n int) {
	c.side.tail.size += n
	c.loop.stats.Tail += int64(n)
	c.flags |= hasTail
	if c.gen != 0 {
		c.transport.update(c)
	}
}

// pieces are the bytes of the tail in order; unused ones are empty.
func (t *tail) pieces() (p [3][]byte) {
	p[0] = t.private
	if t.shared != nil {
		p[1] = t.shared.Bytes()[t.offset:]
	}
	p[2] = t.control
	return p
}

// advance takes n sent bytes off the front.
func (t *tail) advance(n int) {
	t.size -= n
	k := min(n, len(t.private))
	t.private = t.private[k:]
	n -= k
	if t.shared != nil {
		left := len(t.shared.Bytes()) - t.offset
		k = min(n, left)
		t.offset += k
		n -= k
		if k == left {
			t.shared.Release()
			t.shared, t.offset = nil, 0
		}
	}
	t.control = t.control[n:]
}

// sent takes n bytes off the tail of c and follows it when it is empty.
func (c *Conn) sent(n int) {
	t := &c.side.tail
	t.advance(n)
	c.loop.stats.Tail -= int64(n)
	if t.size == 0 {
		c.drained()
	}
}

func (c *Conn) drained() {
	c.side.tail = tail{}
	c.flags &^= hasTail
	if c.flags&isFlushing != 0 {
		c.linger()
		return
	}
	c.transport.update(c)
	c.less()
}

// dropTail forgets unsent bytes.
func (c *Conn) dropTail() {
	if c.side == nil {
		return
	}
	t := &c.side.tail
	c.loop.stats.Tail -= int64(t.size)
	if t.shared != nil {
		t.shared.Release()
	}
	*t = tail{}
	c.flags &^= hasTail
}
