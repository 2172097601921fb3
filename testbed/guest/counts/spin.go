//go:build amd64 || arm64

// Package counts holds the tests that run inside the emulated machine: what
// package pmu counts there is compared with what is known to have run.
package counts

// Spin goes round a loop of two instructions n times; n is above 0.
//
//go:noescape
func Spin(n uint64)
