package main

import (
	"strings"
	"testing"
)

// TestRequestsAreCountedHoweverTheyAreCut cuts three requests at every pair of places.
func TestRequestsAreCountedHoweverTheyAreCut(t *testing.T) {
	all := strings.Repeat("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 2) + "GET /\r HTTP/1.0\r\nA: \r\n\r\n"
	for i := range all {
		for j := i; j < len(all); j++ {
			var e ending
			n := e.count([]byte(all[:i])) + e.count([]byte(all[i:j])) + e.count([]byte(all[j:]))
			if n != 3 || e != 0 {
				t.Fatalf("cut at %d and %d: %d requests, and %d of the next one's end", i, j, n, e)
			}
		}
	}
}
