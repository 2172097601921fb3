package users

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// How many minutes' counters are at hand; the others are packed, which takes
// them a third of the memory. Lines may be out of order by as many minutes, and
// more, at no cost but time. Files to merge go through all their minutes one
// after another, and a day's should stay open meanwhile.
const (
	openMinutes   = 64
	mergedMinutes = 24*60 + 60
)

// A Sketch is the different users of every minute, of one server or, merged, of
// many. Its zero value is empty and merges with anything.
type Sketch struct {
	// Identity is what identifies a user, Salt the fingerprint of the secret that
	// they were hashed with, Precision that of the configuration.
	Identity  string
	Salt      string
	Precision int
	// Sources are the logs it was made of, an entry each time that logs were read.
	Sources []Source

	open   map[int64]*counter // by minute, counted from 1970
	sealed map[int64][]byte   // what is not open, packed
	clock  uint64
	packer packer
}

// A Source is the logs that one reader read.
type Source struct {
	Name string `json:"name,omitempty"`
	// From and To are the first and the last minute that has a user, in the zone
	// of the log's last line.
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Lines are all but empty ones; of these Malformed could not be read, and
	// WithoutUser have no user.
	Lines       int64 `json:"lines"`
	Malformed   int64 `json:"malformed,omitempty"`
	WithoutUser int64 `json:"without_user,omitempty"`
	// FirstMalformed is the place of the first malformed line and what is wrong.
	FirstMalformed string `json:"first_malformed,omitempty"`
}

// A Minute is how many users were active in one minute: those with a request in
// it.
type Minute struct {
	At        time.Time // its start
	Users, SE float64   // SE is the standard error; 0 where they were counted
}

func newSketch(identity string, salt Salt, precision int) *Sketch {
	return &Sketch{Identity: identity, Salt: salt.Fingerprint(), Precision: precision}
}

// A MixError says that two sketches do not merge.
type MixError struct {
	Name        string // of the sketch that does not fit
	What        string // "identity", "salt" or "precision"
	Have, Other string
}

func (e *MixError) Error() string {
	return fmt.Sprintf("%s: its %s is %s, and that of the others %s: they do not merge", e.Name, e.What, e.Other, e.Have)
}

// Hint is the remedy.
func (e *MixError) Hint() string {
	switch e.What {
	case "identity":
		return "identify users by the same on every server; if only the fields' names differ, name the identity with --identity"
	case "salt":
		return "make the sketches with the same --salt on every server"
	}
	return "make the sketches with the same --precision on every server"
}

// adopt takes over what an empty sketch does not have yet, and refuses to mix.
func (s *Sketch) adopt(name, identity, salt string, precision int) error {
	if s.Precision == 0 {
		s.Identity, s.Salt, s.Precision = identity, salt, precision
	}
	switch {
	case identity != s.Identity:
		return &MixError{name, "identity", fmt.Sprintf("%q", s.Identity), fmt.Sprintf("%q", identity)}
	case precision != s.Precision:
		return &MixError{name, "precision", fmt.Sprint(s.Precision), fmt.Sprint(precision)}
	case salt != s.Salt:
		return &MixError{name, "salt", "the one with fingerprint " + s.Salt, "the one with fingerprint " + salt}
	}
	return nil
}

// at is the counter of a minute, which stays valid until the next call. No more
// than limit stay open.
func (s *Sketch) at(minute int64, limit int) (*counter, error) {
	s.clock++
	c, ok := s.open[minute]
	if !ok {
		var err error
		if c, err = s.unseal(minute, limit); err != nil {
			return nil, err
		}
	}
	c.touched = s.clock
	return c, nil
}

// unseal opens a minute; the one that was used least recently makes room.
func (s *Sketch) unseal(minute int64, limit int) (*counter, error) {
	if s.open == nil {
		s.open, s.sealed = map[int64]*counter{}, map[int64][]byte{}
	}
	var c *counter
	if len(s.open) < limit {
		c = newCounter(s.Precision)
	} else {
		var err error
		if c, err = s.seal(); err != nil {
			return nil, err
		}
	}
	if packed, ok := s.sealed[minute]; ok {
		if err := s.packer.unpack(c, packed); err != nil {
			return nil, err
		}
		delete(s.sealed, minute)
	}
	s.open[minute] = c
	return c, nil
}

// seal packs the minute that was used least recently and returns its counter,
// empty.
func (s *Sketch) seal() (*counter, error) {
	var minute int64
	var c *counter
	for m, o := range s.open {
		if c == nil || o.touched < c.touched {
			minute, c = m, o
		}
	}
	packed, err := s.packer.pack(c)
	if err != nil {
		return nil, err
	}
	s.sealed[minute] = slices.Clone(packed)
	delete(s.open, minute)
	c.reset()
	return c, nil
}

// minutes are all that have a user, in order.
func (s *Sketch) minutes() []int64 {
	all := slices.AppendSeq(slices.Collect(maps.Keys(s.open)), maps.Keys(s.sealed))
	slices.Sort(all)
	return all
}

// Series is how many users were active, minute by minute; minutes without any
// are left out.
func (s *Sketch) Series() ([]Minute, error) {
	var series []Minute
	scratch := newCounter(s.Precision)
	for _, minute := range s.minutes() {
		c := s.open[minute]
		if c == nil {
			scratch.reset()
			if err := s.packer.unpack(scratch, s.sealed[minute]); err != nil {
				return nil, err
			}
			c = scratch
		}
		users, se := c.estimate()
		series = append(series, Minute{At: time.Unix(minute*60, 0).UTC(), Users: users, SE: se})
	}
	return series, nil
}
