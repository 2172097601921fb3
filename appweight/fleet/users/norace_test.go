//go:build !race

package users

const race = false
