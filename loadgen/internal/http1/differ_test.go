package http1

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
)

// reference is what net/http makes of the same bytes; its transport skips
// interim answers just so.
func reference(text string, head bool) outcome {
	source := strings.NewReader(text)
	r := bufio.NewReader(source)
	method := http.MethodGet
	if head {
		method = http.MethodHead
	}
	for {
		resp, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			return outcome{Err: err}
		}
		if resp.StatusCode/100 == 1 && resp.StatusCode != 101 {
			continue
		}
		n, err := io.Copy(io.Discard, resp.Body)
		if err != nil {
			return outcome{Err: err}
		}
		return outcome{resp.StatusCode, n, resp.Close || resp.StatusCode == 101, len(text) - source.Len() - r.Buffered(), nil}
	}
}

// corpus is every sensible combination of what answers are made of, and some
// that are not sensible.
func corpus() (all []string) {
	bodies := []struct{ name, header, body string }{
		{"length", "Content-Length: 11\r\n", "hello world"},
		{"short", "Content-Length: 12\r\n", "hello world"},
		{"none", "Content-Length: 0\r\n", ""},
		{"until the end", "", "hello world"},
		{"chunks", "Transfer-Encoding: chunked\r\n", "6\r\nhello \r\n5;a=b\r\nworld\r\n0\r\n\r\n"},
		{"big chunk", "transfer-encoding: CHUNKED\r\n", "1000\r\n" + strings.Repeat("x", 4096) + "\r\n0\r\n\r\n"},
		{"trailers", "Trailer: Sum\r\nTransfer-Encoding: chunked\r\n", "1\r\nx\r\n0\r\nSum: 1\r\nOther: 2\r\n\r\n"},
		{"both", "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", "2\r\nhi\r\n0\r\n\r\n"},
		{"cut", "Transfer-Encoding: chunked\r\n", "6\r\nhel"},
		{"bad chunk", "Transfer-Encoding: chunked\r\n", "6x\r\nhello \r\n0\r\n\r\n"},
		{"two lengths", "Content-Length: 5\r\nContent-Length: 5\r\n", "hello"},
		{"unlike lengths", "Content-Length: 5\r\nContent-Length: 6\r\n", "hello!"},
		{"zeros", "Content-Length: 005\r\n", "hello"},
		{"gzip", "Transfer-Encoding: gzip\r\n", "hello"},
	}
	statuses := []string{"HTTP/1.1 200 OK\r\n", "HTTP/1.1 204 No Content\r\n", "HTTP/1.1 304 Not Modified\r\n", "HTTP/1.1 500 \r\n", "HTTP/1.0 200 OK\r\n",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\n"}
	others := []string{"", "Connection: close\r\n", "Connection: keep-alive\r\nX: a\r\n\tb\r\nDate: now\r\n", "connection: Upgrade,\r\n close\r\n"}
	for _, status := range statuses {
		for _, other := range others {
			for _, b := range bodies {
				all = append(all, status+other+b.header+"\r\n"+b.body)
			}
		}
	}
	return append(all, "", "HTTP/1.1\r\n", "HTTP/1.1 99 x\r\n\r\n", "HTTP/1.1 099 x\r\n\r\n", "HTTP/2.0 200 OK\r\nContent-Length: 1\r\n\r\nx", "HTTP/0.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		ok+"Content-Length : 3\r\n\r\nabc", ok+"Content-Length: 3, 3\r\n\r\nabc", ok+"\r\n\r\n", ok+"A:\r\n \r\nContent-Length: 1 \r\n\r\nx", "HTTP/1.1 101 Switching\r\n\r\nabc")
}

// agree holds the parser against net/http on the same bytes. We are the
// stricter one in few things, and never the more lenient one but where nothing
// depends on it.
func agree(text string, head bool, got, want outcome) error {
	switch {
	case got.Err == nil && want.Err == nil:
		if got != want {
			return fmt.Errorf("%q (head %v):\nhere     %+v\nnet/http %+v", text, head, got, want)
		}
	case got.Err != nil && want.Err == nil:
		if errors.Is(got.Err, errStatus) && strings.ContainsAny(text, "+-") { // it takes +20 for a status
			return nil
		}
		return fmt.Errorf("%q (head %v): refused here, %v; net/http: %+v", text, head, got.Err, want)
	case got.Err == nil && want.Err != nil:
		if strings.Contains(want.Err.Error(), "bad trailer key") { // announced, which tells us nothing
			return nil
		}
		return fmt.Errorf("%q (head %v): taken here, %+v; net/http: %v", text, head, got, want.Err)
	}
	return nil
}

func TestAgreesWithNetHTTP(t *testing.T) {
	texts := corpus()
	if len(texts) < 200 {
		t.Fatalf("%d answers only", len(texts))
	}
	random := rand.New(rand.NewPCG(1, 2))
	var p Parser
	taken := 0
	for _, text := range texts {
		for _, head := range []bool{false, true} {
			for _, rest := range []string{"", "HTTP/1.1 500 next\r\n\r\n"} {
				want := reference(text+rest, head)
				if want.Err == nil {
					taken++
				}
				for _, ends := range []func(int) bool{whole, func(int) bool { return true }, func(int) bool { return random.IntN(7) == 0 }} {
					if err := agree(text+rest, head, read(&p, text+rest, head, ends), want); err != nil {
						t.Error(err)
					}
				}
			}
		}
	}
	t.Logf("%d answers, as they are and with another behind, to GET and HEAD: net/http takes %d of %d", len(texts), taken, 4*len(texts))
}

// FuzzParser wants no panic, no hang, the same outcome however the bytes are
// cut, and net/http's opinion.
func FuzzParser(f *testing.F) {
	for i, text := range corpus() {
		f.Add([]byte(text), i%3 == 0, uint64(i))
	}
	f.Fuzz(func(t *testing.T, data []byte, head bool, seed uint64) {
		text := string(data)
		random := rand.New(rand.NewPCG(seed, 0))
		var p Parser
		got := read(&p, text, head, whole)
		if again := read(&p, text, head, func(int) bool { return random.IntN(5) == 0 }); again != got && (got.Err == nil || again.Err == nil) {
			t.Fatalf("%q: %+v at once, %+v in parts", text, got, again)
		}
		if bytes.Contains(data, []byte("\n")) && bytes.Contains(bytes.ToLower(data), []byte("chunked")) && trailerIsOdd(text) {
			return
		}
		if err := agree(text, head, got, reference(text, head)); err != nil {
			t.Fatal(err)
		}
	})
}

// trailerIsOdd reports whether lines of an answer with chunks end with a bare
// LF: net/http looks for the end of trailers in two ways, which then differ.
func trailerIsOdd(text string) bool {
	return strings.Count(text, "\n") != strings.Count(text, "\r\n")
}
