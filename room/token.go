package room

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"

	"github.com/roomd/roomd/game"
	"github.com/roomd/roomd/netcode/wire"
)

// SecretSize is the number of random bytes that hold a seat.
const SecretSize = 16

// Token is what a client shows to get its seat back: `room.seat.secret`, the
// secret in base64url without padding. Who has it has the seat. The server
// keeps no token, only the SHA-256 of its secret.
type Token struct {
	Room   string
	Seat   game.PlayerID
	Secret [SecretSize]byte
}

// ErrToken is returned for a token that no server made.
var ErrToken = errors.New("room: malformed token")

var secretText = base64.RawURLEncoding.Strict()

// String is the token as it travels.
func (t Token) String() string {
	return t.Room + "." + strconv.Itoa(int(t.Seat)) + "." + secretText.EncodeToString(t.Secret[:])
}

// ParseToken reads a token from a client. Only what String gives is accepted.
// Whether the token is worth anything only its room can tell.
func ParseToken(s string) (Token, error) {
	var t Token
	room, rest, _ := strings.Cut(s, ".")
	seat, secret, _ := strings.Cut(rest, ".")
	if !wire.ValidRoom(room) || len(secret) != secretText.EncodedLen(SecretSize) {
		return Token{}, ErrToken
	}
	n, err := strconv.ParseUint(seat, 10, 16)
	if err != nil || n == 0 || n > game.MaxMaxPlayers {
		return Token{}, ErrToken
	}
	t.Room, t.Seat = room, game.PlayerID(n)
	if _, err := secretText.Decode(t.Secret[:], []byte(secret)); err != nil || t.String() != s {
		return Token{}, ErrToken
	}
	return t, nil
}

// secretHash is what a seat keeps of its secret.
type secretHash [sha256.Size]byte

func hashSecret(secret [SecretSize]byte) secretHash { return sha256.Sum256(secret[:]) }

// opens reports, in constant time, whether the secret is the seat's.
func (h secretHash) opens(secret [SecretSize]byte) bool {
	sum := hashSecret(secret)
	return subtle.ConstantTimeCompare(h[:], sum[:]) == 1
}
