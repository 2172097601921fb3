package fleet

import (
	"fmt"
	"slices"
	"strings"
)

// name puts what is wrong with single servers into words.
func (j *judged) name(missing, brief []string, dropped map[string][]string) {
	add := func(kind string, hosts []string, remedy, format string, args ...any) {
		if len(hosts) > 0 {
			j.doubts = append(j.doubts, Doubt{Kind: kind, Text: fmt.Sprintf(format, args...), Remedy: remedy, Hosts: some(hosts)})
		}
	}
	add("missing", missing, "is their exporter up, and can it count? It may also be that they are no servers of this fleet: hosts",
		"%s of the inventory %s no figures", count(len(missing), "server"), pick(len(missing), "has", "have"))
	add("gap", brief, "they came or went, or were not scraped",
		"%s figures for a part of the window only, and counted for that part", have(len(brief)))
	add("no number", dropped["no number"], "", "%s a figure that is no number; it is left out", have(len(dropped["no number"])))
	add("few scrapes", dropped["few scrapes"], "widen the window (window: 30m), or scrape more often",
		"%s too few scrapes in the window of %s: a rate needs %d; what they say is left out", have(len(dropped["few scrapes"])), short(j.g.window), leastScrapes)
	add("frozen", dropped["frozen"], "restart their exporter: a counter that was opened before its CPU went off-line stands still for good",
		"%s busy CPUs whose counter stands still; what it says is left out", have(len(dropped["frozen"])))
	add("fell", dropped["fell"], "their exporter estimates a counter as a whole; scale each interval by itself, as saturate agent does",
		"%s a counter that fell a little instead of beginning anew; what it says is left out", have(len(dropped["fell"])))

	slices.Sort(j.twice)
	j.twice = slices.Compact(j.twice)
	slices.Sort(j.jobs)
	add("twice", j.twice, "scrape each server once, or narrow the query",
		"%s reported more than once (jobs %s), and counted once", are(len(j.twice)), strings.Join(slices.Compact(j.jobs), ", "))
	slices.Sort(j.outside)
	j.outside = slices.Compact(j.outside)
	add("not listed", j.outside, "if they are servers of this fleet, the inventory lacks them: hosts",
		"%s figures without being in the inventory; they are left out", have(len(j.outside)))

	restarted, ended := j.of(j.g.restarted), j.of(j.g.ended)
	add("restart", restarted, "", "%s a counter that began anew in the window: what it counted since its last scrape is lost", have(len(restarted)))
	add("no staleness", ended, "remote write and federation leave the markers out; the servers are counted for as long as they reported",
		"%s figures that end before the window does, without a marker that says so", have(len(ended)))
	if j.client.partial {
		j.doubts = append(j.doubts, Doubt{Kind: "partial", Text: "the API warned, so the figures may lack something that is not seen here", Remedy: "ask again when all of the API's stores are there"})
	}
}

// of are the servers of our scope and inventory that are in a set.
func (j *judged) of(set map[source]bool) []string {
	var all []string
	for s := range set {
		if _, listed := j.hosts[s.instance]; listed && s.scope == j.scope {
			all = append(all, s.instance)
		}
	}
	return all
}
