package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // the zones' days, also where the system knows none

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"saturate/appweight"
	"saturate/appweight/fleet"
	"saturate/scenarios"
)

const fleetLong = `
fleet reads what production spends in the peak of a day, and for how many active
users: the two figures that a server's work is compared with. It asks any API
that speaks Prometheus's protocol.

    saturate fleet web.yaml
    saturate fleet --url http://prometheus:9090 --users 'max(active_users)' \
        --hosts 'up{job="web"}' --timezone Europe/Berlin

The users' query is yours to give: one series, the distinct users active in the
last minute. Or count them in access logs: saturate fleet users.

Work comes from saturate's agent, from node_exporter or from queries of your
own. Servers that are missing, counted twice or whose counters stand still are
named. Where fewer than 95% of the servers report, there is no figure and the
exit code is 4. See docs/fleet.md.
`

type fleetFlags struct {
	config    fleet.Config
	counted   fleet.Counted
	tokenFile string
	output    []string
}

func newFleetCommand(env *environment) *cobra.Command {
	var f fleetFlags
	c := &cobra.Command{
		Use:               "fleet [flags] [SCENARIO]",
		Short:             "Read what production spends per active user",
		Long:              fleetLong,
		ValidArgsFunction: completeScenario,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return hint(fmt.Errorf("fleet: takes one scenario, not %d", len(args)), "saturate fleet SCENARIO")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return readFleet(env, c, &f, args) },
	}
	flags := c.Flags()
	flags.StringVar(&f.config.URL, "url", "", "the API's base address, without /api/v1")
	flags.StringVar(&f.config.Users, "users", "", "query for one series: the distinct users active in the last minute")
	flags.Float64Var(&f.counted.ActiveUsers, "active-users", 0, "the active users instead, as counted elsewhere; with --at")
	flags.StringVar(&f.counted.At, "at", "", "the end of the window they were counted in, such as 2026-11-20T20:15:00Z")
	flags.StringVar(&f.config.Hosts, "hosts", "", `query for one series per server (default up{job="saturate"} or up{job="node"})`)
	flags.StringVar(&f.config.Info, "info", "", "query for series whose labels tell a server's generation, region and instruction set")
	flags.StringVar(&f.config.Source, "source", fleet.Default.Source, "agent, node_exporter or queries")
	flags.StringVar(&f.config.Queries.Instructions, "instructions", "", "query for the instructions per second of each server")
	flags.StringVar(&f.config.Queries.CPUSeconds, "cpu-seconds", "", "query for the CPU seconds per second of each server")
	flags.StringVar(&f.config.Queries.Requests, "requests", "", "query for the requests per second, of each server or of all")
	flags.StringVar(&f.config.Scope, "scope", fleet.Default.Scope, "what series without a label scope count")
	flags.BoolVar(&f.config.Recorded, "recorded", false, "read the series of the recording rules that ship")
	flags.StringVar(&f.config.Timezone, "timezone", "", "the zone whose day is meant, such as Europe/Berlin (default UTC)")
	flags.StringVar(&f.config.Day, "day", "", "the day to read, such as 2026-11-20 (default: the last complete one)")
	flags.DurationVar(&f.config.Window, "window", fleet.Default.Window, "the stretch around the peak that figures are means of")
	flags.DurationVar(&f.config.Timeout, "timeout", fleet.Default.Timeout, "how long one query may take")
	flags.StringVar(&f.tokenFile, "token-file", "", "the file of a bearer token")
	flags.StringVar(&f.config.CA, "ca", "", "the file of the certificate that signed the API's")
	flags.StringArrayVarP(&f.output, "output", "o", nil, "text, json or scenario, to standard output or =FILE; may be repeated")
	c.AddCommand(newFleetUsersCommand(env))
	return c
}

func readFleet(env *environment, c *cobra.Command, f *fleetFlags, args []string) error {
	outputs, err := formatsOf(f.output, "text", "json", "scenario")
	if err != nil {
		return exitWith(exitUsage, err)
	}
	config, redact, err := f.configure(c, args)
	if err != nil {
		return err
	}
	report, err := fleet.Read(c.Context(), config, time.Now())
	if errors.Is(err, fleet.ErrRefused) {
		err = exitWith(exitNoAnswer, err)
	}
	if err != nil {
		return err
	}
	if err := writeFleet(env, outputs, report, redact); err != nil {
		return err
	}
	if len(report.Fleets()) == 0 {
		refused := report.Units[0]
		return hint(exitWith(exitNoAnswer, fmt.Errorf("no figure can be used: %s: %s", refused.Unit, refused.Refused)), refused.Remedy)
	}
	return nil
}

// configure is the configuration of the scenario, or of the flags, and what
// takes secrets out of text.
func (f *fleetFlags) configure(c *cobra.Command, args []string) (fleet.Config, func(string) string, error) {
	if len(args) == 1 {
		return f.fromScenario(c, args[0])
	}
	if f.counted != (fleet.Counted{}) {
		f.config.Counted = &f.counted
	}
	if f.tokenFile != "" {
		token, err := os.ReadFile(f.tokenFile)
		if err != nil {
			return f.config, nil, fmt.Errorf("read the token: %w", err)
		}
		f.config.BearerToken = strings.TrimSpace(string(token))
	}
	redact := func(s string) string { return s }
	if f.config.BearerToken != "" {
		redact = func(s string) string { return strings.ReplaceAll(s, f.config.BearerToken, "${TOKEN}") }
	}
	return f.config, redact, f.mistakes()
}

// flagOf are the flags whose names differ from their keys in a scenario.
func flagOf(path string) string {
	switch path {
	case "counted.active_users":
		return "active-users"
	case "counted.at":
		return "at"
	case "bearer_token":
		return "token-file"
	}
	return strings.ReplaceAll(strings.TrimPrefix(path, "queries."), "_", "-")
}

// mistakes are the configuration's, in the words of the flags.
func (f *fleetFlags) mistakes() error {
	err := f.config.Validate()
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return err
	}
	var all []error
	for _, one := range joined.Unwrap() {
		var m *appweight.Mistake
		if errors.As(one, &m) {
			one = hint(fmt.Errorf("--%s: %s", flagOf(m.Path), m.Problem), m.Hint)
		}
		all = append(all, one)
	}
	return exitWith(exitUsage, errors.Join(all...))
}

// fromScenario takes the section of a scenario; only the day is for a flag to
// change.
func (f *fleetFlags) fromScenario(c *cobra.Command, name string) (fleet.Config, func(string) string, error) {
	var wrong error
	c.Flags().Visit(func(flag *pflag.Flag) {
		if !slices.Contains([]string{"day", "output"}, flag.Name) {
			wrong = hint(exitWith(exitUsage, fmt.Errorf("--%s does not go with a scenario", flag.Name)), "write it into the scenario: fleet: {prometheus: {...}}")
		}
	})
	if wrong != nil {
		return fleet.Config{}, nil, wrong
	}
	s, err := scenarios.Load(name)
	if err != nil {
		return fleet.Config{}, nil, exitWith(exitUsage, err)
	}
	if s.Fleet.Prometheus == nil {
		return fleet.Config{}, nil, hint(exitWith(exitUsage, fmt.Errorf("%s does not say where the fleet's figures are read", name)),
			"add fleet: {prometheus: {url: ..., users: ...}}")
	}
	config := *s.Fleet.Prometheus
	if f.config.Day != "" {
		config.Day = f.config.Day
	}
	return config, s.Redact, nil
}
