package delta

import (
	"fmt"

	"github.com/roomd/roomd/netcode/wire"
)

// applyBody applies a body that must hold n elements and nothing more.
func applyBody(s *State, body []byte, n int) error {
	r := wire.NewReader(body)
	if err := s.Apply(&r, n); err != nil {
		return err
	}
	if rest := len(r.Rest()); rest != 0 {
		return fmt.Errorf("%d bytes left behind the body", rest)
	}
	return nil
}
