// Package probe reads a target: kernel files, control groups, sockets, and the
// status pages of the servers it knows. One file a source.
//
// It only reads, and only what its configuration names. It delivers raw
// cumulative counters and gauges as stress.Sample; differences and meaning are
// package stress's.
package probe
