// Package stress judges a target: it turns samples and answers into signals,
// signals into pressures, and names the bottleneck.
//
// Everything in it is arithmetic on what probes and loaders delivered; it reads
// nothing itself and has no clock.
package stress
