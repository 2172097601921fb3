package report

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/perf/benchfmt"

	"saturate/record"
)

// Benchfmt writes the Go benchmark format, which benchstat reads: a line for
// every repeat that found its limit, named Saturate/SCENARIO/target=NAME/hold. Labels
// are configuration keys, so that `benchstat -col generation` or `-col build`
// compares them; so are what must agree before figures compare (mix, arrivals,
// engine, limits, scope), because benchstat keeps apart what differs in them.
//
// A repeat that found no limit is not a sample: it gets a comment.
func Benchfmt(w io.Writer, r *record.Record, _ Options) error {
	return Benchmarks(w, []*record.Record{r})
}

// Benchmarks is Benchfmt of several records: nights, say, as one another's
// repeats.
func Benchmarks(w io.Writer, records []*record.Record) error {
	var b bytes.Buffer
	out := benchfmt.NewWriter(&b)
	units := make(map[string]bool)
	for _, r := range records {
		for i := range r.Targets {
			t := &r.Targets[i]
			for _, repeat := range t.Repeats {
				if repeat.Ending != record.Found || repeat.Sustained == nil {
					fmt.Fprintf(&b, "# %s\n", strings.Join(strings.Fields(fmt.Sprintf("%s: %s", t.Name, one(repeat, r.Load.Unit))), " "))
				} else if err := benchmark(out, units, r, t, repeat); err != nil {
					return fmt.Errorf("write benchmarks: %w", err)
				}
			}
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

// benchmark writes a repeat's line, and what is to be said of units before it.
func benchmark(out *benchfmt.Writer, units map[string]bool, r *record.Record, t *record.Target, repeat record.Repeat) error {
	values := benchValues(r, t, repeat)
	for _, v := range values {
		if err := describe(out, units, v.Unit); err != nil {
			return err
		}
	}
	return out.Write(&benchfmt.Result{Config: benchConfig(r, t, repeat), Name: benchName(r, t), Iters: 1, Values: values})
}

func benchName(r *record.Record, t *record.Target) benchfmt.Name {
	part := func(text string) string { return strings.ReplaceAll(word(text), "/", "_") }
	// It ends in a word because benchstat takes a number at the end for GOMAXPROCS.
	return benchfmt.Name("Saturate/" + part(r.Scenario) + "/target=" + part(t.Name) + "/hold")
}

// word is text without what ends a word.
func word(text string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsSpace(c) || unicode.IsControl(c) {
			return '_'
		}
		return c
	}, text)
}

// Units of benchmarks, and whether more or less of it is better.
const (
	benchUsers  = "users/server"
	benchFailed = "failed/req"
	benchP99    = "p99-sec"
)

func benchValues(r *record.Record, t *record.Target, repeat record.Repeat) []benchfmt.Value {
	unit := word(r.Load.Unit)
	values := []benchfmt.Value{{Value: repeat.Sustained.Rate, Unit: unit}}
	add := func(v float64, unit string) { values = append(values, benchfmt.Value{Value: v, Unit: unit}) }
	if repeat.Sustained.AtLimit > 0 {
		add(repeat.Sustained.AtLimit, "limit-"+unit)
	}
	if s := scoreOf(r, t); s != nil && repeat.Work != nil && repeat.Work.Unit == s.Work.Unit && s.WorkPerUser > 0 {
		add(repeat.Work.PerSecond/s.WorkPerUser, benchUsers)
	}
	if k := repeat.Work; k != nil && k.Unit != "requests" {
		add(k.PerSecond, short(k.Unit)+"/s")
	}
	if c := repeat.Cost; c != nil {
		add(c.PerRequest, short(c.Unit)+"/req")
	}
	if l := repeat.Latency; l != nil {
		add(l.P99, benchP99)
	}
	add(repeat.FailedShare, benchFailed)
	return values
}

// scoreOf is the score of a target's generation and build, where its limit was
// found; nil where there is none.
func scoreOf(r *record.Record, t *record.Target) *record.Score {
	labels := labelsOf(r, t)
	for i := range r.AppWeight {
		if s := &r.AppWeight[i]; s.Ending == record.Found && s.Generation == labels["generation"] && s.Build == labels["build"] {
			return s
		}
	}
	return nil
}

// labelsOf are a target's own labels, and the run's where it has none.
func labelsOf(r *record.Record, t *record.Target) map[string]string {
	labels := make(map[string]string)
	maps.Copy(labels, r.Labels)
	maps.Copy(labels, t.Labels)
	return labels
}

// short is a unit of work as benchmarks name it.
func short(unit string) string {
	if unit == record.CPUSeconds {
		return "cpu-sec"
	}
	return word(unit)
}

// describe says once of each unit which way is better.
func describe(out *benchfmt.Writer, said map[string]bool, unit string) error {
	if said[unit] {
		return nil
	}
	said[unit] = true
	better := "higher"
	switch {
	case unit == benchFailed, unit == benchP99, strings.HasSuffix(unit, "/req"):
		better = "lower"
	case strings.HasPrefix(unit, "cpu-sec"), strings.HasPrefix(unit, record.Instructions):
		return nil // more work done is neither
	}
	return out.Write(&benchfmt.UnitMetadata{UnitMetadataKey: benchfmt.UnitMetadataKey{Unit: unit, Key: "better"}, OrigUnit: unit, Value: better})
}

// benchConfig is what holds for a line.
func benchConfig(r *record.Record, t *record.Target, repeat record.Repeat) []benchfmt.Config {
	all := make(map[string]string)
	for name, value := range labelsOf(r, t) {
		all[configKey(name)] = value
	}
	all["arrivals"], all["engine"] = r.Load.Arrivals, r.Load.Engine
	all["mix"], all["limits"] = shares(r.Load.Mix), shares(r.Limits)
	if repeat.Work != nil {
		all["scope"] = repeat.Work.Scope
	}
	var config []benchfmt.Config
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if value := strings.Join(strings.Fields(all[key]), " "); value != "" {
			config = append(config, benchfmt.Config{Key: key, Value: []byte(value), File: true})
		}
	}
	return config
}

// configKey is a label's name as a configuration key may be: it begins with a
// small letter, and has no capitals, spaces or colons in it.
func configKey(name string) string {
	key := strings.Map(func(c rune) rune {
		if unicode.IsSpace(c) || unicode.IsControl(c) || c == ':' {
			return '-'
		}
		return unicode.ToLower(c)
	}, name)
	if first, _ := utf8.DecodeRuneInString(key); !unicode.IsLower(first) {
		key = "label-" + key
	}
	return key
}

// shares writes values by name, in order.
func shares[K ~string](values map[K]float64) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		all = append(all, fmt.Sprintf("%s=%.4g", name, values[name]))
	}
	return strings.Join(all, ",")
}
