package users

import (
	"bytes"
	"slices"
	"strconv"
)

// A haproxy reads the lines of HAProxy's option httplog, with or without
// syslog's own words before them:
//
//	10.0.1.2:33317 [06/Feb/2009:12:14:14.655] http-in static/srv1 10/0/30/69/109
//	200 2750 SESSION=abc - ---- 1/1/1/1/0 0/0 {1wt.eu|curl} {} "GET / HTTP/1.1"
//
// It finds the time by its shape, and the client's address before it.
type haproxy struct {
	parts   []part
	needs   int // how far into the line the parts reach
	numbers []int
	clock   timestamp
}

// How far into the line something stands.
const (
	inAddress = iota
	inCookie
	inCaptures
)

func newHAProxy(parts []part, c Config) (*haproxy, error) {
	h := &haproxy{parts: parts, numbers: make([]int, len(parts)), clock: timestamp{zone: c.Zone}}
	for k, p := range parts {
		switch p.kind {
		case "remote_addr":
		case "cookie":
			h.needs = max(h.needs, inCookie)
		case "capture":
			h.needs = inCaptures
			h.numbers[k], _ = strconv.Atoi(p.name) // parseIdentity has checked it
		default:
			return nil, &Mistake{"user", "HAProxy's log has no " + p.String(),
				"capture it (capture request header, capture cookie), and identify users by capture:1, cookie:NAME or remote_addr"}
		}
	}
	return h, nil
}

const notHAProxy = "it is not a line of HAProxy's httplog"

func (h *haproxy) parse(line []byte, values [][]byte) (moment, string) {
	open, end := acceptDate(line)
	if open < 0 {
		return moment{}, notHAProxy
	}
	at, problem := h.clock.clf(line[open+1 : end])
	if problem != "" {
		return at, problem
	}
	clear(values)
	client := line[:open-1]
	client = client[bytes.LastIndexByte(client, ' ')+1:]
	port := bytes.LastIndexByte(client, ':')
	if port < 0 {
		return at, notHAProxy
	}
	var cookie, captures []byte
	if h.needs > inAddress {
		// frontend, backend/server, timers, status, bytes; then the cookie.
		rest, ok := skipWords(line[end+1:], 5)
		if !ok {
			return at, notHAProxy
		}
		cookie, rest, _ = bytes.Cut(rest, []byte(" "))
		// the response's cookie, how it ended, connections, queues.
		if captures, ok = skipWords(rest, 4); !ok {
			return at, notHAProxy
		}
	}
	for k, p := range h.parts {
		switch p.kind {
		case "remote_addr":
			values[k] = canonical(client[:port])
		case "cookie":
			values[k] = unsharp(cookieOf(cookie, p.name))
		case "capture":
			values[k] = unsharp(capture(captures, h.numbers[k]))
		}
	}
	return at, ""
}

// acceptDate is where the brackets of the time stand; -1 where there are none
// with an address before and something after them.
func acceptDate(line []byte) (open, end int) {
	for from := 0; ; {
		i := bytes.IndexByte(line[from:], '[')
		if i < 0 {
			return -1, -1
		}
		open = from + i
		if open > 1 && line[open-1] == ' ' && open+21 < len(line) && line[open+3] == '/' && line[open+7] == '/' {
			if n := bytes.IndexByte(line[open:], ']'); n > 0 {
				return open, open + n
			}
			return -1, -1
		}
		from = open + 1
	}
}

// skipWords leaves out n words; b begins before the first of them.
func skipWords(b []byte, n int) ([]byte, bool) {
	b = bytes.TrimPrefix(b, []byte(" "))
	for range n {
		i := bytes.IndexByte(b, ' ')
		if i < 0 {
			return nil, false
		}
		b = b[i+1:]
	}
	return b, true
}

// capture is the nth captured header, counted over all braces; nil where there
// are fewer. HAProxy encodes braces and bars inside of values.
func capture(b []byte, n int) []byte {
	for len(b) > 0 && b[0] == '{' {
		end := bytes.IndexByte(b, '}')
		if end < 0 {
			return nil
		}
		block := b[1:end]
		for more := true; more; n-- {
			var value []byte
			if value, block, more = bytes.Cut(block, []byte("|")); n == 1 {
				return value
			}
		}
		b = bytes.TrimPrefix(b[end+1:], []byte(" "))
	}
	return nil
}

// unsharp undoes HAProxy's encoding of characters that would break a line: #XX.
// It works in place. A lone dash is HAProxy's word for nothing.
func unsharp(b []byte) []byte {
	if len(b) == 1 && b[0] == '-' {
		return nil
	}
	i := slices.Index(b, '#')
	if i < 0 {
		return b
	}
	out := b[:i]
	for ; i < len(b); i++ {
		if b[i] == '#' && i+3 <= len(b) && isHex(b[i+1:i+3]) {
			v, _ := strconv.ParseUint(string(b[i+1:i+3]), 16, 8)
			out = append(out, byte(v))
			i += 2
			continue
		}
		out = append(out, b[i])
	}
	return out
}
