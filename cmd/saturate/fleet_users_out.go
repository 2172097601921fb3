package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"saturate/appweight/fleet/users"
)

// A usersReport is what `fleet users` found, in its JSON.
type usersReport struct {
	Version int `json:"version"`
	// ActiveUsers is U, the mean over the window of the users active in one minute.
	ActiveUsers   float64     `json:"active_users"`
	StandardError float64     `json:"standard_error"`
	Window        usersWindow `json:"window"`
	// PeakMinute is the middle of the window, BusiestMinute the one with most users.
	PeakMinute    usersMinute    `json:"peak_minute"`
	BusiestMinute usersMinute    `json:"busiest_minute"`
	Day           string         `json:"day,omitempty"`
	Timezone      string         `json:"timezone"`
	Identity      string         `json:"identity"`
	Lines         int64          `json:"lines"`
	Malformed     int64          `json:"malformed"`
	WithoutUser   int64          `json:"without_user"`
	Sources       []users.Source `json:"sources"`
	Warnings      []string       `json:"warnings"`
}

type usersWindow struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

type usersMinute struct {
	At            time.Time `json:"at"`
	ActiveUsers   float64   `json:"active_users"`
	StandardError float64   `json:"standard_error"`
}

// writeUsers renders a sketch in every format. Nobody in the logs is no answer,
// but a sketch all the same: another server may have seen somebody.
func writeUsers(env *environment, sketch *users.Sketch, window users.Window, outputs []output) error {
	report, err := newUsersReport(sketch, window)
	var mistake *users.Mistake
	if errors.As(err, &mistake) {
		return exitWith(exitUsage, err)
	}
	nobody := errors.Is(err, users.ErrNoUsers)
	if err != nil && !nobody {
		return err
	}
	var errs error
	said := false
	for _, o := range outputs {
		said = said || o.format == "text" || o.format == "json"
		if err := report.write(env, sketch, o, nobody); err != nil {
			errs = errors.Join(errs, fmt.Errorf("-o %s: %w", o.format, err))
		}
	}
	if !said {
		fmt.Fprintf(env.stderr, "saturate: %s\n", report.read())
	}
	if nobody && said && errs == nil {
		return hint(exitWith(exitNoAnswer, err), "is it the right --user and --day? "+report.read())
	}
	return errs
}

func (r *usersReport) write(env *environment, sketch *users.Sketch, o output, nobody bool) error {
	var b bytes.Buffer
	switch o.format {
	case "sketch":
		return writeSketch(env, sketch, o.file)
	case "openmetrics":
		if err := sketch.WriteOpenMetrics(&b); err != nil {
			return err
		}
	case "json":
		if nobody {
			return nil
		}
		if err := r.json(&b); err != nil {
			return err
		}
	default:
		if nobody {
			return nil
		}
		r.text(&b)
	}
	return o.put(env.stdout, b.Bytes())
}

// writeSketch writes as it goes, since a sketch is large: beside the file, which
// it replaces at the end and which its owner alone may read.
func writeSketch(env *environment, sketch *users.Sketch, path string) error {
	if path == "" {
		if isTerminal(env.stdout) {
			return hint(exitWith(exitUsage, errors.New("a sketch is not for a terminal")), "write it to a file with -o sketch=FILE")
		}
		_, err := sketch.WriteTo(env.stdout)
		return err
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() { // a pipe
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = sketch.WriteTo(f)
		return errors.Join(err, f.Close())
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	_, err = sketch.WriteTo(f)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// newUsersReport may have no users in it, beside an error that says so.
func newUsersReport(sketch *users.Sketch, window users.Window) (*usersReport, error) {
	r := &usersReport{Version: 1, Identity: sketch.Identity, Sources: sketch.Sources, Warnings: []string{}}
	for _, s := range sketch.Sources {
		r.Lines += s.Lines
		r.Malformed += s.Malformed
		r.WithoutUser += s.WithoutUser
	}
	p, err := sketch.Peak(window)
	if err != nil {
		return r, err
	}
	minute := func(m users.Minute) usersMinute { return usersMinute{m.At.In(p.Zone), m.Users, m.SE} }
	r.ActiveUsers, r.StandardError = p.ActiveUsers, p.SE
	r.Window = usersWindow{p.From.In(p.Zone), p.To.In(p.Zone)}
	r.PeakMinute, r.BusiestMinute = minute(p.Middle), minute(p.Busiest)
	r.Day, r.Timezone = p.Day, p.Zone.String()
	r.Warnings = append(r.Warnings, p.Warnings...)
	if readable := r.Lines - r.Malformed; r.Malformed*100 > r.Lines || r.WithoutUser*2 > readable {
		r.Warnings = append(r.Warnings, fmt.Sprintf("of %s lines %s could not be read and %s had no user: who is missing?",
			grouped(float64(r.Lines)), grouped(float64(r.Malformed)), grouped(float64(r.WithoutUser))))
	}
	return r, nil
}

func (r *usersReport) json(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

func (r *usersReport) text(w io.Writer) {
	line := func(label, format string, args ...any) {
		fmt.Fprintf(w, "%-13s %s\n", label, fmt.Sprintf(format, args...))
	}
	day := r.Window.From.Format(time.DateOnly)
	if r.Day == "" {
		day += " (no whole day)"
	}
	line("peak", "%s, %s to %s, time zone %s", day, r.Window.From.Format("15:04"), r.Window.To.Format("15:04"), r.Timezone)
	line("active users", "%s in a minute, the mean over that time%s", grouped(r.ActiveUsers), within(r.StandardError, r.ActiveUsers))
	line("", "%s in the minute in its middle, from %s", grouped(r.PeakMinute.ActiveUsers), r.PeakMinute.At.Format("15:04"))
	line("", "%s in the busiest single minute, from %s", grouped(r.BusiestMinute.ActiveUsers), r.BusiestMinute.At.Format("15:04"))
	line("identified by", "%s", r.Identity)
	line("read", "%s", r.read())
	label := "doubts"
	for _, doubt := range r.Warnings {
		line(label, "%s", doubt)
		label = ""
	}
	at := r.Window.To.Format(time.RFC3339)
	fmt.Fprintf(w, "\nFor the fleet's figures of the same time:\n\n    saturate fleet --url ... --active-users %.0f --at %s\n", r.ActiveUsers, at)
	counted := fmt.Sprintf("active_users: %.0f, ", r.ActiveUsers)
	if r.StandardError > 0 {
		counted += fmt.Sprintf("standard_error: %.2g, ", r.StandardError)
	}
	fmt.Fprintf(w, "\nor in a scenario's fleet section:\n\n    prometheus: {url: ..., counted: {%sat: %s}}\n", counted, at)
	fmt.Fprintf(w, "    fixed: {unit: ..., per_second: ..., active_users: %.0f}\n", r.ActiveUsers)
}

// read says what the figures come from.
func (r *usersReport) read() string {
	text := fmt.Sprintf("%s lines", grouped(float64(r.Lines)))
	if len(r.Sources) > 1 {
		text += fmt.Sprintf(" in %d logs or sketches", len(r.Sources))
	}
	if r.Malformed > 0 {
		text += fmt.Sprintf(", %s of them malformed", grouped(float64(r.Malformed)))
		for _, s := range r.Sources {
			if s.FirstMalformed != "" {
				text += " (the first: " + s.FirstMalformed + ")"
				break
			}
		}
	}
	if r.WithoutUser > 0 {
		text += fmt.Sprintf(", %s without a user", grouped(float64(r.WithoutUser)))
	}
	return text
}

// within writes a standard error as a share.
func within(se, of float64) string {
	if se == 0 {
		return ", counted"
	}
	return fmt.Sprintf(", standard error %.2g%%", 100*se/of)
}

// grouped writes a whole number with commas.
func grouped(v float64) string {
	digits := strconv.FormatFloat(math.Round(v), 'f', 0, 64)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}
