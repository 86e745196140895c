package sse

import (
	"bytes"
	"encoding/binary"
	"time"

	"github.com/klauspost/compress/flate"

	"github.com/roomd/roomd/game"
)

// Block is a piece of a stream that many readers share. It is immutable and kept
// by the garbage collector; it implements loop.Buffer.
type Block struct{ b []byte }

// Bytes is the block, not to be changed.
func (b *Block) Bytes() []byte { return b.b }

// Retain implements loop.Buffer.
func (b *Block) Retain() {}

// Release implements loop.Buffer.
func (b *Block) Release() {}

// entry is one tick of a feed, or a heartbeat.
type entry struct {
	tick   game.Tick
	at     time.Duration
	key    bool // begins a group
	beat   bool // a heartbeat: nothing happened
	last   bool // nothing follows
	plain  *Block
	packed *Block // a part of a deflate stream that begins anew with each group
}

// feed is the stream in one format: entries from number first on, whole groups.
type feed struct {
	format  Format
	entries []entry
	first   uint64
	size    int           // bytes of entries
	most    time.Duration // the longest delay that readers may choose; 0: any
	keyAt   time.Duration // of the newest group
	idle    time.Duration // since when nobody reads; 0: somebody does
	tiers   []*tier

	zip    *flate.Writer // nil until a reader wants it
	zipped bytes.Buffer
}

// tier is the readers of a feed with the same delay.
type tier struct {
	delay   time.Duration
	head    uint64 // entries before it are due
	readers []*Reader
	polls   []*Poll
}

func (f *feed) end() uint64 { return f.first + uint64(len(f.entries)) }

func (f *feed) at(n uint64) *entry { return &f.entries[n-f.first] }

// group is the newest group that begins at or before entry n-1, or f.first.
func (f *feed) group(n uint64) uint64 {
	for n > f.first+1 {
		if n--; f.at(n).key {
			return n
		}
	}
	return f.first
}

// find is the number of the entry of a tick, before n.
func (f *feed) find(tick game.Tick, n uint64) (uint64, bool) {
	for n > f.first {
		n--
		if e := f.at(n); !e.beat && e.tick <= tick {
			return n, e.tick == tick
		}
	}
	return 0, false
}

// pack compresses what is not yet compressed from entry n on, where a group
// begins, and all that is to come.
func (f *feed) pack(n uint64) {
	if f.zip != nil && (n >= f.end() || f.at(n).packed != nil) {
		return
	}
	zip, _ := flate.NewWriter(&f.zipped, zipLevel) // fails for other levels only
	for ; n < f.end() && f.at(n).packed == nil; n++ {
		f.compress(zip, f.at(n))
	}
	if f.zip == nil {
		f.zip = zip
	}
}

// compress makes the compressed part of the entry that follows the one before. A
// group's parts refer to nothing before it and are flushed to whole bytes, so that
// a reader may begin with any group.
func (f *feed) compress(zip *flate.Writer, e *entry) {
	f.zipped.Reset()
	if e.key {
		zip.Reset(&f.zipped)
	}
	zip.Write(e.plain.b) // into memory: does not fail
	zip.Flush()
	e.packed = &Block{bytes.Clone(f.zipped.Bytes())}
	f.size += len(e.packed.b)
}

// zipLevel is a good size for little time, as measured on rows of numbers.
const zipLevel = 5

// add appends an entry.
func (f *feed) add(e entry, plain []byte) {
	e.plain = &Block{plain}
	f.size += len(plain)
	if f.zip != nil {
		f.compress(f.zip, &e)
	}
	if e.key {
		f.keyAt = e.at
	}
	f.entries = append(f.entries, e)
}

// trim forgets whole groups that ended before a time and that no tier waits for.
func (f *feed) trim(before time.Duration) {
	keep := 0
	for i := range f.entries {
		if f.entries[i].key && f.entries[i].at <= before {
			keep = i
		}
	}
	f.forget(keep)
}

// cut forgets groups that ended before a time until size is at most that many bytes.
func (f *feed) cut(before time.Duration, bytes int) {
	keep, size := 0, f.size
	for i := range f.entries {
		e := &f.entries[i]
		if e.key && e.at <= before {
			if keep = i; size <= bytes {
				break
			}
		}
		size -= e.size()
	}
	f.forget(keep)
}

// forget forgets the first entries, whole groups.
func (f *feed) forget(n int) {
	if n == 0 {
		return
	}
	for i := range f.entries[:n] {
		f.size -= f.entries[i].size()
	}
	left := copy(f.entries, f.entries[n:])
	clear(f.entries[left:])
	f.entries = f.entries[:left]
	f.first += uint64(n)
}

// size is the bytes that it keeps.
func (e *entry) size() int {
	if e.packed == nil {
		return len(e.plain.b)
	}
	return len(e.plain.b) + len(e.packed.b)
}

// tier is the tier of a delay, made if there is none.
func (f *feed) tier(delay, now time.Duration) *tier {
	for _, t := range f.tiers {
		if t.delay == delay {
			return t
		}
	}
	t := &tier{delay: delay, head: f.first}
	t.reach(f, now)
	f.tiers = append(f.tiers, t)
	return t
}

// reach moves the head over what is due.
func (t *tier) reach(f *feed, now time.Duration) {
	t.head = max(t.head, f.first)
	for t.head < f.end() && f.at(t.head).at+t.delay <= now {
		t.head++
	}
}

// gzipHead begins a gzip stream (RFC 1952 section 2.3): deflate, no name, no
// time, unknown system. The stream is never ended: it is cut.
var gzipHead = []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff}

// appendStored appends bytes as stored deflate blocks (RFC 1951 section 3.2.4).
// It is correct only where a group begins: within one it would shift what the
// following parts refer to.
func appendStored(dst, b []byte) []byte {
	for len(b) > 0 {
		n := min(len(b), 0xffff)
		dst = append(dst, 0)
		dst = binary.LittleEndian.AppendUint16(dst, uint16(n))
		dst = binary.LittleEndian.AppendUint16(dst, ^uint16(n))
		dst, b = append(dst, b[:n]...), b[n:]
	}
	return dst
}
