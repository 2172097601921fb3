package balancer

import (
	"maps"
	"strconv"
	"strings"
	"time"
)

// haproxyLog counts answer times by server from HAProxy's HTTP log.
type haproxyLog struct {
	tail    *tail
	backend string
	times   map[string]map[int]uint64
}

// read takes in what is new. What was left out because nobody looked for long is
// only missing: times are a sample, and requests are counted elsewhere.
func (l *haproxyLog) read() error {
	_, err := l.tail.read(func(line []byte) {
		a, ok := parseHTTPLog(string(line))
		if !ok || a.backend != l.backend {
			return
		}
		counts := l.times[a.server]
		if counts == nil {
			counts = map[int]uint64{}
			l.times[a.server] = counts
		}
		counts[bucketOf(a.took)]++
	})
	return err
}

// of is a server's histogram, never nil.
func (l *haproxyLog) of(server string) map[int]uint64 {
	counts := make(map[int]uint64, len(l.times[server]))
	maps.Copy(counts, l.times[server])
	return counts
}

// An answered request as a line of the HTTP log has it. It took from when the
// balancer had the whole request to when it had the answer's headers: in the
// queue, connecting, and at the server. What a slow client adds is not in it.
type answered struct {
	backend, server string
	took            time.Duration
}

// parseHTTPLog reads a line of "option httplog" or "option httpslog", whatever
// syslog put before it:
//
//	127.0.0.1:46824 [21/Nov/2026:15:43:29.051] fe be/s1 0/0/0/2001/2001 200 136 - - ---- ...
//
// The times are TR/Tw/Tc/Tr/Ta in ms, and -1 where it did not come that far.
func parseHTTPLog(line string) (a answered, ok bool) {
	line, ok = afterStamp(line)
	if !ok {
		return a, false
	}
	_, line, _ = strings.Cut(line, " ") // past the frontend
	to, line, _ := strings.Cut(line, " ")
	timers, _, ok := strings.Cut(line, " ")
	if !ok {
		return a, false
	}
	if a.backend, a.server, ok = strings.Cut(to, "/"); !ok || a.server == "" || a.server[0] == '<' {
		return a, false
	}
	fields := strings.Split(timers, "/")
	if len(fields) != 5 {
		return a, false
	}
	for _, field := range fields[1:4] {
		ms, err := strconv.ParseUint(field, 10, 31)
		if err != nil {
			return a, false
		}
		a.took += time.Duration(ms) * time.Millisecond
	}
	return a, true
}

// afterStamp returns what follows the time in brackets; syslog may have put
// other brackets before it.
func afterStamp(line string) (string, bool) {
	const stamp = len("[21/Nov/2026:15:43:29.051] ")
	for {
		open := strings.IndexByte(line, '[')
		if open < 0 || len(line) < open+stamp {
			return "", false
		}
		line = line[open:]
		if line[3] == '/' && line[7] == '/' && line[stamp-2:stamp] == "] " {
			return line[stamp:], true
		}
		line = line[1:]
	}
}
