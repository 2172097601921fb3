package users

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"
)

// A Salt is the secret that users are hashed with. All servers of a fleet need
// the same one, or their sketches do not merge; without it nobody finds out
// whether a given user stands in a sketch.
type Salt struct{ secret []byte }

const minSalt = 16 // bytes; what can be guessed protects nobody

// NewSalt makes a salt of a secret of at least 16 bytes, such as the output of
// openssl rand -hex 32.
func NewSalt(secret []byte) (Salt, error) {
	if len(secret) < minSalt {
		return Salt{}, &Mistake{"salt", fmt.Sprintf("it has %d bytes, which can be guessed; %d are the least", len(secret), minSalt),
			"make one with: openssl rand -hex 32"}
	}
	return Salt{append([]byte(nil), secret...)}, nil
}

// RandomSalt is a salt that nobody else has, for logs that are read in one go.
func RandomSalt() Salt {
	secret := make([]byte, 32)
	rand.Read(secret) // never fails, since Go 1.24
	return Salt{secret}
}

// Fingerprint tells salts apart without giving them away.
func (s Salt) Fingerprint() string {
	return hex.EncodeToString(s.derive([]byte("saturate users: fingerprint"))[:8])
}

func (s Salt) derive(label []byte) []byte {
	h := hmac.New(sha256.New, s.secret)
	h.Write(label)
	return h.Sum(nil)
}

// key is what the users of one minute are hashed with. Each minute has its own,
// so that a user cannot be followed from minute to minute, and so that the
// errors of the minutes' estimates are independent and shrink in a mean.
func (s Salt) key(minute int64) sipKey {
	k := s.derive(binary.BigEndian.AppendUint64([]byte("saturate users: minute "), uint64(minute)))
	return sipKey{binary.LittleEndian.Uint64(k), binary.LittleEndian.Uint64(k[8:])}
}

// A sipKey is the key of SipHash-2-4, the keyed hash for short messages of
// Aumasson and Bernstein (2012).
type sipKey [2]uint64

func (k sipKey) hash(message []byte) uint64 {
	v0, v1 := k[0]^0x736f6d6570736575, k[1]^0x646f72616e646f6d
	v2, v3 := k[0]^0x6c7967656e657261, k[1]^0x7465646279746573
	round := func() {
		v0 += v1
		v2 += v3
		v1 = bits.RotateLeft64(v1, 13) ^ v0
		v3 = bits.RotateLeft64(v3, 16) ^ v2
		v0 = bits.RotateLeft64(v0, 32)
		v2 += v1
		v0 += v3
		v1 = bits.RotateLeft64(v1, 17) ^ v2
		v3 = bits.RotateLeft64(v3, 21) ^ v0
		v2 = bits.RotateLeft64(v2, 32)
	}
	last := uint64(len(message)) << 56
	for len(message) >= 8 {
		m := binary.LittleEndian.Uint64(message)
		v3 ^= m
		round()
		round()
		v0 ^= m
		message = message[8:]
	}
	for i, b := range message {
		last |= uint64(b) << (8 * i)
	}
	v3 ^= last
	round()
	round()
	v0 ^= last
	v2 ^= 0xff
	round()
	round()
	round()
	round()
	return v0 ^ v1 ^ v2 ^ v3
}
