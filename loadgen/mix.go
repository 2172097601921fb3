package loadgen

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// kindHeader carries a hit's place in the mix from the targeter to the round
// trip; it is taken off before the request is sent.
const kindHeader = "X-Saturate-Kind"

// A kind is one request of the mix, ready to be sent.
type kind struct {
	name   string
	target vegeta.Target
	expect []int
}

func (k *kind) expects(status int) bool {
	if len(k.expect) == 0 {
		return status >= 200 && status < 400
	}
	return slices.Contains(k.expect, status)
}

// request builds a fresh request of this kind.
func (k *kind) request() (*http.Request, error) {
	req, err := k.target.Request()
	if err == nil {
		unmark(req.Header)
	}
	return req, err
}

// bytes are the request as it goes over the wire, the same as net/http's
// transport would send; last says that no other follows on its connection.
func (k *kind) bytes(last bool) ([]byte, error) {
	req, err := k.request()
	if err != nil {
		return nil, err
	}
	req.Close = last
	var b bytes.Buffer
	err = req.Write(&b)
	return b.Bytes(), err
}

// unmark takes off what only vegeta and we need.
func unmark(h http.Header) {
	delete(h, kindHeader)
	delete(h, "X-Vegeta-Seq")
	delete(h, "X-Vegeta-Attack")
}

// A mix chooses requests at random by weight, the same ones for the same seed.
type mix struct {
	kinds []kind
	upTo  []float64 // cumulated shares

	mu  sync.Mutex
	rng *rand.Rand
}

func newMix(c Config, base string, seed uint64) (*mix, error) {
	m := &mix{rng: chooser(seed)}
	upTo := 0.0
	for i, share := range c.Shares() {
		r := c.Requests[i]
		k, err := newKind(c, r, base, i)
		if err != nil {
			return nil, fmt.Errorf("request %q: %w", r.name(), err)
		}
		m.kinds = append(m.kinds, k)
		upTo += share
		m.upTo = append(m.upTo, upTo)
	}
	return m, nil
}

// chooser is what a mix is chosen by.
func chooser(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

// Shares are the requests' parts of the mix, in their order; they sum to 1.
// Where no request has a weight all are equal.
func (c Config) Shares() []float64 {
	shares := make([]float64, len(c.Requests))
	var total float64
	for _, r := range c.Requests {
		total += r.Weight
	}
	for i, r := range c.Requests {
		shares[i] = 1 / float64(len(shares))
		if total > 0 {
			shares[i] = r.Weight / total
		}
	}
	return shares
}

func newKind(c Config, r Request, base string, place int) (kind, error) {
	body := []byte(r.Body)
	if r.BodyFile != "" {
		b, err := os.ReadFile(r.BodyFile)
		if err != nil {
			return kind{}, err
		}
		body = b
	}
	h := http.Header{}
	h.Set("User-Agent", "saturate")
	for name, value := range c.Headers {
		h.Set(name, value)
	}
	for name, value := range r.Headers {
		h.Set(name, value)
	}
	h.Set(kindHeader, strconv.Itoa(place))
	k := kind{name: r.name(), expect: r.Expect, target: vegeta.Target{
		Method: r.method(), URL: strings.TrimSuffix(base, "/") + r.Path, Body: body, Header: h,
	}}
	_, err := k.request()
	return k, err
}

// next is the mix as a vegeta.Targeter.
func (m *mix) next(t *vegeta.Target) error {
	m.mu.Lock()
	i := m.pick(m.rng)
	m.mu.Unlock()
	*t = m.kinds[i].target
	return nil
}

// pick chooses a kind.
func (m *mix) pick(rng *rand.Rand) int {
	if len(m.kinds) == 1 {
		return 0
	}
	return min(sort.SearchFloat64s(m.upTo, rng.Float64()), len(m.kinds)-1)
}

// kind finds the kind that next chose for a request.
func (m *mix) kind(h http.Header) int {
	i, err := strconv.Atoi(h.Get(kindHeader))
	if err != nil || i < 0 || i >= len(m.kinds) {
		return 0
	}
	return i
}
