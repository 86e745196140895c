package loop

import "slices"

// settle ends a batch of callbacks: it sends, closes, moves and presents again what
// they asked for, then frees the sockets. Callbacks made here may ask for more.
func (l *Loop) settle() {
	l.flush()
	if len(l.ending) == 0 {
		return
	}
	l.dead = l.dead[:0]
	for i := 0; ; i++ {
		if i == len(l.ending) {
			l.flush() // what callbacks offered: who cannot be sent to is listed now
		}
		if i == len(l.ending) {
			break
		}
		c := l.ending[i]
		c.flags &^= isListed
		switch {
		case c.flags&isClosed != 0:
			l.finish(c)
		case c.flags&isDeparting != 0:
			l.depart(c)
		case c.flags&isAgain != 0:
			c.flags &^= isAgain
			c.presentPending()
		}
	}
	for _, c := range l.dead {
		c.transport.end(c)
	}
	clear(l.ending)
	clear(l.dead)
	l.ending = l.ending[:0]
}

// finish is the end of a connection, except for its socket: no event of this
// batch may meet a new connection under the same descriptor.
func (l *Loop) finish(c *Conn) {
	if c.flags&isDetached == 0 {
		c.transport.unhook(c)
		l.dead = append(l.dead, c)
	}
	if l.slots.drop(c) {
		l.stats.Conns--
	}
	c.dropTail()
	var err error
	if c.side != nil {
		err = c.side.err
	}
	c.side, c.wheelAt, c.deadline = nil, 0, 0
	if c.flags&isDetached == 0 && c.handler != nil {
		c.handler.Closed(c, err)
	}
	c.handler = nil
	if c.flags&isDetached == 0 && c.keeper != nil && !c.tellsKeeper() {
		c.keeper.Gone()
	}
	c.keeper = nil
}

// depart sends a moving connection on its way.
func (l *Loop) depart(c *Conn) {
	if c.gen == 0 {
		return // attached, and in no slot yet: it leaves when it has arrived
	}
	if c.sendQueued(); c.flags&isClosed != 0 {
		return // that failed, and c is listed again
	}
	s := c.side
	to, then := s.to, s.then
	s.to, s.then = nil, nil
	c.flags &^= isDeparting | isQuiet | isAgain
	if to == l {
		c.setTimer(c.deadline)
		c.transport.update(c)
		c.arrived(then)
		return
	}
	// Also without isToRead, which ReadNow has cleared: this loop is not to look at c.
	l.toRead = slices.DeleteFunc(l.toRead, func(x *Conn) bool { return x == c })
	c.flags &^= isToRead
	c.transport.depart(c, l)
	if l.slots.drop(c) {
		l.stats.Conns--
	}
	l.stats.Tail -= int64(s.tail.size)
	a := &arrival{c, then, s.tail.size}
	c.wheelAt, c.loop = 0, to
	if c.fd >= 0 {
		c.transport = to.engine.(transport)
	}
	if !to.mail.post(a, true) {
		c.loop = l
		if c.fd >= 0 {
			c.transport = l.engine.(transport)
		}
		l.stats.Tail += int64(a.tail)
		c.Close(ErrMailboxFull)
	}
}

// arrival is a connection on its way to a loop.
type arrival struct {
	c    *Conn
	then func(*Conn)
	tail int // bytes that come along
}

func (a *arrival) deliver(l *Loop) {
	c := a.c
	if c.flags&isClosed != 0 {
		return // closed between Attach and here
	}
	l.stats.Tail += int64(a.tail)
	if err := l.admit(c); err != nil {
		c.Close(err)
		return
	}
	if c.flags&isDeparting != 0 {
		c.list(isDeparting)
		return
	}
	c.arrived(a.then)
}

// admit gives c a place on l.
func (l *Loop) admit(c *Conn) error {
	if !l.slots.put(c) {
		return ErrConnLimit
	}
	l.stats.Conns++
	if c.deadline != 0 {
		l.wheel.set(c)
	}
	err := c.transport.arrive(c, l)
	if err != nil {
		l.slots.drop(c)
		l.stats.Conns--
	}
	return err
}

func (c *Conn) arrived(then func(*Conn)) {
	if then != nil && c.flags&isClosed == 0 {
		then(c)
	}
	c.presentPending()
	c.less()
}
