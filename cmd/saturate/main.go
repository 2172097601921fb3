// Command saturate finds how many users one fully used server can carry.
//
// This package turns arguments into calls of the others and their results into
// output and exit codes; it measures, judges and decides nothing itself.
package main

import (
	"os"

	"saturate/internal/supervise"
)

func main() {
	supervise.Main()
	os.Exit(run(os.Args[1:], &environment{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv,
	}))
}
