package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"saturate/appweight/fleet/users"
)

const fleetUsersLong = `
users counts from access logs how many different users were active in each
minute, and finds the peak: the active users that the fleet's work is divided
by. What identifies a user is yours to say.

    saturate fleet users --user cookie:session access.log access.log.1.gz

Servers' own counts must not be added up: who was on six servers would count six
times. Have every server make a sketch, with one secret that all of them share,
and merge the sketches. They hold hashes, not users.

    openssl rand -hex 32 > salt
    saturate fleet users --user cookie:session --salt salt -o sketch=web1.users access.log
    saturate fleet users --merge web1.users web2.users

Formats: nginx and Apache (combined, common, or the text of your log_format or
LogFormat), HAProxy (httplog) and JSON lines. Files may be compressed by gzip, a
dash is standard input, and which requests count is for grep to say. Reading
needs 100 MiB at most for a day of any number of users. See docs/users.md.
`

type fleetUsersFlags struct {
	config   users.Config
	salt     string
	timezone string
	day      string
	merge    bool
	output   []string
}

func newFleetUsersCommand(env *environment) *cobra.Command {
	f := fleetUsersFlags{config: users.Default()}
	c := &cobra.Command{
		Use:   "users [flags] LOG...",
		Short: "Count active users from access logs",
		Long:  fleetUsersLong,
		Args:  atLeastOne("log"),
		RunE:  func(c *cobra.Command, args []string) error { return fleetUsers(env, c, &f, args) },
	}
	flags := c.Flags()
	flags.StringVar(&f.config.User, "user", "", "what identifies a user: cookie:NAME, header:NAME, field:PATH, capture:N, remote_user, remote_addr+user_agent, ...")
	flags.StringVar(&f.config.Format, "format", f.config.Format, "auto, combined, common, haproxy, json, or a log_format or LogFormat")
	flags.StringVar(&f.config.Time, "time", "", "the path of the time in JSON logs (default: the usual names)")
	flags.StringVar(&f.timezone, "timezone", "", "where times without an offset were written, and whose days they are, such as Europe/Berlin (default: the log's own)")
	flags.StringVar(&f.day, "day", "", "the day to search: 2026-11-20, or all (default: the last that the logs cover)")
	flags.StringVar(&f.salt, "salt", "", "the file of the secret that users are hashed with (default: SATURATE_SALT, or one that is forgotten)")
	flags.StringVar(&f.config.Identity, "identity", "", "the name of what identifies a user, where fields of different names do (default: the text of --user)")
	flags.IntVar(&f.config.Precision, "precision", f.config.Precision, "the logarithm of a sketch's registers, 12 to 18; 16 is 0.4%")
	flags.BoolVar(&f.merge, "merge", false, "the files are sketches")
	flags.StringArrayVarP(&f.output, "output", "o", nil, "text, json, openmetrics or sketch, to standard output or =FILE; may be repeated")
	return c
}

func fleetUsers(env *environment, c *cobra.Command, f *fleetUsersFlags, files []string) error {
	outputs, err := formatsOf(f.output, "text", "json", "openmetrics", "sketch")
	if err != nil {
		return exitWith(exitUsage, err)
	}
	window := users.Window{Day: f.day}
	if f.timezone != "" {
		if window.Zone, err = time.LoadLocation(f.timezone); err != nil {
			return hint(exitWith(exitUsage, fmt.Errorf("--timezone: %w", err)), "a name of the time zone database, such as Europe/Berlin or UTC")
		}
		f.config.Zone = window.Zone
	}
	var sketch *users.Sketch
	if f.merge {
		for _, name := range []string{"user", "format", "time", "salt", "identity", "precision"} {
			if c.Flags().Changed(name) {
				return hint(exitWith(exitUsage, fmt.Errorf("--%s does not go with --merge", name)), "a sketch brings it along from where it was made")
			}
		}
		sketch, err = mergeSketches(c.Context(), env, files)
	} else {
		sketch, err = f.readLogs(c.Context(), env, files, slices.ContainsFunc(outputs, func(o output) bool { return o.format == "sketch" }))
	}
	if err != nil {
		return err
	}
	return writeUsers(env, sketch, window, outputs)
}

// readLogs makes a sketch of logs. One that others are to merge with needs a
// salt that they have too.
func (f *fleetUsersFlags) readLogs(ctx context.Context, env *environment, files []string, kept bool) (*users.Sketch, error) {
	if err := f.config.Validate(); err != nil {
		return nil, exitWith(exitUsage, err)
	}
	salt, err := f.readSalt(env, kept)
	if err != nil {
		return nil, err
	}
	reader, err := users.NewReader(f.config, salt)
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		err := withFile(ctx, env, file, reader.Read)
		var mistake *users.Mistake
		if errors.As(err, &mistake) { // the log is not what the flags say
			return nil, exitWith(exitUsage, err)
		}
		if err != nil {
			return nil, err
		}
	}
	return reader.Sketch(), nil
}

func (f *fleetUsersFlags) readSalt(env *environment, kept bool) (users.Salt, error) {
	secret := []byte(env.getenv("SATURATE_SALT"))
	switch {
	case f.salt != "":
		var err error
		if secret, err = os.ReadFile(f.salt); err != nil {
			return users.Salt{}, hint(fmt.Errorf("read the salt: %w", err), "make one with: openssl rand -hex 32 > "+f.salt)
		}
		if info, err := os.Stat(f.salt); err == nil && info.Mode().IsRegular() && info.Mode()&0o007 != 0 {
			fmt.Fprintf(env.stderr, "saturate: %s can be read by everybody: who has it can look for a user in the sketches (chmod 640)\n", f.salt)
		}
	case len(secret) == 0 && kept:
		return users.Salt{}, hint(exitWith(exitUsage, errors.New("a sketch needs a salt: sketches merge only when all were made with the same one")),
			"openssl rand -hex 32 > salt, give that file to every server, and name it with --salt")
	case len(secret) == 0:
		return users.RandomSalt(), nil
	}
	salt, err := users.NewSalt(bytes.TrimSpace(secret))
	if err != nil {
		return users.Salt{}, exitWith(exitUsage, err)
	}
	return salt, nil
}

func mergeSketches(ctx context.Context, env *environment, files []string) (*users.Sketch, error) {
	sketch := &users.Sketch{}
	for _, file := range files {
		if err := withFile(ctx, env, file, sketch.Merge); err != nil {
			return nil, err
		}
	}
	return sketch, nil
}

// withFile reads a file, or standard input where it is a dash.
func withFile(ctx context.Context, env *environment, name string, read func(string, io.Reader) error) error {
	if name == "-" {
		return read("<stdin>", &interruptible{ctx, env.stdin})
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return read(name, &interruptible{ctx, f})
}

// An interruptible reader ends with its context: logs are long.
type interruptible struct {
	ctx context.Context
	io.Reader
}

func (i *interruptible) Read(p []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.Reader.Read(p)
}
