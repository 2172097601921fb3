package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"saturate/scenarios"
)

// none refuses arguments.
func none(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return hint(fmt.Errorf("%s: takes no arguments, not %q", c.Name(), args[0]), usageLine(c))
}

// atLeastOne asks for one or more arguments.
func atLeastOne(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return nil
		}
		return hint(fmt.Errorf("%s: no %s is named", c.Name(), what), usageLine(c))
	}
}

// exactlyOne asks for a single argument.
func exactlyOne(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) > 1 {
			return hint(fmt.Errorf("%s: takes one %s, not %d", c.Name(), what, len(args)), usageLine(c))
		}
		return atLeastOne(what)(c, args)
	}
}

// completeScenario offers the shipped scenarios beside the files.
func completeScenario(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return scenarios.Shipped(), cobra.ShellCompDirectiveDefault
}

// usageLine is how a command is called.
func usageLine(c *cobra.Command) string { return strings.TrimSuffix(c.UseLine(), " [flags]") }
