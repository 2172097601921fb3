// Command target is the server that load generators are compared on: one thread
// that answers every request of HTTP/1 at once, at as little cost as can be, and
// writes down when each arrived, so that the pace is judged by the server and
// not by who claims to keep it. It listens on the socket it inherits, writes
// into the memory it inherits, and ends with its standard input. GODEBUG=asyncpreemptoff=1
// spares it the signals of Go's scheduler.
//
// It is for GET without a body from well-behaved generators; it judges nothing.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"
)

// Inherited files.
const (
	stdin    = 0
	listener = 3 // a listening socket
	memory   = 4 // what [arrivals] is mapped from
)

func main() {
	every := flag.Duration("every", 0, "stall once in this time; 0 never")
	stall := flag.Duration("stall", time.Second, "how long a stall takes")
	flag.Parse()
	if err := serve(*every, *stall); err != nil {
		fmt.Fprintln(os.Stderr, "target:", err)
		os.Exit(1)
	}
}
