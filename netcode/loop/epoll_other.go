//go:build !linux

package loop

import "syscall"

func newEpoll(*Loop) (engine, error) { return nil, ErrEngine }

func controlListener(string, string, syscall.RawConn) error { return nil }
