package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// An environment is all that a verb may touch of the process it runs in.
// Results go to stdout, everything else to stderr.
type environment struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
}

const usage = `saturate finds how many of your users one fully used server can carry.

It sends traffic to a server, raises it until just before the server starts to
fail, and says what the server sustains, what stops it there, and what a
request costs. With the figures of your fleet it prints AppWeight, in users per
server.

To see it work, with a demo server that it starts itself:

    saturate run quickstart

To measure a server of yours, write a scenario and run it:

    saturate validate web.yaml
    saturate run web.yaml

Commands:

%s
"saturate help COMMAND" tells more about one.

Exit codes: 0 fine, 1 failed, 2 bad usage or scenario, 3 a requirement was
missed, 4 no capacity found, 130 interrupted (and the load taken away).
`

// run carries out one command line and returns the exit code.
func run(args []string, env *environment) int {
	// What was ignored when we started stays so: SIGHUP under nohup, SIGINT in
	// the background of a script.
	ends := slices.DeleteFunc([]os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}, signal.Ignored)
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends us at once; what we started still goes with us
	root := newRootCommand(env)
	root.SetArgs(args)
	started := false
	root.PersistentPreRun = func(*cobra.Command, []string) { started = true }
	err := root.ExecuteContext(ctx)
	if err != nil && !started {
		err = exitWith(exitUsage, err) // what cobra refuses by itself
	}
	complain(env.stderr, err)
	return codeOf(err)
}

func newRootCommand(env *environment) *cobra.Command {
	root := &cobra.Command{
		Use:   "saturate",
		Short: "Find how many users one server can carry",
		Args:  cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				fmt.Fprint(env.stderr, c.Long)
				return exitWith(exitUsage, nil)
			}
			return noSuchCommand(c, args[0])
		},
		SilenceErrors:              true,
		SilenceUsage:               true,
		SuggestionsMinimumDistance: 2,
	}
	root.SetIn(env.stdin)
	root.SetOut(env.stdout)
	root.SetErr(env.stderr)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return hint(err, fmt.Sprintf("see %q", strings.Replace(c.CommandPath(), "saturate", "saturate help", 1)))
	})
	root.SetHelpFunc(help)
	root.AddCommand(
		newRunCommand(env),
		newDemoCommand(env),
		newValidateCommand(env),
		newDoctorCommand(env),
		newFleetCommand(env),
		newAgentCommand(env),
		newWatchdogCommand(env),
		newRestoreCommand(env),
		newCompareCommand(env),
		newReportCommand(env),
		newHistoryCommand(env),
		newSchemaCommand(env),
		newVersionCommand(env),
	)
	root.SetHelpCommand(newHelpCommand())
	addCompletion(root)
	root.Long = fmt.Sprintf(usage, verbs(root))
	return root
}

// verbs lists the commands, a line each.
func verbs(root *cobra.Command) string {
	var b strings.Builder
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() {
			fmt.Fprintf(&b, "    %-12s %s\n", c.Name(), lowerFirst(c.Short))
		}
	}
	return b.String()
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }

// newHelpCommand differs from cobra's own in that an unknown command is an error.
func newHelpCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "help [COMMAND]",
		Short:  "Tell more about a command",
		Long:   "help tells what a command does, with examples.",
		Hidden: true,
		RunE: func(c *cobra.Command, args []string) error {
			about, rest, err := c.Root().Find(args)
			if err == nil && len(rest) > 0 {
				return noSuchCommand(c.Root(), strings.Join(args, " "))
			}
			if err == nil {
				err = about.Help()
			}
			return err
		},
	}
}

// help prints a command's prose, its usage line and its flags.
func help(c *cobra.Command, _ []string) {
	w := c.OutOrStdout()
	fmt.Fprintln(w, strings.TrimSpace(c.Long))
	if !c.HasParent() {
		return
	}
	fmt.Fprintf(w, "\nUsage:\n\n    %s\n", usageLine(c))
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			fmt.Fprintf(w, "    %s\n", usageLine(sub))
		}
	}
	if c.LocalFlags().Lookup("help") != nil {
		c.LocalFlags().Lookup("help").Hidden = true
	}
	if flags := c.LocalFlags().FlagUsages(); flags != "" {
		fmt.Fprintf(w, "\nFlags:\n\n%s", flags)
	}
}

func noSuchCommand(root *cobra.Command, name string) error {
	remedy := `see "saturate help"`
	if meant := root.SuggestionsFor(name); len(meant) > 0 {
		remedy = fmt.Sprintf("did you mean %q?", meant[0])
	}
	return hint(exitWith(exitUsage, fmt.Errorf("there is no command %q", name)), remedy)
}
