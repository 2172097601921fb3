package record

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// crockford is an alphabet whose order is that of the digits' values, and
// without letters that are taken for digits.
const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// NewID returns an ID that no other record has: 26 letters and digits, of
// which the first ten are the time in milliseconds, so that records sort by
// age, and sixteen are random (a ULID).
func NewID(at time.Time) string {
	var id [26]byte
	ms := at.UnixMilli()
	for i := 9; i >= 0; i-- {
		id[i] = crockford[ms&31]
		ms >>= 5
	}
	rand.Read(id[10:])
	for i := 10; i < len(id); i++ {
		id[i] = crockford[id[i]&31]
	}
	return string(id[:])
}

// Hash is what a record keeps of a scenario's text.
func Hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
