package main

import (
	"github.com/spf13/cobra"

	"saturate/internal/demo"
)

const demoLong = `
demo is the little server that the quickstart measures: synchronous workers,
CPU work, a backend to wait for, memory per request and a backlog. A scenario
starts it with "command: [saturate, demo, ...]".
`

// newDemoCommand is hidden: it is for scenarios, not for people. The demo reads
// its flags itself.
func newDemoCommand(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:                "demo [FLAG]...",
		Short:              "Serve as the quickstart's target",
		Long:               demoLong,
		Hidden:             true,
		DisableFlagParsing: true,
		RunE: func(_ *cobra.Command, args []string) error {
			return exitWith(demo.Main(args, env.stdout, env.stderr), nil)
		},
	}
}
