package balancer

import (
	"bytes"
	"encoding/json"
	"maps"
	"strconv"
	"strings"
	"time"
)

// nginxLog counts requests, failures and answer times by address from an access
// log.
type nginxLog struct {
	tail     *tail
	upstream string
	// by address, for the addresses asked for only: a log may have many more.
	by map[string]*counts
	// failed are the answers of 5xx that the users got.
	failed uint64
	// good and bad lines, and how often some were left out.
	good, bad, skips int
}

// counts are of one address.
type counts struct {
	requests, failed, retried uint64
	times                     map[int]uint64
}

// read takes in what is new of the addresses given.
func (l *nginxLog) read(addresses []string) error {
	for _, a := range addresses {
		if l.by[a] == nil {
			l.by[a] = &counts{times: map[int]uint64{}}
		}
	}
	skipped, err := l.tail.read(func(line []byte) {
		e, ok := parseAccess(line)
		if !ok {
			l.bad++
			return
		}
		l.good++
		if e.ProxyHost == "" || e.ProxyHost == "-" || string(e.ProxyHost) == l.upstream {
			l.count(e)
		}
	})
	if skipped {
		l.skips++
	}
	return err
}

// count takes in a request: every try is one of the server that was tried.
func (l *nginxLog) count(e access) {
	tries := e.tries()
	ours := false
	for i, t := range tries {
		c := l.by[t.address]
		if c == nil {
			ours = ours || t.address == l.upstream // no server was to be had
			continue
		}
		ours = true
		c.requests++
		if t.status >= 500 {
			c.failed++
		}
		if i < len(tries)-1 {
			c.retried++
		}
		if t.took >= 0 {
			c.times[bucketOf(t.took)]++
		}
	}
	if status, err := strconv.Atoi(string(e.Status)); ours && err == nil && status >= 500 {
		l.failed++
	}
}

// of sums up the addresses of a server.
func (l *nginxLog) of(addresses []string) counts {
	sum := counts{times: map[int]uint64{}}
	for _, a := range addresses {
		c := l.by[a]
		sum.requests += c.requests
		sum.failed += c.failed
		sum.retried += c.retried
		if len(addresses) == 1 {
			maps.Copy(sum.times, c.times)
			continue
		}
		for bucket, n := range c.times {
			sum.times[bucket] += n
		}
	}
	return sum
}

// access is a line: the values of the variables of the same names. Others may
// stand beside them.
type access struct {
	ProxyHost    value `json:"proxy_host"`
	Addr         value `json:"upstream_addr"`
	Status       value `json:"status"`
	ServerStatus value `json:"upstream_status"`
	Took         value `json:"upstream_response_time"`
}

// A value stands in quotes or without.
type value string

// UnmarshalJSON takes a string as it is, and anything else as it is written.
func (v *value) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, (*string)(v))
	}
	*v = value(b)
	return nil
}

// parseAccess reads a line: a JSON object, or name=value with or without quotes.
// It has to name upstream_addr, which is empty where no server was asked.
func parseAccess(line []byte) (e access, ok bool) {
	if len(line) > 0 && line[0] == '{' {
		err := json.Unmarshal(line, &e)
		return e, err == nil && bytes.Contains(line, []byte(`"upstream_addr"`))
	}
	for rest, more := string(line), true; more; {
		var name, text string
		if name, rest, more = strings.Cut(rest, "="); !more {
			break
		}
		if quoted, isQuoted := strings.CutPrefix(rest, `"`); isQuoted {
			text, rest, _ = strings.Cut(quoted, `"`)
		} else {
			text, rest, _ = strings.Cut(rest, " ")
		}
		switch name[strings.LastIndexAny(name, " \t")+1:] {
		case "proxy_host":
			e.ProxyHost = value(text)
		case "upstream_addr":
			e.Addr, ok = value(text), true
		case "status":
			e.Status = value(text)
		case "upstream_status":
			e.ServerStatus = value(text)
		case "upstream_response_time":
			e.Took = value(text)
		}
	}
	return e, ok
}

// A try of a request at one server; status is 0 and took negative where there
// was no answer.
type try struct {
	address string
	status  int
	took    time.Duration
}

// tries cuts the lists that nginx writes of the servers that it tried: with
// commas between servers of one upstream, and colons between upstreams.
func (e access) tries() []try {
	if e.Addr == "" || e.Addr == "-" {
		return nil
	}
	addresses, statuses, times := list(e.Addr), list(e.ServerStatus), list(e.Took)
	all := make([]try, len(addresses))
	for i, a := range addresses {
		all[i] = try{address: a, took: -1}
		if i < len(statuses) {
			if n, err := strconv.Atoi(statuses[i]); err == nil {
				all[i].status = n
			}
		}
		if i < len(times) && all[i].status > 0 {
			if s, err := strconv.ParseFloat(times[i], 64); err == nil && s >= 0 && s < 1e6 {
				all[i].took = time.Duration(s * float64(time.Second))
			}
		}
	}
	return all
}

func list(v value) []string {
	return strings.Split(strings.ReplaceAll(string(v), " : ", ", "), ", ")
}
