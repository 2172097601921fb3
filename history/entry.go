package history

import (
	"slices"
	"time"

	"saturate/record"
)

// An Entry is one target of one record: what lists, nights and comparisons
// need without the whole record. A record without targets has one entry,
// without a target. Words and units are the record's.
type Entry struct {
	ID         string    `json:"id"` // the record's
	At         time.Time `json:"at"` // to the millisecond, UTC
	Scenario   string    `json:"scenario"`
	Target     string    `json:"target"`
	Generation string    `json:"generation,omitempty"`
	Build      string    `json:"build,omitempty"`
	// Labels are the run's and the target's own; the latter win. Entries that have the
	// same share them: they are to be read only.
	Labels map[string]string `json:"labels,omitempty"`
	Ending record.Ending     `json:"ending"`
	// InTurnWith is the other side's record, where the two were measured in turn.
	InTurnWith string `json:"in_turn_with,omitempty"`
	// Held is the level of a check; 0 where the limit was searched for.
	Held     float64 `json:"held,omitempty"`
	Unit     string  `json:"unit"` // of rates
	Arrivals string  `json:"arrivals,omitempty"`
	Engine   string  `json:"engine,omitempty"`
	// Break is the lowest level seen to fail.
	Break      float64           `json:"break,omitempty"`
	Sustained  *record.Sustained `json:"sustained,omitempty"`
	Bottleneck string            `json:"bottleneck,omitempty"`
	// Work and Cost are geometric means over the repeats that count.
	Work        *record.Work `json:"work,omitempty"`
	Cost        *record.Cost `json:"cost,omitempty"`
	FailedShare *float64     `json:"failed_share,omitempty"` // of the holds' requests
	// Repeats are those that the answer comes from.
	Repeats   int        `json:"repeats"`
	AppWeight *AppWeight `json:"appweight,omitempty"`
	// Fleet is the score of a fleet of several generations, the same in all of a
	// record's entries.
	Fleet *AppWeight `json:"fleet,omitempty"`
	// Terms are the same for two entries exactly when the runs had the same
	// limits, mix, kind of load and arrivals: figures of other terms do not
	// compare.
	Terms    string `json:"terms"`
	Warnings int    `json:"warnings,omitempty"`
	// Baseline is set where the record is its scenario's baseline.
	Baseline bool `json:"baseline,omitempty"`
}

// AppWeight is a score: of the target's generation and build, or of the fleet.
type AppWeight struct {
	Ending         record.Ending    `json:"ending"`
	UsersPerServer float64          `json:"users_per_server"`
	Interval       *record.Interval `json:"interval,omitempty"`
	MinimumServers float64          `json:"minimum_servers,omitempty"`
}

// columns are an entry's in the database, in the order of a row's fields.
const columns = `record, position, at, scenario, target, generation, build, labels, ending,
	in_turn_with, held, unit, arrivals, engine, break,
	rate, at_limit, at_limit_lo, at_limit_hi, at_limit_level, at_limit_basis, hangover,
	bottleneck, work, work_unit, work_scope, cost, cost_unit, failed_share, repeats,
	users, users_ending, users_lo, users_hi, users_level, users_basis, minimum_servers,
	fleet, fleet_ending, fleet_lo, fleet_hi, fleet_level, fleet_basis, fleet_servers, terms, warnings`

// A row is an entry as the database has it.
type row struct {
	record                                              string
	position, at                                        int64
	scenario, target, generation, build, labels, ending string
	inTurnWith                                          *string
	held                                                *float64
	unit, arrivals, engine                              string
	breakAt, rate, atLimit                              *float64
	atLimitSure                                         interval
	hangover                                            *float64
	bottleneck                                          *string
	work                                                *float64
	workUnit, workScope                                 *string
	cost                                                *float64
	costUnit                                            *string
	failedShare                                         *float64
	repeats                                             int
	own, fleet                                          score
	terms                                               string
	warnings                                            int
}

// A score is AppWeight in columns.
type score struct {
	users   *float64
	ending  *string
	sure    interval
	servers *float64
}

func newScore(users float64, ending record.Ending, sure *record.Interval, servers float64) score {
	return score{users: &users, ending: some(string(ending)), sure: newInterval(sure), servers: some(servers)}
}

func (s score) of() *AppWeight {
	if s.users == nil {
		return nil
	}
	return &AppWeight{Ending: record.Ending(value(s.ending)), UsersPerServer: *s.users, Interval: s.sure.of(), MinimumServers: value(s.servers)}
}

func (s *score) fields() []any {
	return []any{&s.users, &s.ending, &s.sure.lo, &s.sure.hi, &s.sure.level, &s.sure.basis, &s.servers}
}

// An interval is record.Interval in columns.
type interval struct {
	lo, hi, level *float64
	basis         *string
}

// fields are pointers to a row's values, in the order of columns.
func (r *row) fields() []any {
	return slices.Concat([]any{
		&r.record, &r.position, &r.at, &r.scenario, &r.target, &r.generation, &r.build, &r.labels, &r.ending,
		&r.inTurnWith, &r.held, &r.unit, &r.arrivals, &r.engine, &r.breakAt,
		&r.rate, &r.atLimit, &r.atLimitSure.lo, &r.atLimitSure.hi, &r.atLimitSure.level, &r.atLimitSure.basis, &r.hangover,
		&r.bottleneck, &r.work, &r.workUnit, &r.workScope, &r.cost, &r.costUnit, &r.failedShare, &r.repeats,
	}, r.own.fields(), r.fleet.fields(), []any{&r.terms, &r.warnings})
}

// entry is what a row tells; labels is its decoded JSON.
func (r *row) entry(labels map[string]string) Entry {
	e := Entry{
		ID: r.record, At: time.UnixMilli(r.at).UTC(), Scenario: r.scenario, Target: r.target,
		Generation: r.generation, Build: r.build, Labels: labels, Ending: record.Ending(r.ending),
		InTurnWith: value(r.inTurnWith), Held: value(r.held), Unit: r.unit, Arrivals: r.arrivals, Engine: r.engine, Break: value(r.breakAt),
		Bottleneck: value(r.bottleneck), FailedShare: r.failedShare, Repeats: r.repeats,
		AppWeight: r.own.of(), Fleet: r.fleet.of(), Terms: r.terms, Warnings: r.warnings,
	}
	if r.rate != nil {
		e.Sustained = &record.Sustained{Rate: *r.rate, AtLimit: value(r.atLimit), Interval: r.atLimitSure.of(), Hangover: value(r.hangover)}
	}
	if r.work != nil {
		e.Work = &record.Work{Unit: value(r.workUnit), Scope: value(r.workScope), PerSecond: *r.work}
	}
	if r.cost != nil {
		e.Cost = &record.Cost{Unit: value(r.costUnit), PerRequest: *r.cost}
	}
	return e
}

func (i interval) of() *record.Interval {
	if i.lo == nil {
		return nil
	}
	return &record.Interval{Lo: *i.lo, Hi: value(i.hi), Level: value(i.level), Basis: value(i.basis)}
}

func newInterval(i *record.Interval) interval {
	if i == nil {
		return interval{}
	}
	return interval{lo: &i.Lo, hi: &i.Hi, level: &i.Level, basis: some(i.Basis)}
}

// value is what a pointer points to; the zero value where it points nowhere.
func value[T any](p *T) T {
	if p == nil {
		return *new(T)
	}
	return *p
}

// some points to a value, and nowhere for the zero value: what a record leaves
// out is NULL in the database.
func some[T comparable](v T) *T {
	if v == *new(T) {
		return nil
	}
	return &v
}
