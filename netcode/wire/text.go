package wire

import (
	"encoding/binary"
	"errors"
	"unicode/utf8"
)

// ErrText: a string holds bytes that its place does not allow (section 2.4).
var ErrText = errors.New("characters not allowed here")

type text interface{ ~string | ~[]byte }

// ValidRoom reports whether s may name a room: 1 to MaxRoom of A-Z a-z 0-9 _ -.
func ValidRoom[S text](s S) bool {
	return len(s) > 0 && len(s) <= MaxRoom && all(s, func(c byte) bool { return alnum(c) || c == '_' || c == '-' })
}

// ValidKind reports whether s may name a kind: 1 to MaxKind of a-z 0-9 _ -, the
// first a letter.
func ValidKind[S text](s S) bool {
	return len(s) > 0 && len(s) <= MaxKind && s[0] >= 'a' && s[0] <= 'z' &&
		all(s, func(c byte) bool { return alnum(c) && (c < 'A' || c > 'Z') || c == '_' || c == '-' })
}

// ValidName reports whether s may name a player: up to MaxName bytes of UTF-8
// without control characters. Without a name a player is anonymous.
func ValidName[S text](s S) bool { return len(s) <= MaxName && printable(s) }

// ValidToken reports whether s may be a resume token: up to MaxToken visible
// ASCII characters, none at all for no token.
func ValidToken[S text](s S) bool {
	return len(s) <= MaxToken && all(s, func(c byte) bool { return c > ' ' && c < 0x7f })
}

// ValidParamKey reports whether s may be a key of params: 1 to MaxParamKey of
// A-Z a-z 0-9 _ . -.
func ValidParamKey[S text](s S) bool {
	return len(s) > 0 && len(s) <= MaxParamKey &&
		all(s, func(c byte) bool { return alnum(c) || c == '_' || c == '.' || c == '-' })
}

func alnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

func all[S text](s S, ok func(byte) bool) bool {
	for i := range len(s) {
		if !ok(s[i]) {
			return false
		}
	}
	return true
}

// printable accepts UTF-8 without the control characters of C0, DEL and C1.
func printable[S text](s S) bool {
	for _, r := range string(s) {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return false
		}
	}
	return utf8.ValidString(string(s))
}

func validUTF8(b []byte) bool { return utf8.Valid(b) }

// orEmpty accepts the empty string as well.
func orEmpty(valid func([]byte) bool) func([]byte) bool {
	return func(b []byte) bool { return len(b) == 0 || valid(b) }
}

func be64(b []byte) uint64 { return binary.BigEndian.Uint64(b) }

// appendHash appends a hash as a binary of 8 bytes.
func appendHash(dst []byte, v uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, 0xc4, hashLen), v)
}

// appendOptionalHash appends nil for 0.
func appendOptionalHash(dst []byte, v uint64) []byte {
	if v == 0 {
		return AppendNil(dst)
	}
	return appendHash(dst, v)
}
