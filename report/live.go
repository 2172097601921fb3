package report

import (
	"cmp"
	"fmt"
	"strings"

	"saturate/record"
)

// live writes what a run on live traffic did to the load balancer and to the
// servers beside those that it squeezed, and how it left the weights.
func (p *page) live(r *record.Record) {
	if r.Live == nil {
		return
	}
	p.gap()
	p.line("balancer", "", "%s", balancer(r.Live))
	if len(r.Live.Squeezes) == 0 {
		p.line("put back", "", untouched)
	}
	for _, q := range r.Live.Squeezes {
		if len(r.Live.Squeezes) > 1 {
			p.line("squeeze", "", "%d, epoch %d", q.Restart, q.Epoch)
		}
		for i, s := range q.Servers {
			p.line(first(i, "weights"), "", "%s", moved(s))
		}
		if text := siblings(q.Siblings); text != "" {
			p.line("siblings", "", "%s", text)
		}
		if t := q.Traffic; t != nil {
			p.line("traffic", "", "%s %s on the whole backend at first, %s at the end; %s to %s meanwhile",
				figure(t.From), r.Load.Unit, figure(t.To), figure(t.Least), figure(t.Most))
		}
		if early(q) {
			p.line("ended early", "", "%s", q.Why)
		}
		style := green
		if !q.Restored {
			style = red
		}
		p.line("put back", style, "%s", q.PutBack())
	}
}

// untouched is said of a run that ended before any squeeze.
const untouched = "no weight was moved"

// early tells whether a squeeze ended before the searches did.
func early(q record.Squeeze) bool { return q.Why != "" && q.Why != record.RunEnded }

// balancer is the backend and what a squeeze might do to it at most.
func balancer(l *record.Live) string {
	return fmt.Sprintf("%s; at most %.3g times the weight found, %s of the traffic for one server, and %.3g minutes",
		cmp.Or(l.Backend, "not reached"), l.Caps.Times, record.Share(l.Caps.Share), l.Caps.Seconds/60)
}

// moved says how far a server's weight went.
func moved(s record.SqueezedServer) string {
	if len(s.Weights) == 0 {
		return fmt.Sprintf("%s: %d as found, never moved", named(s), s.Found)
	}
	text := fmt.Sprintf("%s: %d as found, up to %d", named(s), s.Found, s.Highest())
	if s.Allowed > 0 {
		text += fmt.Sprintf(" (%d allowed: %s)", s.Allowed, s.Bound)
	}
	text += ", moved " + times(len(s.Weights))
	if s.MaxConns > 0 {
		text += fmt.Sprintf("; at most %d requests at once", s.MaxConns)
	}
	return text
}

// named is a target and the balancer's name for it, where that is another.
func named(s record.SqueezedServer) string {
	if s.Server == s.Target {
		return s.Target
	}
	return s.Target + " (" + s.Server + ")"
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// siblings says what the other servers did meanwhile; "" where there are none.
func siblings(s *record.Siblings) string {
	if s == nil || len(s.Names) == 0 {
		return ""
	}
	parts := []string{fmt.Sprintf("%s: %s of %s requests failed", strings.Join(s.Names, ", "), whole(float64(s.Failed)), whole(float64(s.Requests)))}
	for _, f := range siblingFigures(s) {
		if f.Name == "failed" && s.Failed == 0 {
			continue // has been said
		}
		parts = append(parts, fmt.Sprintf("%s %s at worst (%s when quiet)", f.Name, f.Worst, f.Quiet))
	}
	return strings.Join(parts, "; ")
}

type siblingFigure struct{ Name, Quiet, Worst string }

// siblingFigures are those that the balancer told, both before and at worst.
func siblingFigures(s *record.Siblings) []siblingFigure {
	var all []siblingFigure
	for _, f := range []struct {
		name         string
		quiet, worst *float64
		write        func(float64) string
	}{
		{"failed", s.Quiet.FailedShare, s.Worst.FailedShare, record.Share},
		{"mean answer", s.Quiet.Response, s.Worst.Response, record.Seconds},
		{"p99", s.Quiet.P99, s.Worst.P99, record.Seconds},
	} {
		if f.quiet != nil && f.worst != nil {
			all = append(all, siblingFigure{f.name, f.write(*f.quiet), f.write(*f.worst)})
		}
	}
	return all
}

// live is the same for a page of Markdown.
func (m *markdown) live(r *record.Record) {
	if r.Live == nil {
		return
	}
	m.block("### Live traffic")
	m.block("%s", safe(balancer(r.Live)))
	if len(r.Live.Squeezes) == 0 {
		m.block(untouched)
	}
	var rows [][]string
	for _, q := range r.Live.Squeezes {
		verdict := safe(q.PutBack())
		if !q.Restored {
			verdict = "**" + verdict + "**"
		}
		m.block("%s", verdict)
		for _, s := range q.Servers {
			rows = append(rows, []string{named(s), fmt.Sprint(s.Found), fmt.Sprint(s.Highest()), capped(s), fmt.Sprint(len(s.Weights))})
		}
		if text := siblings(q.Siblings); text != "" {
			m.block("siblings %s", safe(text))
		}
		if early(q) {
			m.block("ended early: %s", safe(q.Why))
		}
	}
	m.table([]string{"squeezed", "weight as found", "highest", "allowed", "changes"}, rows)
}

func capped(s record.SqueezedServer) string {
	if s.Allowed == 0 {
		return ""
	}
	return fmt.Sprint(s.Allowed)
}

// live adds what a run on live traffic did to the balancer: of several squeezes
// the last weight found, the highest there was, and all requests.
func (m *metrics) live(r *record.Record) {
	if r.Live == nil {
		return
	}
	of := []string{"scenario", r.Scenario, "backend", r.Live.Backend}
	m.state("saturate_live_restored", "1 where every weight was read back as it was found, 0 where that could not be verified.", r.Live.Restored(), of...)
	var requests, failed uint64
	highest := map[string]int{}
	for _, q := range r.Live.Squeezes {
		for _, s := range q.Servers {
			highest[s.Server] = max(highest[s.Server], s.Highest())
		}
		if s := q.Siblings; s != nil {
			requests, failed = requests+s.Requests, failed+s.Failed
		}
	}
	for _, q := range r.Live.Squeezes[max(0, len(r.Live.Squeezes)-1):] {
		for _, s := range q.Servers {
			server := with(of, "target", s.Target, "server", s.Server)
			m.add("saturate_live_weight_found", "", "A squeezed server's weight before anything was moved.", float64(s.Found), server...)
			m.add("saturate_live_weight_highest", "", "The highest weight that a squeezed server had.", float64(highest[s.Server]), server...)
		}
	}
	if requests > 0 {
		m.add("saturate_live_siblings_failed", "ratio", "The part of the other servers' requests that failed while servers were squeezed.", float64(failed)/float64(requests), of...)
	}
}

// restoredCase is a test case of its own: whatever was found, a balancer that
// may have been left changed is a failure.
func restoredCase(r *record.Record) junitCase {
	c := junitCase{Name: cmp.Or(r.Live.Backend, "load balancer") + ": weights back as found", Class: "saturate." + r.Scenario, Time: "0"}
	var all []string
	for _, q := range r.Live.Squeezes {
		all = append(all, q.PutBack())
	}
	text := cmp.Or(strings.Join(all, "\n"), untouched)
	if r.Live.Restored() {
		c.Out = text
	} else {
		c.Failure = &junitProblem{Message: "the weights could not be verified", Type: "not restored", Text: text}
	}
	return c
}
