// Package users counts active users from access logs: how many different users
// sent a request in each minute, over all servers.
//
// A user whose requests go to several servers stands in several logs, so the
// servers' own counts do not add up: with six requests a minute over many
// servers the sum is six times the truth. Each server therefore makes a sketch
// of its logs, a HyperLogLog for each minute, and sketches merge without
// counting anybody twice. Users stand in a sketch as salted hashes only.
//
// The package reads logs and sketches from the readers it is given. It opens no
// file, asks nobody, and keeps no user.
package users

import (
	"errors"
	"fmt"
	"time"
)

// The formats that have a name.
const (
	Auto     = "auto"     // whichever of the others the first lines are in
	Combined = "combined" // nginx's default, and Apache's combined
	Common   = "common"   // Apache's common
	HAProxy  = "haproxy"  // option httplog, and what begins like it
	JSON     = "json"     // an object a line
)

// A Config says how logs are read and what identifies a user in them.
type Config struct {
	// Format is one of the names above, or a format as nginx (log_format) and
	// Apache (LogFormat) have it in their configuration.
	Format string
	// User is what identifies a user: cookie:NAME, header:NAME, field:NAME,
	// capture:N, remote_addr, remote_user or user_agent, several joined by +.
	// Which of these is a user is not ours to guess: there is no default.
	User string
	// Identity names what identifies a user. Sketches merge when it is the same
	// on both sides; empty, it is the text of User.
	Identity string
	// Time is the path of the time in JSON logs; empty, it is the first of the
	// usual names that a line has.
	Time string
	// Zone is where times without an offset were written (HAProxy's, some in
	// JSON); with nil a line with such a time counts as malformed.
	Zone *time.Location
	// Precision is the logarithm of the number of registers of a minute's
	// sketch: its standard error is 1.04/sqrt(2^Precision), 0.41 % with 16. The
	// first 2^Precision/16 users of a minute are counted exactly.
	Precision int
}

// The bounds of Precision.
const (
	MinPrecision = 12
	MaxPrecision = 18
)

// Default is the configuration that lacks only the User.
func Default() Config { return Config{Format: Auto, Precision: 16} }

// A Mistake is one thing wrong with a configuration.
type Mistake struct {
	// Path names the field as the command line does: user.
	Path string
	// Problem says what is wrong, Remedy what to do; Remedy may be empty.
	Problem, Remedy string
}

func (m *Mistake) Error() string { return m.Path + ": " + m.Problem }

// Hint is the remedy.
func (m *Mistake) Hint() string { return m.Remedy }

// Validate returns every mistake at once, as [errors.Join] of [*Mistake]; nil
// where there is none.
func (c Config) Validate() error {
	var mistakes []error
	if c.Precision < MinPrecision || c.Precision > MaxPrecision {
		mistakes = append(mistakes, &Mistake{"precision", fmt.Sprintf("%d is not between %d and %d", c.Precision, MinPrecision, MaxPrecision),
			"leave it out: with 16 a minute's users are known within 0.4%"})
	}
	user, err := parseIdentity(c.User)
	if err != nil {
		mistakes = append(mistakes, err)
	}
	if err == nil && c.Format != Auto {
		if _, err := c.parser(c.Format, user); err != nil {
			mistakes = append(mistakes, err)
		}
	}
	return errors.Join(mistakes...)
}

// identity is the name under which sketches merge.
func (c Config) identity() string {
	if c.Identity != "" {
		return c.Identity
	}
	return c.User
}
