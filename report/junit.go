package report

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"unicode"

	"saturate/record"
)

// JUnit writes what a run found as test cases, in the XML that CI systems read:
// one case a target, which passes where its limit was found (of a check: where
// the level was sustained), one a requirement, and on live traffic one for the
// balancer, which passes where every weight was read back as it was found.
//
// A failure is what the server is to be blamed for, as exit code 3: a
// requirement that was missed, a level that was not sustained; and a balancer
// that may have been left changed, as exit code 1. An error is what
// could not be judged, as exit code 4: no capacity found, a requirement
// undecided. Nothing is skipped: what is not known must not pass for good.
func JUnit(w io.Writer, r *record.Record, _ Options) error {
	suite := junitSuite{
		Name: "saturate." + r.Scenario, Time: decimal(r.DurationSeconds),
		Timestamp: r.At.UTC().Format("2006-01-02T15:04:05"),
	}
	suite.Properties = append(suite.Properties, junitProperty{"record", r.ID}, junitProperty{"ending", string(r.Ending)})
	for i := range r.Targets {
		suite.add(targetCase(r, &r.Targets[i]))
	}
	if r.Live != nil {
		suite.add(restoredCase(r))
	}
	for _, q := range r.Requirements {
		suite.add(requirementCase(r, q))
	}
	var text bytes.Buffer
	if err := Text(&text, r, Options{}); err != nil {
		return err
	}
	suite.Out.Text = printable(text.String())
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	all := junitSuites{Name: "saturate", Tests: suite.Tests, Failures: suite.Failures, Errors: suite.Errors, Time: suite.Time, Suites: []junitSuite{suite}}
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Time     string       `xml:"time,attr"` // seconds
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name       string          `xml:"name,attr"`
	Tests      int             `xml:"tests,attr"`
	Failures   int             `xml:"failures,attr"`
	Errors     int             `xml:"errors,attr"`
	Skipped    int             `xml:"skipped,attr"`
	Time       string          `xml:"time,attr"`
	Timestamp  string          `xml:"timestamp,attr"` // UTC; the schema has no zone
	Properties []junitProperty `xml:"properties>property"`
	Cases      []junitCase     `xml:"testcase"`
	Out        junitText       `xml:"system-out"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitText struct {
	Text string `xml:",cdata"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitProblem `xml:"failure"`
	Error   *junitProblem `xml:"error"`
	Out     string        `xml:"system-out,omitempty"`
}

type junitProblem struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

func (s *junitSuite) add(c junitCase) {
	s.Tests++
	if c.Failure != nil {
		s.Failures++
	}
	if c.Error != nil {
		s.Errors++
	}
	s.Cases = append(s.Cases, c)
}

func targetCase(r *record.Record, t *record.Target) junitCase {
	told := telling(t)
	bound, rate, unit := sustains(t, told, r.Load.Unit)
	c := junitCase{Name: t.Name + ": capacity", Class: "saturate." + r.Scenario}
	good := record.Found
	if r.Load.Held > 0 {
		c.Name = fmt.Sprintf("%s: sustains %s %s", t.Name, figure(r.Load.Held), r.Load.Unit)
		good = record.AtLeast
	}
	var seconds float64
	for _, repeat := range t.Repeats {
		seconds += repeat.DurationSeconds
	}
	c.Time = decimal(seconds)
	message := join(" ", bound, rate, unit)
	var why string
	if told != nil {
		why = whyNotMore(t, told)
	}
	problem := &junitProblem{Message: join(": ", message, why), Type: string(t.Ending), Text: strings.Join(notes(t, r.Load.Unit), "\n")}
	switch {
	case t.Ending == good:
		c.Out = join(": ", message, why)
	case r.Load.Held > 0 && t.Ending == record.AtMost:
		c.Failure = problem
	default:
		c.Error = problem
	}
	return c
}

// notes is each repeat in a line.
func notes(t *record.Target, unit string) []string {
	var all []string
	for _, repeat := range t.Repeats {
		all = append(all, one(repeat, unit))
	}
	return all
}

func requirementCase(r *record.Record, q record.Requirement) junitCase {
	c := junitCase{Name: q.Text, Class: "saturate." + r.Scenario + ".require", Time: "0"}
	problem := &junitProblem{Message: q.Why, Type: string(q.Outcome), Text: q.Text + "; " + q.Why}
	switch q.Outcome {
	case record.Met:
		c.Out = q.Why
	case record.Missed:
		c.Failure = problem
	default:
		c.Error = problem
	}
	return c
}

// printable leaves out what XML cannot hold, not even escaped.
func printable(text string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) && c != '\n' && c != '\t' {
			return -1
		}
		return c
	}, strings.ToValidUTF8(text, "�"))
}

// decimal writes seconds to the millisecond, without an exponent.
func decimal(seconds float64) string { return fmt.Sprintf("%.3f", seconds) }
