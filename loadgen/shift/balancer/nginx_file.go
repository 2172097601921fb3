package balancer

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A serverLine is one "server ADDRESS ...;" of an upstream, and where in the file
// its weight stands or would stand.
type serverLine struct {
	address      string
	weight       int // 1 where none is written, as nginx has it
	down, backup bool
	// from and to enclose "weight=N" in the file; where there is none they are
	// equal, behind the address.
	from, to int
}

// An upstream is what a file says of one.
type upstream struct {
	servers []serverLine
	// others are the names of the upstream's other directives: ip_hash, zone.
	others []string
}

// parseUpstream finds the servers of an upstream in a file of nginx's
// configuration: in its block, or, where the file has no upstream block at all,
// the server lines that stand in no block, for the file is included in one.
func parseUpstream(text, name string) (upstream, error) {
	all, err := directives(text)
	if err != nil {
		return upstream{}, err
	}
	var known []string // the file's upstreams
	for _, d := range all {
		if other, ok := strings.CutPrefix(d.opens, "upstream "); ok {
			known = append(known, other)
		}
	}
	in := "upstream " + name
	if len(known) == 0 {
		in = ""
	} else if !slices.Contains(known, name) {
		return upstream{}, fmt.Errorf("it has no upstream %q, but %s", name, strings.Join(known, ", "))
	}
	var u upstream
	for _, d := range all {
		if d.in == in && d.opens == "" {
			if err := u.add(text, d.words); err != nil {
				return upstream{}, err
			}
		}
	}
	if len(u.servers) == 0 {
		return upstream{}, fmt.Errorf("it has no server of upstream %q", name)
	}
	return u, nil
}

// A directive is a line of nginx's configuration and the block that it stands
// in, or opens: "http", "upstream web"; "" is none.
type directive struct {
	words     []word
	in, opens string
}

// directives cuts a configuration into them.
func directives(text string) ([]directive, error) {
	all, err := lex(text)
	if err != nil {
		return nil, err
	}
	var found []directive
	blocks := []string{""} // that we are in
	var words []word
	for _, w := range all {
		in := blocks[len(blocks)-1]
		switch {
		case !w.bare || w.text != ";" && w.text != "{" && w.text != "}":
			words = append(words, w)
			continue
		case len(words) > 0 && w.text == ";":
			found = append(found, directive{words: words, in: in})
		case len(words) > 0 && w.text == "{":
			block := words[0].text
			if block == "upstream" && len(words) == 2 {
				block += " " + words[1].text
			}
			found = append(found, directive{words: words, in: in, opens: block})
			blocks = append(blocks, block)
		case len(words) == 0 && w.text == "}" && len(blocks) > 1:
			blocks = blocks[:len(blocks)-1]
		default:
			return nil, fmt.Errorf("line %d: a %s where none can be", lineOf(text, w.from), w.text)
		}
		words = nil
	}
	if len(blocks) > 1 || len(words) > 0 {
		return nil, fmt.Errorf("the file ends in the middle of a block or a line")
	}
	return found, nil
}

// add takes in one directive.
func (u *upstream) add(text string, words []word) error {
	switch words[0].text {
	case "server":
	case "include":
		return fmt.Errorf("line %d: servers are in another file: name that one", lineOf(text, words[0].from))
	default:
		u.others = append(u.others, words[0].text)
		return nil
	}
	if len(words) < 2 {
		return fmt.Errorf("line %d: a server without an address", lineOf(text, words[0].from))
	}
	s := serverLine{address: words[1].text, weight: 1, from: words[1].to, to: words[1].to}
	for _, w := range words[2:] {
		switch value, isWeight := strings.CutPrefix(w.text, "weight="); {
		case isWeight:
			n, err := strconv.ParseUint(value, 10, 31)
			if err != nil || n == 0 || s.from < s.to {
				return fmt.Errorf("line %d: %s is not a weight of its own", lineOf(text, w.from), w.text)
			}
			s.weight, s.from, s.to = int(n), w.from, w.to
		case w.text == "down":
			s.down = true
		case w.text == "backup":
			s.backup = true
		}
	}
	if slices.ContainsFunc(u.servers, func(o serverLine) bool { return o.address == s.address }) {
		return fmt.Errorf("line %d: %s is a server twice: its weights cannot be told apart", lineOf(text, words[0].from), s.address)
	}
	u.servers = append(u.servers, s)
	return nil
}

// setWeights returns the text with other weights for the servers named; every
// other byte stays.
func (u upstream) setWeights(text string, weights map[string]int) string {
	var b strings.Builder
	done := 0
	for _, s := range u.servers { // in the order of the file
		weight, ok := weights[s.address]
		if !ok || weight == s.weight {
			continue
		}
		b.WriteString(text[done:s.from])
		if s.from == s.to {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "weight=%d", weight)
		done = s.to
	}
	return b.String() + text[done:]
}

// A word of nginx's configuration: its text without quotes, and where it stands.
// It is bare where it has no quotes: only then ; { and } have their meaning.
type word struct {
	text     string
	from, to int
	bare     bool
}

// lex cuts a configuration into words, as nginx does.
func lex(text string) (words []word, err error) {
	for i := 0; i < len(text); {
		from := i
		switch c := text[i]; c {
		case ' ', '\t', '\r', '\n':
			i++
		case '#':
			if end := strings.IndexByte(text[i:], '\n'); end >= 0 {
				i += end
			} else {
				i = len(text)
			}
		case ';', '{', '}':
			i++
			words = append(words, word{text[from:i], from, i, true})
		case '"', '\'':
			value, end := unquote(text, i+1, c)
			i = end
			if i < len(text) && strings.IndexByte(" \t\r\n;{)", text[i]) < 0 {
				return nil, fmt.Errorf("line %d: something stands right behind a quote", lineOf(text, i))
			}
			words = append(words, word{value, from, i, false})
		default:
			i = wordEnd(text, i)
			words = append(words, word{text[from:i], from, i, true})
		}
	}
	return words, nil
}

// wordEnd is the end of a word without quotes. A brace after a dollar is part of
// a variable.
func wordEnd(text string, i int) int {
	for variable := false; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\':
			i++
			variable = false
		case c == '{' && variable:
			variable = false
		case strings.IndexByte(" \t\r\n;{", c) >= 0:
			return i
		default:
			variable = c == '$'
		}
	}
	return len(text)
}

// unquote reads from behind a quote to behind its counterpart.
func unquote(text string, i int, quote byte) (value string, end int) {
	var b strings.Builder
	for ; i < len(text); i++ {
		switch text[i] {
		case '\\':
			if i+1 < len(text) {
				i++
				b.WriteByte(text[i])
			}
		case quote:
			return b.String(), i + 1
		default:
			b.WriteByte(text[i])
		}
	}
	return b.String(), len(text)
}

func lineOf(text string, at int) int { return 1 + strings.Count(text[:at], "\n") }
