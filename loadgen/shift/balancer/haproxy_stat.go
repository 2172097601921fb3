package balancer

import (
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A row is one line of a table that HAProxy prints, by the names of the columns.
type row map[string]string

// parseHAProxy makes a Backend of what the runtime API answers to "show info
// float", "show cli level", "show stat" and "show servers state".
func parseHAProxy(backend, info, level, stat, state string) (Backend, error) {
	process := pairs(info)
	if process["Pid"] == "" {
		return Backend{}, fmt.Errorf("it does not tell what process it is (%q): is this the socket of a worker, and not the master's?", shorten(info))
	}
	if process["Stopping"] == "1" {
		return Backend{}, fmt.Errorf("its process %s is ending: another one takes over, or none does", process["Pid"])
	}
	if said := shorten(stat); strings.HasPrefix(said, "No such proxy") {
		return Backend{}, fmt.Errorf("it has no backend %q", backend)
	}
	rows, err := csvRows(stat)
	if err != nil {
		return Backend{}, fmt.Errorf("its statistics: %w", err)
	}
	states := stateRows(state)
	b := Backend{Boot: process["Pid"], MaxWeight: haproxyMaxWeight}
	if start := process["Start_time_sec"]; start != "" {
		b.Boot += "@" + start
	}
	var found row
	for _, r := range rows {
		switch {
		case r["pxname"] != backend:
		case r["svname"] == "BACKEND":
			found = r
		default:
			s := states[r["svname"]]
			if s == nil {
				return Backend{}, fmt.Errorf("it tells no weight of %s/%s", backend, r["svname"])
			}
			if isSlot(r, s) {
				continue
			}
			server, err := haproxyServer(r, s)
			if err != nil {
				return Backend{}, fmt.Errorf("%s/%s: %w", backend, r["svname"], err)
			}
			b.Servers = append(b.Servers, server)
		}
	}
	if found == nil {
		return Backend{}, fmt.Errorf("its statistics have no backend %q (%q)", backend, shorten(stat))
	}
	b.Queued, b.Failed = int(whole(found["qcur"])), whole(found["hrsp_5xx"])
	if algorithm := found["algo"]; algorithm != "unknown" { // "random", for one, has no name there
		b.Algorithm = algorithm
	}
	b.Fixed = fixed(b.Algorithm, found["mode"], process["Nbproc"], strings.TrimSpace(level))
	b.Doubts = doubts(b, found, rows)
	return b, nil
}

// isSlot reports whether a server is a place of a server-template that has no
// server.
func isSlot(stat, state row) bool {
	return stat["status"] == "MAINT (resolution)" && state["srv_addr"] == "-"
}

func haproxyServer(r, state row) (Server, error) {
	weight, err := strconv.Atoi(state["srv_uweight"])
	if err != nil {
		return Server{}, fmt.Errorf("its weight is %q", state["srv_uweight"])
	}
	initial, err := strconv.Atoi(state["srv_iweight"])
	if err != nil {
		return Server{}, fmt.Errorf("its configured weight is %q", state["srv_iweight"])
	}
	s := Server{
		Name: r["svname"], Address: r["addr"], Weight: weight, Initial: initial,
		MaxConns: int(whole(r["slim"])), Backup: r["bck"] == "1",
		// A session here is a request, kept-alive connections or not; each try of
		// a request that is tried again is one.
		Requests: whole(r["stot"]),
		Failed:   whole(r["econ"]) + whole(r["eresp"]) + whole(r["hrsp_5xx"]),
		Retried:  whole(r["wretr"]) + whole(r["wredis"]),
		InFlight: int(whole(r["scur"])), Queued: int(whole(r["qcur"])),
		Response: time.Duration(whole(r["rtime"])) * time.Millisecond,
	}
	s.Status, s.Detail = haproxyStatus(r["status"]), r["status"]
	if throttle := r["throttle"]; throttle != "" && s.Status == Up {
		s.Status, s.Detail = Unknown, fmt.Sprintf("%s, slow start at %s%%", r["status"], throttle)
	}
	return s, nil
}

// haproxyStatus reads the statuses of HAProxy, which may have "2/3" or "(agent)"
// behind them.
func haproxyStatus(status string) Status {
	word, more, _ := strings.Cut(status, " ")
	switch word {
	case "UP":
		if more != "" {
			return Failing // "UP 1/3": not all of its last health checks passed
		}
		return Up
	case "DOWN":
		return Down
	case "DRAIN", "NOLB":
		return Drain
	case "MAINT":
		return Maintenance
	}
	if status == "no check" {
		return Up
	}
	return Unknown
}

// fixed says why weights cannot be set, "" where they can.
func fixed(algorithm, mode, processes, level string) string {
	switch {
	case algorithm == "static-rr":
		return "balance static-rr has fixed weights: balance roundrobin has the same effect and weights that can be set"
	case algorithm == "first":
		return "balance first does not look at weights"
	case mode != "http":
		return fmt.Sprintf("the backend is in mode %s: HAProxy counts its connections, and not its requests", mode)
	case processes != "" && processes != "1":
		return fmt.Sprintf("HAProxy runs as %s processes, each with weights of its own: nbthread does what nbproc did", processes)
	case level == "operator", level == "user":
		return needsAdmin + ", and has level " + level
	}
	return ""
}

func doubts(b Backend, found row, rows []row) []string {
	var all []string
	switch b.Algorithm {
	case "leastconn":
		all = append(all, "balance leastconn shares out connections by weight: the rate follows the weight less where a server is slower")
	case "source", "uri", "url_param", "hdr", "rdp-cookie", "hash":
		all = append(all, "balance "+b.Algorithm+" ties users or pages to servers: each change of a weight moves some of them, and caches grow cold")
	}
	if found["cookie"] != "" {
		all = append(all, "the cookie "+found["cookie"]+" ties users to servers: a weight acts on new users at once, and on others as they leave")
	}
	var unchecked, agents []string
	for _, r := range rows {
		if r["pxname"] != found["pxname"] || r["svname"] == "BACKEND" {
			continue
		}
		if r["status"] == "no check" {
			unchecked = append(unchecked, r["svname"])
		}
		if r["agent_status"] != "" {
			agents = append(agents, r["svname"])
		}
	}
	if unchecked != nil {
		all = append(all, "no health check: "+strings.Join(unchecked, ", "))
	}
	if agents != nil {
		all = append(all, "an agent may set the weight too: "+strings.Join(agents, ", "))
	}
	return all
}

// pairs reads lines of "Name: value".
func pairs(text string) map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(line, ":"); ok {
			m[name] = strings.TrimSpace(value)
		}
	}
	return m
}

// csvRows reads what "show stat" prints.
func csvRows(text string) ([]row, error) {
	text, ok := strings.CutPrefix(text, "# ")
	if !ok {
		return nil, fmt.Errorf("they do not begin with the names of columns (%q)", shorten(text))
	}
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord = -1
	r.LazyQuotes = true
	lines, err := r.ReadAll()
	if err != nil {
		return nil, err
	}
	if len(lines) == 0 {
		return nil, fmt.Errorf("they are empty")
	}
	return named(lines[0], lines[1:]), nil
}

// stateRows reads what "show servers state" prints, by server; a later version
// may have more columns.
func stateRows(text string) map[string]row {
	var lines [][]string
	var names []string
	for line := range strings.Lines(text) {
		if header, ok := strings.CutPrefix(line, "# "); ok {
			names = strings.Fields(header)
		} else if names != nil {
			lines = append(lines, strings.Fields(line))
		}
	}
	by := map[string]row{}
	for _, r := range named(names, lines) {
		by[r["srv_name"]] = r
	}
	return by
}

func named(names []string, lines [][]string) []row {
	rows := make([]row, 0, len(lines))
	for _, fields := range lines {
		r := make(row, len(names))
		for i, name := range names {
			if i < len(fields) && name != "" {
				r[name] = fields[i]
			}
		}
		rows = append(rows, r)
	}
	return rows
}
