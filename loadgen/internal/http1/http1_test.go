package http1

import (
	"errors"
	"io"
	"strings"
	"testing"
)

// An outcome is what became of the answer at the beginning of a text.
type outcome struct {
	Status int
	Length int64 // of the body
	Close  bool
	Used   int // bytes that belong to the answer
	Err    error
}

// read feeds text to a parser in parts that end where ends says so, and then
// ends the connection.
func read(p *Parser, text string, head bool, ends func(i int) bool) outcome {
	p.Begin(head)
	from := 0
	for i := 1; i <= len(text) && !p.Done(); i++ {
		if i < len(text) && !ends(i) {
			continue
		}
		n, err := p.Parse([]byte(text[from:i]))
		if err != nil {
			return outcome{Err: err}
		}
		from += n
	}
	if err := p.End(); err != nil {
		return outcome{Err: err}
	}
	return outcome{p.Status(), p.Length(), p.Close(), from, nil}
}

func whole(int) bool { return false }

const ok = "HTTP/1.1 200 OK\r\n"

func TestParser(t *testing.T) {
	next := "HTTP/1.1 404 no\r\n\r\n" // must not be touched
	for _, test := range []struct {
		name, text, rest string
		head             bool
		want             outcome
	}{
		{"length", ok + "Content-Length: 5\r\n\r\nhello", next, false, outcome{200, 5, false, 0, nil}},
		{"no body", ok + "Content-Length: 0\r\n\r\n", next, false, outcome{200, 0, false, 0, nil}},
		{"no text", "HTTP/1.1 200\r\ncontent-LENGTH:\t0 \r\n\r\n", next, false, outcome{200, 0, false, 0, nil}},
		{"bare LF", "HTTP/1.1 200 OK\nContent-Length: 1\n\nx", next, false, outcome{200, 1, false, 0, nil}},
		{"until the end", ok + "\r\nhello", "", false, outcome{200, 5, true, 0, nil}},
		{"nothing until the end", ok + "\r\n", "", false, outcome{200, 0, true, 0, nil}},
		{"chunks", ok + "Transfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\nA;x=\"y\"\r\n0123456789\r\n0\r\n\r\n", next, false, outcome{200, 15, false, 0, nil}},
		{"trailers", ok + "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n000\r\nExpires: now\r\nA: b\r\n c\r\n\r\n", next, false, outcome{200, 1, false, 0, nil}},
		{"chunks before length", ok + "Content-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", next, false, outcome{200, 0, false, 0, nil}},
		{"HEAD", ok + "Content-Length: 99\r\n\r\n", next, true, outcome{200, 0, false, 0, nil}},
		{"HEAD, chunks", ok + "Transfer-Encoding: chunked\r\n\r\n", next, true, outcome{200, 0, false, 0, nil}},
		{"HEAD, no length", ok + "\r\n", next, true, outcome{200, 0, false, 0, nil}},
		{"204", "HTTP/1.1 204 No Content\r\n\r\n", next, false, outcome{204, 0, false, 0, nil}},
		{"304", "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", next, false, outcome{304, 0, false, 0, nil}},
		{"interim", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\nConnection: close\r\n\r\n" + ok + "Content-Length: 1\r\n\r\nx", next, false, outcome{200, 1, false, 0, nil}},
		{"switched", "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", "\x00", false, outcome{101, 0, true, 0, nil}},
		{"close", ok + "Connection: close\r\nContent-Length: 0\r\n\r\n", "", false, outcome{200, 0, true, 0, nil}},
		{"close in a list", ok + "Connection: a ,\tCLOSE\r\nContent-Length: 0\r\n\r\n", "", false, outcome{200, 0, true, 0, nil}},
		{"close in the second line", ok + "Connection: a,\r\n close\r\nContent-Length: 0\r\n\r\n", "", false, outcome{200, 0, true, 0, nil}},
		{"closed", ok + "Connection: closed, disclose\r\nContent-Length: 0\r\n\r\n", next, false, outcome{200, 0, false, 0, nil}},
		{"1.0", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "", false, outcome{200, 0, true, 0, nil}},
		{"1.0, kept", "HTTP/1.0 200 OK\r\nConnection: x, Keep-Alive\r\nContent-Length: 0\r\n\r\n", next, false, outcome{200, 0, false, 0, nil}},
		{"1.0, chunks", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "", false, outcome{200, 5, true, 0, nil}},
		{"lengths agree", ok + "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx", next, false, outcome{200, 1, false, 0, nil}},
		{"length in the second line", ok + "Content-Length:\r\n 1\r\n\r\nx", next, false, outcome{200, 1, false, 0, nil}},

		{"nothing", "", "", false, outcome{Err: io.EOF}},
		{"cut in the head", ok + "Content-Le", "", false, outcome{Err: io.ErrUnexpectedEOF}},
		{"cut in the body", ok + "Content-Length: 2\r\n\r\nx", "", false, outcome{Err: io.ErrUnexpectedEOF}},
		{"cut in a chunk", ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhel", "", false, outcome{Err: io.ErrUnexpectedEOF}},
		{"cut before the last chunk", ok + "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n", "", false, outcome{Err: io.ErrUnexpectedEOF}},
		{"cut in the trailers", ok + "Transfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n", "", false, outcome{Err: io.ErrUnexpectedEOF}},
		{"cut after interim", "HTTP/1.1 100 Continue\r\n\r\n", "", false, outcome{Err: io.ErrUnexpectedEOF}},
		{"no HTTP", "SSH-2.0-OpenSSH_9.2\r\n", "", false, outcome{Err: errStatus}},
		{"stray line", "\r\n" + ok, "", false, outcome{Err: errStatus}},
		{"status of two digits", "HTTP/1.1 20 OK\r\n", "", false, outcome{Err: errStatus}},
		{"status of four digits", "HTTP/1.1 2000 OK\r\n", "", false, outcome{Err: errStatus}},
		{"status of letters", "HTTP/1.1 2xx OK\r\n", "", false, outcome{Err: errStatus}},
		{"no colon", ok + "Date\r\n\r\n", "", false, outcome{Err: errField}},
		{"no name", ok + ": x\r\n\r\n", "", false, outcome{Err: errField}},
		{"bad name", ok + "A(b): x\r\n\r\n", "", false, outcome{Err: errField}},
		{"bad value", ok + "A: \x01\r\n\r\n", "", false, outcome{Err: errField}},
		{"CR in a value", ok + "A: b\r\r\n\r\n", "", false, outcome{Err: errField}},
		{"space first", ok + " A: b\r\n\r\n", "", false, outcome{Err: errField}},
		{"lengths differ", ok + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nx", "", false, outcome{Err: errLength}},
		{"negative length", ok + "Content-Length: -1\r\n\r\nx", "", false, outcome{Err: errLength}},
		{"no length", ok + "Content-Length: \r\n\r\nx", "", false, outcome{Err: errLength}},
		{"huge length", ok + "Content-Length: 99999999999999999999\r\n\r\nx", "", false, outcome{Err: errLength}},
		{"length of two lines", ok + "Content-Length: 1\r\n 2\r\n\r\nx", "", false, outcome{Err: errLength}},
		{"gzip", ok + "Transfer-Encoding: gzip, chunked\r\n\r\n", "", false, outcome{Err: errEncoding}},
		{"chunked twice", ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "", false, outcome{Err: errEncoding}},
		{"chunk without size", ok + "Transfer-Encoding: chunked\r\n\r\n\r\n", "", false, outcome{Err: errChunk}},
		{"chunk of bad size", ok + "Transfer-Encoding: chunked\r\n\r\n-1\r\n", "", false, outcome{Err: errChunk}},
		{"chunk of huge size", ok + "Transfer-Encoding: chunked\r\n\r\n11111111111111111\r\n", "", false, outcome{Err: errChunk}},
		{"chunk with bare LF", ok + "Transfer-Encoding: chunked\r\n\r\n1\nx\r\n", "", false, outcome{Err: errChunk}},
		{"chunk too long", ok + "Transfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n", "", false, outcome{Err: errChunk}},
		{"trailer without colon", ok + "Transfer-Encoding: chunked\r\n\r\n0\r\nHTTP/1.1 200 OK\r\n\r\n", "", false, outcome{Err: errField}},
		{"endless head", ok + "A: " + strings.Repeat("a", maxHead), "", false, outcome{Err: errTooLong}},
		{"endless headers", ok + strings.Repeat("A: 0123456789\r\n", maxHead/15+1), "", false, outcome{Err: errTooLong}},
		{"endless extension", ok + "Transfer-Encoding: chunked\r\n\r\n1;" + strings.Repeat("a", maxChunk), "", false, outcome{Err: errChunk}},
		{"extensions and no data", ok + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1;"+strings.Repeat("a", 1000)+"\r\nx\r\n", 20), "", false, outcome{Err: errChunk}},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := test.want
			if want.Err == nil {
				want.Used = len(test.text)
			}
			var p Parser // reused, as on a connection
			all := test.text + test.rest
			if got := read(&p, all, test.head, whole); got != want {
				t.Errorf("at once: %+v, want %+v", got, want)
			}
			if want.Err != nil && want.Err != io.EOF && want.Err != io.ErrUnexpectedEOF && !errors.Is(want.Err, ErrMalformed) {
				t.Errorf("%v is not ErrMalformed", want.Err)
			}
			if len(all) > 4096 {
				return
			}
			if got := read(&p, all, test.head, func(int) bool { return true }); got != want {
				t.Errorf("byte by byte: %+v, want %+v", got, want)
			}
			for cut := 1; cut < len(all); cut++ {
				if got := read(&p, all, test.head, func(i int) bool { return i == cut }); got != want {
					t.Errorf("cut after %q: %+v, want %+v", all[:cut], got, want)
				}
			}
		})
	}
}

// TestSkip throws bodies away unseen.
func TestSkip(t *testing.T) {
	var p Parser
	p.Begin(false)
	parse := func(text string) {
		t.Helper()
		if n, err := p.Parse([]byte(text)); n != len(text) || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
	}
	parse(ok + "Transfer-Encoding: chunked\r\n")
	if n := p.Skip(); n != 0 {
		t.Errorf("skips %d bytes of the head", n)
	}
	parse("\r\nff\r\nabc")
	if n := p.Skip(); n != 252 {
		t.Errorf("skips %d, want 252", n)
	}
	p.Skipped(252)
	if n := p.Skip(); n != 0 || p.Length() != 255 {
		t.Errorf("skips %d, length %d at the end of a chunk", n, p.Length())
	}
	parse("\r\n0\r\n\r\n")
	if !p.Done() {
		t.Error("not done")
	}
	p.Begin(false)
	parse(ok + "\r\n")
	p.Skipped(1 << 40)
	if err := p.End(); err != nil || p.Length() != 1<<40 {
		t.Errorf("%v, length %d", err, p.Length())
	}
}

func TestNoAllocations(t *testing.T) {
	text := []byte(ok + "Server: nginx\r\nDate: Sat, 21 Nov 2026 15:30:42 GMT\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
	var p Parser
	at := 0
	if n := testing.AllocsPerRun(1000, func() {
		at = (at + 1) % len(text)
		p.Begin(false)
		p.Parse(text[:at])
		if p.Parse(text[at:]); !p.Done() {
			t.Fatal("not done")
		}
	}); n != 0 {
		t.Errorf("%v allocations an answer", n)
	}
}

func BenchmarkParse(b *testing.B) {
	for name, text := range map[string]string{
		"small": ok + "Server: t\r\nContent-Type: text/plain\r\nConnection: keep-alive\r\nContent-Length: 13\r\n\r\nhello, world\n",
		"nginx": ok + "Server: nginx/1.22.1\r\nDate: Sat, 21 Nov 2026 15:30:42 GMT\r\nContent-Type: text/html\r\nContent-Length: 5\r\nLast-Modified: Sat, 21 Nov 2026 15:30:42 GMT\r\nConnection: keep-alive\r\nETag: \"65f0-5\"\r\nAccept-Ranges: bytes\r\n\r\nhello",
	} {
		b.Run(name, func(b *testing.B) {
			data := []byte(text)
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			var p Parser
			for b.Loop() {
				p.Begin(false)
				p.Parse(data)
			}
		})
	}
}
