package users

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// A parser finds in a line when the request was and who sent it. Values are
// those of the identity's parts, in order; an absent one is empty. Problem says
// what is wrong with a line that it cannot read, and is empty otherwise.
type parser interface {
	parse(line []byte, values [][]byte) (at moment, problem string)
}

// How a time is written.
type timeKind int

const (
	noTime    timeKind = iota
	clfTime            // 21/Nov/2026:12:24:03 +0000
	otherTime          // any that has no space in it
)

// A variable is one that a format names.
type variable struct {
	raw  string // as written there
	part part   // what it means
	time timeKind
}

// A piece is a variable and the text after it.
type piece struct {
	variable
	until  []byte // nil at the end of the line
	quoted bool   // between double quotes, so that a backslash escapes
	// values are the parts of the identity that this one holds, cookies those
	// that stand in this Cookie header.
	values, cookies []int
}

// A template is a format of nginx or Apache made ready for reading lines.
type template struct {
	begin  []byte
	pieces []piece // no more than are needed
	parts  []part
	clock  timestamp
}

// newTemplate makes a parser of text and variables in turn: literals[0],
// variables[0], literals[1], ...
func newTemplate(literals []string, variables []variable, parts []part, c Config) (*template, error) {
	t := &template{begin: []byte(literals[0]), parts: parts, clock: timestamp{zone: c.Zone}}
	timeAt := bestTime(variables)
	if timeAt < 0 {
		return nil, &Mistake{"format", "it has no time of the request", "log it: $time_local in nginx, %t in Apache"}
	}
	last := timeAt
	for i, v := range variables {
		p := piece{variable: v, quoted: strings.HasSuffix(literals[i], `"`) && strings.HasPrefix(literals[i+1], `"`)}
		if literals[i+1] != "" || i+1 < len(variables) {
			p.until = []byte(literals[i+1])
		}
		if i != timeAt {
			p.time = noTime
		}
		t.pieces = append(t.pieces, p)
	}
	for k, want := range parts {
		i, cookie := find(variables, want)
		if i < 0 {
			return nil, lacking(want, variables)
		}
		if cookie {
			t.pieces[i].cookies = append(t.pieces[i].cookies, k)
		} else {
			t.pieces[i].values = append(t.pieces[i].values, k)
		}
		last = max(last, i)
	}
	t.pieces = t.pieces[:last+1]
	for i, p := range t.pieces {
		if p.until != nil && len(p.until) == 0 && p.time != clfTime {
			return nil, &Mistake{"format", fmt.Sprintf("nothing stands between %s and %s, so that they cannot be told apart", p.raw, variables[i+1].raw), ""}
		}
	}
	return t, nil
}

// bestTime is where the time stands; -1 where there is none. One with its
// offset goes before others.
func bestTime(variables []variable) int {
	best := -1
	for i, v := range variables {
		if v.time != noTime && (best < 0 || v.time < variables[best].time) {
			best = i
		}
	}
	return best
}

// find is where a part of the identity stands, and whether within all cookies.
func find(variables []variable, want part) (i int, cookie bool) {
	named := func(p part) int {
		return slices.IndexFunc(variables, func(v variable) bool {
			return v.part == p || (p.kind == "field" && strings.Trim(v.raw, "$%{}") == strings.Trim(p.name, "$%{}"))
		})
	}
	if i := named(want); i >= 0 || want.kind != "cookie" {
		return i, false
	}
	return named(part{"header", "cookie"}), true
}

func lacking(want part, variables []variable) error {
	var has []string
	for _, v := range variables {
		if v.part.kind != "" && v.time == noTime && v.part.kind != "field" {
			has = append(has, v.part.String())
		}
	}
	remedy := "log it in the web server's format"
	switch want.kind {
	case "cookie":
		remedy += fmt.Sprintf(": $cookie_%s in nginx, %%{%s}C in Apache", want.name, want.name)
	case "header":
		remedy += fmt.Sprintf(": $http_%s in nginx, %%{%s}i in Apache", strings.ReplaceAll(want.name, "-", "_"), want.name)
	case "capture":
		remedy = "captures are HAProxy's: is it the right format?"
	}
	if len(has) > 0 {
		remedy += "; or identify users by what it has: " + strings.Join(has, ", ")
	}
	return &Mistake{"user", fmt.Sprintf("the log's format has no %s", want), remedy}
}

func (t *template) parse(line []byte, values [][]byte) (at moment, problem string) {
	if !bytes.HasPrefix(line, t.begin) {
		return at, "it begins otherwise than its format"
	}
	rest := line[len(t.begin):]
	for i := range t.pieces {
		p := &t.pieces[i]
		n := p.length(rest)
		if n < 0 {
			return at, "it ends before its format does"
		}
		value := rest[:n]
		rest = rest[min(len(rest), n+len(p.until)):]
		if p.time != noTime {
			if at, problem = t.clock.any(value); problem != "" {
				return at, problem
			}
		}
		p.assign(value, values, t.parts)
	}
	return at, ""
}

// length is how long the value at the beginning of b is; -1 where what must
// follow does not.
func (p *piece) length(b []byte) int {
	switch {
	case p.time == clfTime:
		if n := len("21/Nov/2026:12:24:03 +0000"); len(b) >= n && bytes.HasPrefix(b[n:], p.until) {
			return n
		}
		return -1
	case p.until == nil:
		return len(b)
	case p.quoted:
		return endOfQuoted(b, p.until)
	}
	return bytes.Index(b, p.until)
}

// endOfQuoted is where until, which begins with a quote, stands in b, but for
// quotes after a backslash.
func endOfQuoted(b, until []byte) int {
	for i := 0; ; {
		n := bytes.Index(b[i:], until)
		if n < 0 {
			return -1
		}
		i += n
		backslashes := 0
		for backslashes < i && b[i-1-backslashes] == '\\' {
			backslashes++
		}
		if backslashes%2 == 0 {
			return i
		}
		i++
	}
}

// assign hands a value to the parts of the identity that it is.
func (p *piece) assign(value []byte, values [][]byte, parts []part) {
	if len(p.values) == 0 && len(p.cookies) == 0 {
		return
	}
	if len(value) == 1 && value[0] == '-' {
		value = nil
	}
	value = unescape(value)
	for _, k := range p.values {
		values[k] = value
		if parts[k].kind == "remote_addr" {
			values[k] = canonical(value)
		}
	}
	for _, k := range p.cookies {
		values[k] = cookieOf(value, parts[k].name)
	}
}
