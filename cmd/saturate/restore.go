package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"saturate/loadgen/shift/balancer"
	"saturate/loadgen/shift/watchdog"
	"saturate/scenarios"
)

const restoreLong = `
restore puts a load balancer's weights back as "saturate run --live" found them,
by hand. It ends the run that squeezes, where one does.

    saturate restore                 whatever is not as found
    saturate restore --list          look only
    saturate restore web-live.yaml   the backend of a scenario

It needs nothing but the journal, which holds the weights as found and how the
balancer is reached. A watchdog that runs is asked to do it; else restore does
it itself. What somebody else has set meanwhile stays as they set it.

The journals are in ~/.local/state/saturate/live, and those of the service in
/var/lib/saturate-live, which needs root. The exit code is 0 when everything is
as found, read back from the balancer, and 1 otherwise.
`

// serviceState is where the watchdogs of deploy/systemd keep their journals, in a
// folder each.
const serviceState = "/var/lib/saturate-live"

type restoreFlags struct {
	state  string
	list   bool
	within time.Duration
}

func newRestoreCommand(env *environment) *cobra.Command {
	var f restoreFlags
	c := &cobra.Command{
		Use:               "restore [SCENARIO | BACKEND...]",
		Short:             "Put a load balancer's weights back by hand",
		Long:              restoreLong,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeScenario,
		RunE:              func(c *cobra.Command, args []string) error { return runRestore(c.Context(), env, f, args) },
	}
	flags := c.Flags()
	flags.BoolVar(&f.list, "list", false, "say what is not as found, and change nothing")
	flags.StringVar(&f.state, "state", "", "the folder of the journals, instead of the usual ones")
	flags.DurationVar(&f.within, "within", 30*time.Second, "how long to try")
	c.PreRunE = func(*cobra.Command, []string) error {
		if f.within <= 0 {
			return exitWith(exitUsage, fmt.Errorf("--within %v: that is no time", f.within))
		}
		return nil
	}
	return c
}

func runRestore(ctx context.Context, env *environment, f restoreFlags, args []string) error {
	journals, err := f.journals(env)
	remotes, wanted, bad := restoreWhat(args)
	if bad != nil {
		return bad
	}
	if len(args) > 0 {
		var unknown error
		journals, unknown = choose(journals, wanted)
		err = errors.Join(err, unknown)
	}
	if f.list {
		return errors.Join(err, listJournals(env, journals))
	}
	ctx, cancel := context.WithTimeout(ctx, f.within)
	defer cancel()
	did := 0
	for _, j := range journals {
		if j.Ended != nil && j.PID == 0 {
			continue
		}
		did++
		err = errors.Join(err, restoreOne(ctx, env, j))
	}
	for _, r := range remotes {
		did++
		err = errors.Join(err, restoreRemote(ctx, env, r))
	}
	if did == 0 && err == nil {
		fmt.Fprintln(env.stdout, "nothing to restore: every epoch on this machine has ended with everything as found")
	}
	return err
}

// journals are those of the folders. That the service's may not be read is no
// error, because nobody has asked for them.
func (f restoreFlags) journals(env *environment) (all []watchdog.Journal, err error) {
	own := f.state
	var services []string
	if own == "" {
		if own, err = watchdog.StateDir(env.getenv); err != nil {
			return nil, err
		}
		services, _ = filepath.Glob(serviceState + "/*") // the pattern is fine
	}
	all, err = watchdog.Journals(own)
	for _, folder := range services {
		more, bad := watchdog.Journals(folder)
		all = append(all, more...)
		if errors.Is(bad, fs.ErrPermission) {
			warnOf(env.stderr, hint(fmt.Errorf("a service's journal is not looked into: %w", bad), "sudo saturate restore"))
			continue
		}
		err = errors.Join(err, bad)
	}
	return all, err
}

// restoreWhat reads the arguments: names of backends, and scenarios, whose
// balancer, or whose watchdog on another machine, is meant.
func restoreWhat(args []string) (remotes []watchdog.Remote, names []string, err error) {
	for _, a := range args {
		if ext := filepath.Ext(a); ext != ".yaml" && ext != ".yml" {
			names = append(names, a)
			continue
		}
		s, err := scenarios.Load(a)
		switch {
		case err != nil:
			return nil, nil, err
		case s.Live == nil:
			return nil, nil, hint(exitWith(exitUsage, fmt.Errorf("%s: it is not of live traffic", a)), "a scenario of live traffic has a live section")
		case s.Live.Watchdog != (watchdog.Remote{}):
			remotes = append(remotes, s.Live.Watchdog)
			continue
		}
		b, err := balancer.Open(s.Live.Balancer)
		if err != nil {
			return nil, nil, err
		}
		names = append(names, b.Name())
	}
	return remotes, names, nil
}

// choose picks the journals that are named: by the whole name, or its last word.
func choose(journals []watchdog.Journal, names []string) (chosen []watchdog.Journal, err error) {
	for _, name := range names {
		before := len(chosen)
		for _, j := range journals {
			words := strings.Fields(j.Name)
			if j.Name == name || len(words) > 0 && words[len(words)-1] == name {
				chosen = append(chosen, j)
			}
		}
		if len(chosen) == before {
			err = errors.Join(err, hint(fmt.Errorf("%s was never squeezed from here: there is no journal of it", name), "saturate restore --list"))
		}
	}
	slices.SortStableFunc(chosen, func(a, b watchdog.Journal) int { return strings.Compare(a.Name, b.Name) })
	return chosen, err
}

// restoreOne puts one backend back, and prints what became of each server.
func restoreOne(ctx context.Context, env *environment, j watchdog.Journal) error {
	if j.Ended == nil {
		fmt.Fprintf(env.stdout, "%s: epoch %d of %s since %s, servers %s\n", j.Name, j.Epoch, j.Holder, j.Began.Format(time.DateTime), strings.Join(j.Servers, ", "))
	}
	by := "directly"
	if j.PID != 0 {
		by = fmt.Sprintf("by the watchdog that runs, process %d", j.PID)
	}
	fmt.Fprintf(env.stderr, "saturate: %s: restoring %s\n", j.Name, by)
	ended, err := j.Restore(ctx, byHand(), func(line string) { fmt.Fprintf(env.stderr, "saturate: %s\n", line) })
	var silent *watchdog.Unreachable
	if errors.As(err, &silent) && j.PID != 0 {
		err = hint(fmt.Errorf("process %d has %s, and does not answer: %w", j.PID, j.Name, silent.Err),
			fmt.Sprintf("end it, and restore again: kill -9 %d; saturate restore", j.PID))
	}
	return errors.Join(printReturns(env, j.Name, ended), err)
}

func restoreRemote(ctx context.Context, env *environment, r watchdog.Remote) error {
	c, err := watchdog.Dial(r)
	if err != nil {
		return err
	}
	defer c.Close()
	ended, err := watchdog.Restore(ctx, c, byHand())
	return errors.Join(printReturns(env, r.URL, ended), err)
}

// byHand is why an epoch ended that somebody ended by hand.
func byHand() string {
	who, err := os.Hostname()
	if err != nil {
		who = "somewhere"
	}
	return fmt.Sprintf("stopped by hand: saturate restore on %s", who)
}

// printReturns prints what was found, what stood and what stands.
func printReturns(env *environment, name string, e watchdog.Ended) error {
	w := env.stdout
	switch {
	case !e.Restored:
		_, err := fmt.Fprintf(w, "%s: NOT as found\n", name)
		return errors.Join(err, exitWith(exitFailed, nil))
	case e.Epoch == 0:
		_, err := fmt.Fprintf(w, "%s: nobody has squeezed it since the watchdog started\n", name)
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  server\tfound\tstood\tstands\t")
	for _, r := range e.Servers {
		fmt.Fprintf(t, "  %s\t%d\t%d\t%d\t%s\n", r.Server, r.Found, r.Stood, r.Stands, r.Left)
	}
	t.Flush()
	as := "everything is as found"
	if len(e.Respected) > 0 {
		as = "everything is as found, but for what somebody else has set: " + strings.Join(e.Respected, ", ")
	}
	_, err := fmt.Fprintf(w, "%s: %s (epoch %d of %s: %s)\n", name, as, e.Epoch, e.Holder, e.Why)
	return err
}

// listJournals says what each backend's last epoch has come to.
func listJournals(env *environment, journals []watchdog.Journal) error {
	var open error
	for _, j := range journals {
		state := "NOT as found: the watchdog was ended, and nobody has put it back"
		switch {
		case j.Ended != nil:
			state = fmt.Sprintf("as found (%s)", j.Ended.Why)
		case j.PID != 0:
			state = fmt.Sprintf("squeezed now, or being put back; watchdog: process %d", j.PID)
		}
		if j.Ended == nil {
			open = exitWith(exitFailed, nil)
		}
		fmt.Fprintf(env.stdout, "%s: epoch %d of %s, %s, servers %s: %s\n", j.Name, j.Epoch, j.Holder, j.Began.Format(time.DateTime), strings.Join(j.Servers, ", "), state)
	}
	if len(journals) == 0 {
		fmt.Fprintln(env.stdout, "there is no journal: nothing was ever squeezed from here")
	}
	return open
}
