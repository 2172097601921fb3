package history

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"

	"saturate/record"
)

// decode reads as much of a record as this saturate understands. Of a record of
// its own version or an earlier one that is all but fields that were added
// since; of a newer one whatever has kept its shape.
func decode(data []byte) (*record.Record, error) {
	var r record.Record
	err := json.Unmarshal(data, &r)
	if newer := r.Version > record.Version; err != nil && !(newer && errors.As(err, new(*json.UnmarshalTypeError))) {
		return nil, fmt.Errorf("read record: %w", err)
	} else if newer {
		return &r, identify(&r)
	}
	if _, err := record.Marshal(&r); err != nil { // which refuses what no reader could use
		return nil, err
	}
	return &r, identify(&r)
}

// identify wants what a record is found by.
func identify(r *record.Record) error {
	switch {
	case r.ID == "":
		return errors.New("the record has no id")
	case r.Scenario == "":
		return errors.New("the record has no scenario")
	case r.At.IsZero():
		return errors.New("the record has no time")
	}
	return nil
}

// index is a record's rows, with each one's labels.
func index(r *record.Record) ([]row, []map[string]string, error) {
	targets := r.Targets
	if len(targets) == 0 {
		targets = []record.Target{{Ending: r.Ending}}
	}
	terms, err := termsOf(r)
	if err != nil {
		return nil, nil, err
	}
	var rows []row
	var all []map[string]string
	for i := range targets {
		t := &targets[i]
		labels := maps.Clone(r.Labels)
		if labels == nil {
			labels = make(map[string]string)
		}
		maps.Copy(labels, t.Labels)
		text, err := json.Marshal(labels)
		if err != nil {
			return nil, nil, fmt.Errorf("write labels: %w", err)
		}
		w := row{
			record: r.ID, position: int64(i), at: r.At.UnixMilli(), scenario: r.Scenario, target: t.Name,
			generation: labels["generation"], build: labels["build"], labels: string(text), ending: string(t.Ending),
			inTurnWith: some(r.InTurnWith), held: some(r.Load.Held), unit: r.Load.Unit, arrivals: r.Load.Arrivals, engine: r.Load.Engine,
			terms: terms, warnings: len(r.Warnings),
		}
		w.measured(t)
		w.scored(r)
		rows, all = append(rows, w), append(all, labels)
	}
	return rows, all, nil
}

// measured fills in what was found of a target.
func (w *row) measured(t *record.Target) {
	if s := t.Sustained(); s != nil {
		w.rate, w.atLimit, w.hangover = &s.Rate, some(s.AtLimit), some(s.Hangover)
		w.atLimitSure = newInterval(s.Interval)
	}
	lowest := math.Inf(1)
	for _, r := range t.Repeats {
		if r.Break > 0 {
			lowest = min(lowest, r.Break)
		}
		if r.Ending == t.Ending && r.Bottleneck != nil && w.bottleneck == nil {
			w.bottleneck = &r.Bottleneck.Name
		}
	}
	if !math.IsInf(lowest, 1) {
		w.breakAt = &lowest
	}
	counting := t.Counting()
	w.repeats = len(counting)
	if len(counting) == 0 {
		return
	}
	var failed float64
	for _, r := range counting {
		failed += r.FailedShare / float64(len(counting))
	}
	w.failedShare = &failed
	w.spent(counting)
}

// spent fills in work and cost, where all of the repeats have them in one unit
// and of one scope.
func (w *row) spent(counting []record.Repeat) {
	first := counting[0]
	var works, costs []float64
	for _, r := range counting {
		if r.Work != nil && first.Work != nil && r.Work.Unit == first.Work.Unit && r.Work.Scope == first.Work.Scope {
			works = append(works, r.Work.PerSecond)
		}
		if r.Cost != nil && first.Cost != nil && r.Cost.Unit == first.Cost.Unit {
			costs = append(costs, r.Cost.PerRequest)
		}
	}
	if len(works) == len(counting) {
		w.work, w.workUnit, w.workScope = mean(works), some(first.Work.Unit), some(first.Work.Scope)
	}
	if len(costs) == len(counting) {
		w.cost, w.costUnit = mean(costs), some(first.Cost.Unit)
	}
}

// scored fills in the score that the target's servers have a part in, and the
// fleet's.
func (w *row) scored(r *record.Record) {
	for _, s := range r.AppWeight {
		if s.Generation == w.generation && s.Build == w.build {
			w.own = newScore(s.UsersPerServer, s.Ending, s.Interval, s.MinimumServers)
		}
	}
	if f := r.FleetScore; f != nil && f.Refused == "" {
		w.fleet = newScore(f.UsersPerServer, f.Ending, f.Interval, f.MinimumServers)
	}
}

// termsOf is short for what must agree before figures compare.
func termsOf(r *record.Record) (string, error) {
	text, err := json.Marshal(struct { // maps are written in order
		Limits         map[record.Signal]float64
		Mix            map[string]float64
		Kind, Arrivals string
	}{r.Limits, r.Load.Mix, r.Load.Kind, r.Load.Arrivals})
	if err != nil {
		return "", fmt.Errorf("write terms: %w", err)
	}
	return record.Hash(string(text))[:12], nil
}

// mean is the geometric one; of a single value the value itself.
func mean(values []float64) *float64 {
	if len(values) == 1 {
		return &values[0]
	}
	var sum float64
	for _, v := range values {
		sum += math.Log(v)
	}
	m := math.Exp(sum / float64(len(values)))
	return some(m)
}
