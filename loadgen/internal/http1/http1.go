// Package http1 reads HTTP/1 answers: bytes go in as they come off a
// connection, and what there is to know of each answer comes out.
//
// It holds no body and opens no connection, and once a connection has seen its
// longest header line it allocates nothing. What it accepts is what net/http
// accepts (RFC 9112, strict where smuggling is possible), so that it makes no
// difference to a server's figures which of the two reads its answers.
package http1

import (
	"errors"
	"fmt"
	"io"
	"math"
)

// What can be wrong with an answer. All are [ErrMalformed].
var (
	ErrMalformed = errors.New("malformed answer")

	errStatus   = malformed("status line")
	errField    = malformed("header line")
	errTooLong  = malformed("head of more than 1 MiB")
	errLength   = malformed("Content-Length")
	errEncoding = malformed("Transfer-Encoding other than chunked")
	errChunk    = malformed("chunk")
)

func malformed(what string) error { return fmt.Errorf("%w: %s", ErrMalformed, what) }

const (
	maxHead  = 1 << 20 // bytes of status line, headers and trailers
	maxChunk = 4096    // bytes of the line before a chunk
)

// state is what the next byte belongs to.
type state uint8

const (
	inStatus  state = iota // the status line
	inHead                 // a header line, or the empty one
	inBody                 // left bytes of body, or all until the connection ends
	inSize                 // the line before a chunk
	inChunk                // left bytes of a chunk
	inGap                  // the empty line after a chunk
	inTrailer              // a trailer line, or the empty one
	over
)

// A Parser reads the answers of one connection, one at a time. The zero value
// is ready for the answer to a GET.
type Parser struct {
	state   state
	started bool
	isHead  bool  // the answer is to a HEAD request
	status  int   // of the answer, or of the interim one being read
	length  int64 // bytes of body so far
	left    uint64

	proto    uint8  // 10 * major + minor
	line     []byte // the beginning of a line whose end has not come
	size     int    // bytes of head and trailers so far
	excess   int64  // what chunks cost beyond their data
	field    field  // whose value may go on in the next line
	value    []byte // of field
	declared declared
}

// Begin prepares for the answer to the next request: head tells whether that is HEAD.
func (p *Parser) Begin(head bool) {
	*p = Parser{isHead: head, line: p.line[:0], value: p.value[:0]}
}

// Started reports whether a byte of the answer has come.
func (p *Parser) Started() bool { return p.started }

// Done reports whether the answer has come to its end.
func (p *Parser) Done() bool { return p.state == over }

// Status is the answer's; it is meaningless before Done.
func (p *Parser) Status() int { return p.status }

// Length is how many bytes of body have come.
func (p *Parser) Length() int64 { return p.length }

// Close reports whether no other answer can follow on the connection: the
// server said so, or the body ends with it. It is meaningless before Done.
func (p *Parser) Close() bool { return p.declared.close }

// Skip is how many of the bytes to come are certainly body. The caller may
// throw up to as many away unseen, and tell how many with [Parser.Skipped].
func (p *Parser) Skip() int64 {
	if p.state != inBody && p.state != inChunk {
		return 0
	}
	return int64(min(p.left, math.MaxInt64))
}

// Skipped tells of n bytes that came and were thrown away.
func (p *Parser) Skipped(n int64) { p.consume(uint64(n)) }

// Parse reads b, which came after all that was read before, and returns how
// many of its bytes belong to the answer: all, unless it is [Parser.Done]. The
// error is an [ErrMalformed]; no more can be read on the connection then.
func (p *Parser) Parse(b []byte) (int, error) {
	p.started = p.started || len(b) > 0
	i := 0
	for i < len(b) && p.state != over {
		var n int
		var err error
		switch p.state {
		case inBody, inChunk:
			n = int(min(p.left, uint64(len(b)-i)))
			p.consume(uint64(n))
		default:
			n, err = p.readLine(b[i:])
		}
		if i += n; err != nil {
			return i, err
		}
	}
	return i, nil
}

// End tells that the connection has ended, which is how some bodies end. The
// error is [io.EOF] where no byte of the answer had come, and
// [io.ErrUnexpectedEOF] where it is cut short.
func (p *Parser) End() error {
	switch {
	case p.state == over:
	case p.state == inBody && p.left == untilEnd:
		p.state = over
	case !p.started:
		return io.EOF
	default:
		return io.ErrUnexpectedEOF
	}
	return nil
}

// untilEnd is the length of a body that ends with the connection.
const untilEnd = math.MaxUint64

func (p *Parser) consume(n uint64) {
	p.length += int64(n)
	if p.left == untilEnd {
		return
	}
	if p.left -= n; p.left > 0 {
		return
	}
	if p.state == inChunk {
		p.state = inGap
	} else {
		p.state = over
	}
}
