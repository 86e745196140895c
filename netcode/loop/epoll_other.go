//go:build !linux

package loop

func newEpoll(*Loop) (engine, error) { return nil, ErrEngine }
