package demo

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"time"
)

// patience is how long a worker waits for the bytes of a request, and for the
// client to take the answer.
const patience = 4 * time.Second

// The parts of the protocol that the demo speaks.
var (
	endOfHeader = []byte("\r\n\r\n")
	health      = []byte("GET /health")
	length      = []byte("\r\ncontent-length:")
	closeIt     = []byte("\r\nconnection: close")
)

// work takes connections, one at a time, until the listener is closed.
func (s *Server) work(random *rand.Rand) {
	buf := make([]byte, 8<<10)
	for {
		conn, err := s.listener.AcceptTCP()
		if err != nil {
			select {
			case <-s.closing:
				return
			default: // too many open files, say: it may pass
				time.Sleep(10 * time.Millisecond)
				continue
			}
		}
		s.count.busy(time.Now(), +1)
		s.serve(conn, buf, random)
		conn.Close()
		s.count.busy(time.Now(), -1)
	}
}

// serve answers the requests of a connection.
func (s *Server) serve(conn net.Conn, buf []byte, random *rand.Rand) {
	conn.SetDeadline(time.Now().Add(patience))
	for {
		header, ok := receive(conn, buf)
		if !ok {
			return
		}
		if !bytes.HasPrefix(header, health) {
			s.carryOut(random)
		}
		last := s.config.KeepAlive == 0 || bytes.Contains(bytes.ToLower(header), closeIt)
		conn.SetDeadline(time.Now().Add(patience))
		if _, err := conn.Write(answer(last)); err != nil || last {
			return
		}
		conn.SetDeadline(time.Now().Add(s.config.KeepAlive))
	}
}

// receive reads one request, its body too, and returns its header. A request
// that does not come, or is larger than the buffer, is not answered.
func receive(conn io.Reader, buf []byte) (header []byte, ok bool) {
	n := 0
	for end := -1; end < 0; {
		if n == len(buf) {
			return nil, false
		}
		m, err := conn.Read(buf[n:])
		if m == 0 && err != nil {
			return nil, false
		}
		from := max(0, n-len(endOfHeader)+1)
		n += m
		if end = bytes.Index(buf[from:n], endOfHeader); end >= 0 {
			header = buf[:from+end+2] // with the end of its last line
			n -= from + end + len(endOfHeader)
		}
	}
	body, ok := bodyLength(header)
	if !ok || int64(n) > body {
		return nil, false // a second request in one packet: nobody pipelines
	}
	_, err := io.CopyN(io.Discard, conn, body-int64(n))
	return header, err == nil
}

// bodyLength reads Content-Length; a chunked body is not spoken here.
func bodyLength(header []byte) (int64, bool) {
	_, rest, found := bytes.Cut(bytes.ToLower(header), length)
	if !found {
		return 0, true
	}
	value, _, _ := bytes.Cut(rest, []byte("\r\n"))
	n, err := strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64)
	return n, err == nil && n >= 0
}

func answer(last bool) []byte {
	if last {
		return []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n")
	}
	return []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n")
}

// carryOut is what a request costs.
func (s *Server) carryOut(random *rand.Rand) {
	c := &s.config
	held, err := s.hold()
	if err != nil {
		return // the machine has none left: the answer comes early
	}
	defer s.release(held)
	cpu := draw(random, c.CPU, c.CPUCV)
	steps := draw(random, c.Steps, c.CPUCV)
	wait := draw(random, c.Wait, c.WaitCV)
	if c.Serial > 0 {
		part := time.Duration(float64(cpu) * float64(c.Serial) / float64(c.CPU))
		s.serial.Lock()
		burn(part)
		s.serial.Unlock()
		cpu -= part
	}
	burn(cpu / 2)
	spend(steps / 2)
	time.Sleep(wait)
	burn(cpu - cpu/2)
	spend(steps - steps/2)
	s.count.request()
}
