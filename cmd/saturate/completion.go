package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

const completionLong = `
completion prints a script that lets a shell complete commands, flags and the
names of the scenarios that ship. For the shell you are in:

    source <(saturate completion bash)
    saturate completion zsh > "${fpath[1]}/_saturate"
    saturate completion fish > ~/.config/fish/completions/saturate.fish
`

// addCompletion adds cobra's completion command, with words of our own; a shell
// that it does not know is an error.
func addCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	c, _, err := root.Find([]string{"completion"})
	if err != nil {
		return
	}
	c.Short, c.Long = "Print the completion script for a shell", completionLong
	c.Args = cobra.ArbitraryArgs
	c.RunE = func(_ *cobra.Command, args []string) error {
		err := fmt.Errorf("completion: no shell is named")
		if len(args) > 0 {
			err = fmt.Errorf("completion: there is no script for %q", args[0])
		}
		return hint(exitWith(exitUsage, err), "bash, zsh, fish or powershell")
	}
}
