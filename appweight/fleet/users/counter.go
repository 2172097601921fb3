package users

import (
	"math"
	"math/bits"
)

// hashBits is how many bits of a user's hash are kept. Two of 4,096 users share
// them with a probability of 3e-8, and they count to 10^11.
const hashBits = 48

// A counter counts the different users of one minute: exactly while they are
// few, from then on by HyperLogLog (Flajolet, Fusy, Gandouet, Meunier 2007).
type counter struct {
	precision int
	exact     map[uint64]struct{} // the hashes, until dense
	registers []uint8             // from then on
	dense     bool
	// touched is when it was last used, on its sketch's own clock.
	touched uint64
}

func newCounter(precision int) *counter {
	return &counter{precision: precision, exact: map[uint64]struct{}{}}
}

// reset forgets all users and keeps the registers' memory.
func (c *counter) reset() {
	if c.dense {
		c.exact, c.dense = map[uint64]struct{}{}, false
	}
	clear(c.exact)
	clear(c.registers)
}

// exactLimit is how many users are counted exactly: their hashes then take as
// much of a file as the registers.
func exactLimit(precision int) int { return 1 << precision / 16 }

// maxRank is the largest value of a register.
func maxRank(precision int) uint8 { return uint8(hashBits - precision + 1) }

// add counts the user with this hash, of hashBits bits.
func (c *counter) add(hash uint64) {
	if !c.dense {
		if c.exact[hash] = struct{}{}; len(c.exact) > exactLimit(c.precision) {
			c.approximate()
		}
		return
	}
	tail := hashBits - c.precision
	i, rank := hash>>tail, uint8(tail-bits.Len64(hash&(1<<tail-1))+1)
	if rank > c.registers[i] {
		c.registers[i] = rank
	}
}

// approximate goes over from hashes to registers.
func (c *counter) approximate() {
	if c.dense {
		return
	}
	if c.registers == nil {
		c.registers = make([]uint8, 1<<c.precision)
	}
	c.dense = true
	for hash := range c.exact {
		c.add(hash)
	}
	c.exact = nil
}

// estimate is the number of users and its standard error, which is 0 where they
// are counted. From registers it is Ertl's improved raw estimator ("New
// cardinality estimation algorithms for HyperLogLog sketches", 2017, section 4),
// which has no bias at any size and needs no table of corrections.
func (c *counter) estimate() (users, se float64) {
	if !c.dense {
		return float64(len(c.exact)), 0
	}
	var having [hashBits + 2]float64 // how many registers have each value
	for _, rank := range c.registers {
		having[rank]++
	}
	m, q := float64(len(c.registers)), hashBits-c.precision
	z := m * ertlTau(1-having[q+1]/m)
	for k := q; k >= 1; k-- {
		z = (z + having[k]) / 2
	}
	z += m * ertlSigma(having[0]/m)
	users = m * m / (2 * math.Ln2 * z)
	return users, users * 1.04 / math.Sqrt(m)
}

// ertlSigma is x + sum over k >= 1 of x^(2^k) * 2^(k-1), for the registers that
// nobody has touched.
func ertlSigma(x float64) float64 {
	if x == 1 {
		return math.Inf(1)
	}
	z := x
	for y := 1.0; ; y *= 2 {
		x *= x
		before := z
		if z += x * y; z == before {
			return z
		}
	}
}

// ertlTau is (1 - x - sum over k >= 1 of (1 - x^(2^-k))^2 * 2^-k) / 3, for the
// registers that can go no higher.
func ertlTau(x float64) float64 {
	if x == 0 || x == 1 {
		return 0
	}
	z := 1 - x
	for y := .5; ; y /= 2 {
		x = math.Sqrt(x)
		before := z
		if z -= (1 - x) * (1 - x) * y; z == before {
			return z / 3
		}
	}
}
