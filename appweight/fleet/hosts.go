package fleet

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
)

// A label tells kinds of servers apart.
type label struct{ generation, region, isa string }

// A host is one server of the inventory.
type host struct {
	present float64 // share of the window in which the inventory lists it
	label
}

// names keeps one copy of each text that many series repeat.
type names map[string]string

func (n names) of(text []byte) string {
	if have, ok := n[string(text)]; ok {
		return have
	}
	s := printable(string(text))
	n[string(text)] = s
	return s
}

// machine is the label of node_uname_info that tells the instruction set.
const machine = "machine"

// hostOf is the server's name without the port, which differs between jobs.
func hostOf(instance string) string {
	name, port, err := net.SplitHostPort(instance)
	if err != nil {
		return instance
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return instance // a colon in a name of another kind
	}
	return name
}

// labelOf reads what a series says of its server.
func (r *reader) labelOf(labels map[string]string) label {
	l := r.config.Labels
	isa := labels[l.ISA]
	if isa == "" {
		isa = labels[machine]
	}
	switch isa {
	case "x86_64":
		isa = "amd64"
	case "aarch64":
		isa = "arm64"
	}
	return label{labels[l.Generation], labels[l.Region], isa}
}

// inventory reads which servers there are, and what they are.
func (r *reader) inventory(ctx context.Context) error {
	most := 0.0
	at, window := r.peak.To, r.config.Window
	unnamed, both := 0, map[string]float64{}
	err := r.client.vector(ctx, "hosts", inventory(r.config, window), at, func(labels map[string]string, minutes float64) error {
		name := hostOf(labels[r.config.Labels.Host])
		if name == "" {
			unnamed++
			return nil
		}
		most = max(most, minutes)
		if h := r.hosts[name]; h == nil {
			r.hosts[name] = &host{present: minutes, label: r.labelOf(labels)}
		} else {
			its := r.labelOf(labels)
			if h.filled(its) != its.filled(h.label) {
				both[name] = max(both[name], h.present+minutes)
			}
			h.present, h.label = max(h.present, minutes), h.filled(its)
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case unnamed > 0:
		return &Error{Problem: fmt.Sprintf("the inventory has %s without a label %q", count(unnamed, "series"), r.config.Labels.Host),
			Remedy: "write a query that gives one series per server, such as up{job=\"web\"}, or name the label: labels: {host: ...}", refused: true}
	case len(r.hosts) == 0:
		return &Error{Problem: fmt.Sprintf("the inventory %s lists no server in the peak of %s", r.config.Hosts, r.day),
			Remedy: "write hosts: a query for one series per server, such as up{job=\"web\"}", refused: true}
	}
	for _, h := range r.hosts {
		h.present /= most
	}
	for name, minutes := range both {
		if minutes > most+1 { // more than one minute at the same time: no change of labels
			return &Error{Problem: fmt.Sprintf("the inventory has two servers named %s, of different generation, region or instruction set", name),
				Remedy: "name a label that tells servers apart: labels: {host: ...}", refused: true}
		}
	}
	return r.information(ctx)
}

// filled is l with what it lacks from another.
func (l label) filled(other label) label {
	for _, f := range []struct {
		mine *string
		its  string
	}{{&l.generation, other.generation}, {&l.region, other.region}, {&l.isa, other.isa}} {
		if *f.mine == "" {
			*f.mine = f.its
		}
	}
	return l
}

// information reads the labels that other series give the servers. What the
// inventory says goes before.
func (r *reader) information(ctx context.Context) error {
	contradicted := map[string]bool{}
	if r.config.Info != "" {
		err := r.client.vector(ctx, "info", information(r.config, r.config.Window), r.peak.To, func(labels map[string]string, _ float64) error {
			name := hostOf(labels[r.config.Labels.Host])
			if h := r.hosts[name]; h != nil {
				its := r.labelOf(labels)
				h.label = h.filled(its)
				if h.label != its.filled(h.label) {
					contradicted[name] = true
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if len(contradicted) > 0 {
		r.doubt(Doubt{Kind: "labels", Text: fmt.Sprintf("%s told to be of different generation, region or instruction set by different series; the inventory's word is taken", are(len(contradicted))),
			Hosts: some(slices.Collect(maps.Keys(contradicted)))})
	}
	var unnamed []string
	named := false
	for name, h := range r.hosts {
		if h.generation == "" {
			unnamed = append(unnamed, name)
		}
		named = named || h.generation != ""
	}
	if named && len(unnamed) > 0 {
		r.doubt(Doubt{Kind: "generation", Text: fmt.Sprintf("%s no generation: what %s is one without a name", have(len(unnamed)), pick(len(unnamed), "it reports", "they report")),
			Remedy: "give them the label, or start their agents with --generation NAME", Hosts: some(unnamed)})
	}
	return nil
}

func (r *reader) doubt(d Doubt) { r.doubts = append(r.doubts, d) }

// some are the first few names in order.
func some(all []string) []string {
	slices.Sort(all)
	return all[:min(len(all), 5)]
}

// pick is one of two forms of a word.
func pick(n int, one, several string) string {
	if n == 1 {
		return one
	}
	return several
}

func are(n int) string  { return count(n, "server") + pick(n, " is", " are") }
func have(n int) string { return count(n, "server") + pick(n, " has", " have") }
