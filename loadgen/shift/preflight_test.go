package shift

import (
	"strings"
	"testing"
	"time"

	"saturate/loadgen/shift/balancer"
)

// six is a backend of six servers that are up, each with the weight.
func six(weight int) balancer.Backend {
	b := balancer.Backend{At: time.Unix(1000, 0), Boot: "1", MaxWeight: 256}
	for _, name := range []string{"s1", "s2", "s3", "s4", "s5", "s6"} {
		b.Servers = append(b.Servers, balancer.Server{Name: name, Weight: weight, Status: balancer.Up})
	}
	return b
}

func evenly(b balancer.Backend, each float64) map[string]float64 {
	rates := map[string]float64{}
	for _, s := range b.Servers {
		rates[s.Name] = each
	}
	return rates
}

func TestPreflightRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		set    []string
		change func(*balancer.Backend, *Config)
		want   string // "" is no refusal
	}{
		{"fine", []string{"s1"}, func(*balancer.Backend, *Config) {}, ""},
		{"two are fine", []string{"s1", "s4"}, func(*balancer.Backend, *Config) {}, ""},
		{"nobody", nil, func(*balancer.Backend, *Config) {}, "no server is to be squeezed"},
		{"unknown", []string{"web-1"}, func(*balancer.Backend, *Config) {}, `no server "web-1", but s1, s2`},
		{"twice", []string{"s1", "s1"}, func(*balancer.Backend, *Config) {}, "s1 is named twice"},
		{"fixed", []string{"s1"}, func(b *balancer.Backend, _ *Config) { b.Fixed = "static-rr" }, "cannot be set while it runs: static-rr"},
		{"weight 0", []string{"s1"}, func(b *balancer.Backend, _ *Config) { b.Servers[0].Weight = 0 }, "the weight of s1 is 0"},
		{"sibling's weight 0", []string{"s1"}, func(b *balancer.Backend, _ *Config) { b.Servers[3].Weight = 0 }, "the weight of s4 is 0"},
		{"drained", []string{"s1"}, func(b *balancer.Backend, _ *Config) {
			b.Servers[0].Status, b.Servers[0].Detail = balancer.Drain, "DRAIN (agent)"
		}, "s1 is drain (DRAIN (agent))"},
		{"sibling down", []string{"s1"}, func(b *balancer.Backend, _ *Config) { b.Servers[5].Status = balancer.Down }, "s6 is down"},
		{"a failing check", []string{"s1"}, func(b *balancer.Backend, _ *Config) { b.Servers[5].Status = balancer.Failing }, "s6 is failing"},
		{"backup", []string{"s1"}, func(b *balancer.Backend, _ *Config) { b.Servers[0].Backup = true }, "s1 is a backup"},
		{"a backup beside", []string{"s1"}, func(b *balancer.Backend, _ *Config) {
			b.Servers[5].Backup, b.Servers[5].Weight = true, 0
		}, ""},
		{"queue", []string{"s1"}, func(b *balancer.Backend, _ *Config) { b.Servers[2].Queued = 3 }, "3 requests wait at the balancer for s3"},
		{"whole backend", []string{"s1", "s2", "s3", "s4", "s5", "s6"}, func(*balancer.Backend, *Config) {}, "the set is the whole backend"},
		{"too many", []string{"s1", "s2", "s3"}, func(*balancer.Backend, *Config) {},
			"each of the 3 siblings would have 2.00 times its traffic (200 instead of 100 req/s: the weights add up to 60 with the set and to 30 without), and 1.50 times is allowed"},
		{"as many as allowed", []string{"s1", "s2", "s3"}, func(_ *balancer.Backend, c *Config) { c.Headroom = 1 }, ""},
		{"share as found", []string{"s1"}, func(b *balancer.Backend, _ *Config) { b.Servers[0].Weight = 30 }, "s1 has 38 % of the weight as found, and may have 25 %"},
		{"no step", []string{"s1"}, func(b *balancer.Backend, _ *Config) { b.MaxWeight = 10 }, "the weight of s1 cannot be raised above 10"},
	} {
		b, config := six(10), Default
		c.change(&b, &config)
		_, err := Preflight(b, evenly(b, 100), c.set, config)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	if _, err := Preflight(six(10), evenly(six(10), 0), []string{"s1"}, Default); err == nil || !strings.Contains(err.Error(), "nothing to squeeze with") {
		t.Errorf("no traffic: %v", err)
	}
}

func TestPreflightTellsAllAtOnce(t *testing.T) {
	b := six(10)
	b.Servers[1].Status, b.Servers[4].Weight = balancer.Maintenance, 0
	_, err := Preflight(b, evenly(b, 100), []string{"s1", "nobody"}, Default)
	for _, want := range []string{"s2 is maintenance", "the weight of s5 is 0", `no server "nobody"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not tell %q", err, want)
		}
	}
}

func TestPlan(t *testing.T) {
	b, config := six(10), Default
	config.MaxWeight, config.MaxShare, config.MaxConns = 6, .5, 16
	p, err := Preflight(b, evenly(b, 100), []string{"s1"}, config)
	if err != nil {
		t.Fatal(err)
	}
	m := p.Members[0]
	if m.Most != 50 || m.MostRate != 300 || m.Step < 2.9 || m.Step > 3.1 || p.Rise != 1.2 || p.Total != 600 || p.SiblingsRate != 500 {
		t.Errorf("%+v", p)
	}
	want := `the backend has 600 req/s on 6 servers
  s1           weight 10 (100 req/s) to at most 50 (300 req/s: it has 50 % of the weight, and may have 50 %), in steps of 3.03 req/s
  siblings     s2, s3, s4, s5, s6: 500 req/s together; 1.20 times that, were the set lost
  for          20m0s at most, then every weight is put back
  valve        16 requests at once on each of the set`
	if got := p.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestPlanDoubtsCoarseWeights: weights of 1 are what most configurations have.
func TestPlanDoubtsCoarseWeights(t *testing.T) {
	for _, c := range []struct {
		weight int
		want   string
	}{
		{1, "multiply every weight of the backend by 10 in the balancer's configuration"},
		{4, "multiply every weight of the backend by 10 in"},
		{80, ""},
	} {
		b, config := six(c.weight), Default
		config.MaxShare = .9
		p, err := Preflight(b, evenly(b, 100), []string{"s1"}, config)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(p.Doubts, "\n"); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("weight %d: %q, want %q", c.weight, got, c.want)
		}
	}
}

func TestRates(t *testing.T) {
	a, b := six(10), six(10)
	b.At = a.At.Add(2 * time.Second)
	a.Servers[0].Requests, b.Servers[0].Requests = 100, 350
	got, err := Rates(a, b)
	if err != nil || got["s1"] != 125 || got["s2"] != 0 || len(got) != 6 {
		t.Errorf("%v, %v", got, err)
	}
	for _, c := range []struct {
		name   string
		change func(b *balancer.Backend)
	}{
		{"no time between", func(b *balancer.Backend) { b.At = a.At }},
		{"another process", func(b *balancer.Backend) { b.Boot = "2" }},
		{"counters fell", func(b *balancer.Backend) { b.Servers[0].Requests = 3 }},
		{"a new server", func(b *balancer.Backend) { b.Servers[0].Name = "s9" }},
	} {
		b := six(10)
		b.At, b.Servers[0].Requests = a.At.Add(time.Second), 200
		c.change(&b)
		if got, err := Rates(a, b); err == nil {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
