package main

import (
	"errors"
	"flag"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"saturate/internal/supervise"
)

var update = flag.Bool("update", false, "write the golden files of the scripts")

// The scripts run the real main, in a process of its own.
func TestMain(m *testing.M) {
	supervise.Main()
	testscript.Main(m, map[string]func(){"saturate": main})
}

func TestScripts(t *testing.T) {
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	var balancers haproxies
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("REPOSITORY", root+"/../..")
			env.Setenv("GITHUB_ACTIONS", "")
			env.Setenv("SATURATE_HISTORY", "off")
			return nil
		},
		// A squeeze by the clock needs a machine that does not stand still for a second.
		Condition: func(name string) (bool, error) { return name == "stacks" && os.Getenv("SATURATE_STACKS") != "", nil },
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "haproxy": balancers.start, "asfound": balancers.asFound, "change": balancers.change},
	})
}

// exits runs saturate and wants an exit code: exits CODE ARGUMENT...
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var ended *exec.ExitError
	if err := ts.Exec("saturate", args[1:]...); errors.As(err, &ended) {
		got = ended.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}
