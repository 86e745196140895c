package sse

import (
	"net/http"
	"slices"
	"time"

	"github.com/roomd/roomd/netcode/loop"
)

// HTTPStream carries a Reader over a handler of net/http: HTTP/2, and what the
// loop left to it. Begin and Leave run on the log's goroutine, Run on the
// handler's.
type HTTPStream struct {
	q      Request
	pieces chan piece
	reader *Reader
	gzip   bool
}

// piece is one offer; end ends the response.
type piece struct {
	private []byte
	block   *Block
	end     bool
}

// NewHTTPStream returns the stream of a request.
func NewHTTPStream(q Request) *HTTPStream {
	return &HTTPStream{q: q, pieces: make(chan piece, httpQueue)}
}

// Begin brings the reader in.
func (s *HTTPStream) Begin(l *Log) {
	s.q.Head = func(gzip bool) []byte {
		s.gzip = gzip
		return nil
	}
	s.reader = l.Read(loop.Now(), s.q, s)
}

// Leave takes the reader out.
func (s *HTTPStream) Leave() {
	if s.reader != nil {
		s.reader.Leave()
	}
}

// Offer implements Sink.
func (s *HTTPStream) Offer(private []byte, block *Block) bool {
	if len(s.pieces) >= httpQueue-1 { // the last place is for the end
		return false
	}
	s.pieces <- piece{private: slices.Clone(private), block: block}
	return true
}

// End implements Sink.
func (s *HTTPStream) End(last []byte) { s.pieces <- piece{private: slices.Clone(last), end: true} }

// Run writes what the log offers until either side ends, or 204 when the log
// takes no readers. Begin has returned.
func (s *HTTPStream) Run(w http.ResponseWriter, r *http.Request) {
	if s.reader == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	for _, f := range s.q.Header(s.gzip) {
		w.Header().Set(f[0], f[1])
	}
	w.WriteHeader(http.StatusOK)
	out := http.NewResponseController(w)
	for {
		select {
		case p := <-s.pieces:
			if write(w, out, p) != nil || p.end {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}

func write(w http.ResponseWriter, out *http.ResponseController, p piece) error {
	if err := out.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return err
	}
	if len(p.private) > 0 {
		if _, err := w.Write(p.private); err != nil {
			return err
		}
	}
	if p.block != nil {
		if _, err := w.Write(p.block.b); err != nil {
			return err
		}
	}
	return out.Flush()
}
