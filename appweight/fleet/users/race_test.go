//go:build race

package users

// race says that the race detector, which takes memory of its own, is on.
const race = true
