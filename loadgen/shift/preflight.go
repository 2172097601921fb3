package shift

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"saturate/loadgen/shift/balancer"
	"saturate/loadgen/shift/watchdog"
)

// Refused is a reason not to touch a backend.
type Refused struct{ Why, Remedy string }

func (r *Refused) Error() string { return r.Why }

// Hint is the remedy.
func (r *Refused) Hint() string { return r.Remedy }

// A Plan is what a squeeze would do.
type Plan struct {
	// Total is the backend's traffic, req/s.
	Total   float64
	Members []PlannedMember
	// Siblings are the other servers, SiblingsRate their traffic, and Rise the
	// factor by which it would grow were the whole set lost.
	Siblings           []string
	SiblingsRate, Rise float64
	Caps               watchdog.Caps
	MaxConns           int
	// Doubts are what a person should know before.
	Doubts []string
}

// A PlannedMember is one server to squeeze.
type PlannedMember struct {
	Server string
	// Weight and Rate as found; Most is the highest weight that the caps allow,
	// and MostRate what comes of it while the others have theirs as found, req/s.
	Weight, Most   int
	Rate, MostRate float64
	// Step is what the last unit of weight brings, req/s.
	Step float64
	// Bound says which cap it is.
	Bound string
}

// Rates are the req/s of every server between two readings of a backend.
func Rates(a, b balancer.Backend) (map[string]float64, error) {
	seconds := b.At.Sub(a.At).Seconds()
	if !(seconds > 0) {
		return nil, errors.New("no time has passed between two readings of the balancer")
	}
	if a.Boot != b.Boot {
		return nil, errors.New("the balancer was started anew between two readings")
	}
	rates := make(map[string]float64, len(b.Servers))
	for _, s := range b.Servers {
		was, ok := a.Server(s.Name)
		if !ok || s.Requests < was.Requests {
			return nil, fmt.Errorf("the counters of %s began anew between two readings", s.Name)
		}
		rates[s.Name] = float64(s.Requests-was.Requests) / seconds
	}
	return rates, nil
}

const (
	// coarseStep is a step of the weight at the top that is too rough to hold a
	// server just below its limit.
	coarseStep = .05
	// leastRate is a backend's traffic that tells anything, req/s.
	leastRate = 1.0
)

// Preflight says what a squeeze of the set would do, or every reason why there
// can be none. Rates are what the servers have now, see [Rates].
func Preflight(now balancer.Backend, rates map[string]float64, set []string, c Config) (Plan, error) {
	all := standing(now, set)
	p := Plan{Caps: c.Caps(), MaxConns: c.MaxConns, Doubts: slices.Clone(now.Doubts)}
	for _, s := range now.Servers {
		p.Total += rates[s.Name]
	}
	siblings := siblingsOf(now, set)
	for _, s := range siblings {
		p.Siblings = append(p.Siblings, s.Name)
		p.SiblingsRate += rates[s.Name]
	}
	if len(all) > 0 {
		return p, errors.Join(all...)
	}
	if p.Total < leastRate {
		return p, &Refused{fmt.Sprintf("the backend has %.2g req/s of traffic: there is nothing to squeeze with", p.Total),
			"run it when users are there"}
	}
	rest := weightOf(siblings)
	sum := rest
	for _, name := range set {
		s, _ := now.Server(name) // that it is there, standing has told
		m, err := c.member(now, s, rates[name], p.Total)
		if err != nil {
			all = append(all, err)
		}
		p.Members = append(p.Members, m)
		sum += float64(s.Weight)
	}
	p.Rise = sum / rest
	if err := c.carry(p, rest, sum); err != nil {
		all = append(all, err)
	}
	p.Doubts = append(p.Doubts, p.rough(now)...)
	return p, errors.Join(all...)
}

// standing is what a single reading shows to forbid a squeeze.
func standing(now balancer.Backend, set []string) []error {
	var all []error
	refuse := func(remedy, why string, args ...any) {
		all = append(all, &Refused{fmt.Sprintf(why, args...), remedy})
	}
	if now.Fixed != "" {
		refuse("", "the weights of this backend cannot be set while it runs: %s", now.Fixed)
	}
	if now.Queued > 0 {
		refuse("let the queue drain first, or add servers", "%d requests wait at the balancer for any server", now.Queued)
	}
	if len(set) == 0 {
		refuse("name the targets' servers", "no server is to be squeezed")
	}
	seen := map[string]bool{}
	for _, name := range set {
		s, ok := now.Server(name)
		switch {
		case seen[name]:
			refuse("give each target a `server:` of its own", "%s is named twice", name)
		case !ok:
			refuse("write the balancer's own names as `server:` of the targets", "the backend has no server %q, but %s", name, names(now))
		case s.Backup:
			refuse("squeeze a server that has traffic", "%s is a backup", name)
		case s.Weight == 0:
			refuse("give it its weight back first", "the weight of %s is 0: somebody keeps traffic from it", name)
		}
		seen[name] = true
	}
	siblings := siblingsOf(now, set)
	for _, s := range siblings {
		if s.Weight == 0 {
			refuse("give it its weight back first", "the weight of %s is 0: somebody keeps traffic from it", s.Name)
		}
		if s.Queued > 0 {
			refuse("let its queue drain first", "%d requests wait at the balancer for %s", s.Queued, s.Name)
		}
	}
	for _, s := range now.Servers {
		if !s.Backup && s.Status != balancer.Up {
			refuse("squeeze when all servers are up", "%s is %s", s.Name, s.StatusText())
		}
	}
	if len(set) > 0 && weightOf(siblings) == 0 {
		refuse("leave some servers out", "the set is the whole backend: nobody would be left to take the traffic")
	}
	return all
}

// siblingsOf are the servers that share the backend's traffic with a set.
func siblingsOf(b balancer.Backend, set []string) (siblings []balancer.Server) {
	for _, s := range b.Servers {
		if !s.Backup && !slices.Contains(set, s.Name) {
			siblings = append(siblings, s)
		}
	}
	return siblings
}

// weightOf is the weight of servers together.
func weightOf(servers []balancer.Server) (sum float64) {
	for _, s := range servers {
		sum += float64(s.Weight)
	}
	return sum
}

func names(b balancer.Backend) string {
	all := make([]string, len(b.Servers))
	for i, s := range b.Servers {
		all[i] = s.Name
	}
	if len(all) == 0 {
		return "none at all"
	}
	return strings.Join(all, ", ")
}

func (c Config) bounds(b balancer.Backend) bounds {
	return bounds{times: c.MaxWeight, share: float64(c.MaxShare), most: b.MaxWeight}
}

// member plans one server of the set, the others with their weights as found.
func (c Config) member(now balancer.Backend, s balancer.Server, rate, total float64) (PlannedMember, error) {
	m := PlannedMember{Server: s.Name, Weight: s.Weight, Rate: rate}
	rest := weightOf(siblingsOf(now, []string{s.Name}))
	b := c.bounds(now)
	asks := []bid{{found: s.Weight, rate: 1e12, gain: 1}}
	m.Most = whole(asks, weigh(asks, rest, total, b), []int{s.Weight}, []bool{true}, rest, b, 0)[0]
	at := func(w int) float64 { return total * float64(w) / (rest + float64(w)) }
	m.MostRate, m.Step = at(m.Most), at(m.Most)-at(m.Most-1)
	m.Bound = asks[0].bound(float64(m.Most), m.Most, rest+float64(m.Most), total, b)
	if share := float64(s.Weight) / (rest + float64(s.Weight)); share >= b.share {
		return m, &Refused{fmt.Sprintf("%s has %.0f %% of the weight as found, and may have %.0f %%", s.Name, 100*share, 100*b.share),
			fmt.Sprintf("raise max_share, to %.0f%% say, and the watchdog's own bound with it", 100*min(.9, 2*share))}
	}
	if m.Most == s.Weight {
		return m, &Refused{fmt.Sprintf("the weight of %s cannot be raised above %d, by the caps or the balancer", s.Name, s.Weight), finer(now)}
	}
	return m, nil
}

// carry checks that the siblings could take everything.
func (c Config) carry(p Plan, rest, all float64) error {
	if p.Rise <= 1+float64(c.Headroom) {
		return nil
	}
	n := float64(len(p.Siblings))
	return &Refused{
		fmt.Sprintf("were the set lost, each of the %s would have %.2f times its traffic (%.0f instead of %.0f req/s: the weights add up to %.0f with the set and to %.0f without), and %.2f times is allowed",
			count(len(p.Siblings), "sibling"), p.Rise, p.SiblingsRate*p.Rise/n, p.SiblingsRate/n, all, rest, 1+float64(c.Headroom)),
		"squeeze fewer servers at once; or raise headroom, if you know that the others can carry it"}
}

// rough tells of weights that are too coarse.
func (p Plan) rough(now balancer.Backend) []string {
	var all []string
	for _, m := range p.Members {
		if m.Step > coarseStep*m.MostRate {
			all = append(all, fmt.Sprintf("one unit of the weight of %s is %.0f req/s near the top, %.0f %% of its traffic: it may not come near its limit; %s",
				m.Server, m.Step, 100*m.Step/m.MostRate, finer(now)))
		}
	}
	return all
}

// finer is the remedy of coarse weights.
func finer(now balancer.Backend) string {
	most := 1
	for _, s := range now.Servers {
		most = max(most, s.Weight)
	}
	by := 1
	for by*10*most*3 <= now.MaxWeight && by < 100 {
		by *= 10
	}
	if by == 1 {
		by = max(2, now.MaxWeight/(3*most))
		if by*3*most > now.MaxWeight {
			return "the balancer takes no weights that are finer"
		}
	}
	return fmt.Sprintf("multiply every weight of the backend by %d in the balancer's configuration: the shares stay as they are", by)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// String tells the plan to people.
func (p Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the backend has %.0f req/s on %s\n", p.Total, count(len(p.Members)+len(p.Siblings), "server"))
	for _, m := range p.Members {
		fmt.Fprintf(&b, "  %-12s weight %d (%.0f req/s) to at most %d (%.0f req/s", m.Server, m.Weight, m.Rate, m.Most, m.MostRate)
		if m.Bound != "" {
			fmt.Fprintf(&b, ": %s", m.Bound)
		}
		fmt.Fprintf(&b, "), in steps of %.3g req/s\n", m.Step)
	}
	fmt.Fprintf(&b, "  siblings     %s: %.0f req/s together; %.2f times that, were the set lost\n", strings.Join(p.Siblings, ", "), p.SiblingsRate, p.Rise)
	fmt.Fprintf(&b, "  for          %v at most, then every weight is put back", p.Caps.For)
	if p.MaxConns > 0 {
		fmt.Fprintf(&b, "\n  valve        %d requests at once on each of the set", p.MaxConns)
	}
	for _, d := range p.Doubts {
		fmt.Fprintf(&b, "\n  note         %s", d)
	}
	return b.String()
}
