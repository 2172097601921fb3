package http1

import (
	"bytes"
	"math"
)

// readLine reads up to the end of a line. A line that has not come whole is
// kept, so that what follows sees whole lines only.
func (p *Parser) readLine(b []byte) (int, error) {
	end := bytes.IndexByte(b, '\n')
	n := end + 1
	if end < 0 {
		n = len(b)
	}
	if p.state == inSize || p.state == inGap {
		if len(p.line)+n > maxChunk {
			return 0, errChunk
		}
	} else if p.size += n; p.size > maxHead {
		return 0, errTooLong
	}
	if end < 0 {
		p.line = append(p.line, b...)
		return n, nil
	}
	line := b[:n]
	if len(p.line) > 0 {
		p.line = append(p.line, line...)
		line = p.line
		p.line = p.line[:0]
	}
	return n, p.take(line)
}

// take takes a whole line, its ending included.
func (p *Parser) take(line []byte) error {
	switch p.state {
	case inStatus:
		return p.takeStatus(text(line))
	case inHead:
		return p.takeField(text(line))
	case inSize:
		return p.takeSize(line)
	case inGap:
		if string(line) != "\r\n" {
			return errChunk
		}
		p.state = inSize
		return nil
	default:
		return p.takeTrailer(line)
	}
}

// text is a line without its ending, for which a bare LF will do.
func text(line []byte) []byte {
	line = line[:len(line)-1]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line
}

// takeStatus takes "HTTP/1.1 200 OK", where the text may be missing.
func (p *Parser) takeStatus(line []byte) error {
	const version = "HTTP/1.1"
	if len(line) <= len(version) || string(line[:5]) != version[:5] || line[6] != '.' || line[8] != ' ' || !digit(line[5]) || !digit(line[7]) {
		return errStatus
	}
	p.proto = 10*(line[5]-'0') + line[7] - '0'
	code := bytes.TrimLeft(line[9:], " ")
	if len(code) < 3 || len(code) > 3 && code[3] != ' ' {
		return errStatus
	}
	p.status = 0
	for _, c := range code[:3] {
		if !digit(c) {
			return errStatus
		}
		p.status = 10*p.status + int(c-'0')
	}
	p.state, p.declared, p.field = inHead, declared{length: -1}, other
	return nil
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// headEnds decides how long the body is (RFC 9112 section 6.3).
func (p *Parser) headEnds() error {
	if err := p.commit(); err != nil {
		return err
	}
	d := &p.declared
	switch {
	case p.proto < 10:
		d.close = true
	case p.proto == 10:
		d.close = d.close || !d.keepAlive
	}
	if d.badEncoding && (p.proto >= 11 || p.proto == 0) {
		return errEncoding
	}
	chunked := d.chunked && (p.proto >= 11 || p.proto == 0) // version 1.0 knows no such thing
	p.state, p.left = inBody, 0
	switch {
	case p.status/100 == 1 && p.status != 101: // an interim answer: the real one follows
		p.state = inStatus
		return nil
	case p.status == 101: // what follows is no HTTP
		d.close = true
	case p.isHead || p.status == 204 || p.status == 304:
	case chunked:
		p.state = inSize
		return nil
	case d.length >= 0:
		p.left = uint64(d.length)
	default:
		p.left, d.close = untilEnd, true
	}
	if p.left == 0 {
		p.state = over
	}
	return nil
}

// takeSize takes the line before a chunk: its length in hex, and extensions.
func (p *Parser) takeSize(line []byte) error {
	n := len(line) - 2
	if n < 0 || bytes.IndexByte(line, '\r') != n { // a bare LF would let two readers disagree
		return errChunk
	}
	p.excess += int64(n) + 2
	digits := line[:n]
	if i := bytes.IndexByte(digits, ';'); i >= 0 {
		digits = digits[:i]
	} else {
		digits = bytes.TrimRight(digits, " \t")
	}
	size, ok := parseHex(digits)
	if !ok {
		return errChunk
	}
	// A sender of single bytes is tolerable, one of endless extensions is not.
	p.excess = max(0, p.excess-16-2*int64(min(size, math.MaxInt32)))
	if p.excess > 16<<10 {
		return errChunk
	}
	p.state, p.left = inChunk, size
	if size == 0 {
		p.state, p.field = inTrailer, other
	}
	return nil
}

func parseHex(b []byte) (n uint64, ok bool) {
	if len(b) == 0 || len(b) > 16 {
		return 0, false
	}
	for _, c := range b {
		switch {
		case digit(c):
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		n = n<<4 | uint64(c)
	}
	return n, n < untilEnd
}

// takeTrailer takes a line after the last chunk. Trailers say nothing that we
// need, but they must be well-formed, or what follows them is not an answer.
func (p *Parser) takeTrailer(line []byte) error {
	if n := len(line) - 2; n < 0 || line[n] != '\r' {
		return errField
	}
	line = text(line)
	if len(line) == 0 {
		p.state = over
		return nil
	}
	_, _, err := p.split(line)
	p.field = unneeded
	return err
}
