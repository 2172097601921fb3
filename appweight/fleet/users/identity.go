package users

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// The kinds of values that identify a user, as they are written before a colon
// or alone.
var (
	namedParts = []string{"cookie", "header", "field", "capture"}
	plainParts = []string{"remote_addr", "remote_user", "user_agent"}
)

// A part is one of the values that together identify a user. Formats give their
// values the same names, so that a part is found by comparing.
type part struct {
	kind string // one of the above
	name string // after the colon
}

func (p part) String() string {
	if p.name == "" {
		return p.kind
	}
	return p.kind + ":" + p.name
}

const maxParts = 8

const identityHint = "such as cookie:session, header:x-user-id, field:user_id (JSON), capture:1 (HAProxy), remote_user, or remote_addr+user_agent"

// parseIdentity reads "cookie:session" and "remote_addr+user_agent".
func parseIdentity(text string) ([]part, error) {
	if text == "" {
		return nil, &Mistake{"user", "it is not said what identifies a user", identityHint}
	}
	var parts []part
	for one := range strings.SplitSeq(text, "+") {
		kind, name, named := strings.Cut(strings.TrimSpace(one), ":")
		p := part{kind, name}
		switch {
		case named && slices.Contains(namedParts, kind) && name != "", !named && slices.Contains(plainParts, kind):
		case slices.Contains(namedParts, kind):
			return nil, &Mistake{"user", fmt.Sprintf("%s: which one?", kind), identityHint}
		default:
			return nil, &Mistake{"user", fmt.Sprintf("%q identifies nobody", one), identityHint}
		}
		switch kind {
		case "user_agent":
			p = part{"header", "user-agent"}
		case "header":
			p.name = headerName(name)
		case "capture":
			if n, err := strconv.Atoi(name); err != nil || n < 1 {
				return nil, &Mistake{"user", fmt.Sprintf("capture:%s: captures are counted from 1", name), identityHint}
			}
		}
		parts = append(parts, p)
	}
	if len(parts) > maxParts {
		return nil, &Mistake{"user", fmt.Sprintf("%d values together identify a user; %d are the most", len(parts), maxParts), identityHint}
	}
	return parts, nil
}

// headerName makes X-User-ID, x_user_id and x-user-id the same.
func headerName(name string) string {
	return strings.ReplaceAll(strings.ToLower(name), "_", "-")
}

// canonical is the one way to write an address: IPv6 as RFC 5952 has it, IPv4
// without IPv6 around it. What is not an address stays as it is.
func canonical(addr []byte) []byte {
	if !slices.Contains(addr, ':') {
		return addr
	}
	a, err := netip.ParseAddr(string(addr))
	if err != nil {
		return addr
	}
	return a.Unmap().AppendTo(nil)
}

// cookieOf finds a cookie in the value of a Cookie header.
func cookieOf(header []byte, name string) []byte {
	for len(header) > 0 {
		var pair []byte
		if i := slices.Index(header, ';'); i >= 0 {
			pair, header = header[:i], header[i+1:]
		} else {
			pair, header = header, nil
		}
		for len(pair) > 0 && pair[0] == ' ' {
			pair = pair[1:]
		}
		if len(pair) > len(name) && pair[len(name)] == '=' && string(pair[:len(name)]) == name {
			return pair[len(name)+1:]
		}
	}
	return nil
}

// unescape undoes what nginx (\xHH), Apache (\", \\, \n, \xhh) and JSON
// (escape=json) write for characters that would break a line. It works in
// place, and only where there is a backslash.
func unescape(b []byte) []byte {
	i := slices.Index(b, '\\')
	if i < 0 {
		return b
	}
	out := b[:i]
	for i < len(b) {
		if b[i] != '\\' || i+1 == len(b) {
			out = append(out, b[i])
			i++
			continue
		}
		switch e := b[i+1]; {
		case e == 'x' && i+4 <= len(b) && isHex(b[i+2:i+4]):
			v, _ := strconv.ParseUint(string(b[i+2:i+4]), 16, 8)
			out, i = append(out, byte(v)), i+4
		case e == 'u' && i+6 <= len(b) && isHex(b[i+2:i+6]):
			r, n := decodeUnicode(b[i:])
			out, i = append(out, string(r)...), i+n
		default:
			if k := strings.IndexByte("nrtbfv", e); k >= 0 {
				e = "\n\r\t\b\f\v"[k]
			}
			out, i = append(out, e), i+2
		}
	}
	return out
}

func isHex(b []byte) bool {
	for _, c := range b {
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F') {
			return false
		}
	}
	return true
}
