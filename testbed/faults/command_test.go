package faults

import (
	"fmt"
	"testing"
	"time"
)

// A target's command that does not come up.

func TestCommandsThatDoNotComeUp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, command   string
		problem, remedy string
	}{
		{"does not exist", `[saturate-no-such-server, --port, "80"]`,
			"target web: .*saturate-no-such-server.*not found", "check the path"},
		{"no such file", `[./no/such/server]`,
			"target web: .*no/such/server: no such file", "check the path"},
		{"ends at once", `[sh, -c, "echo reading config; echo port 80 is taken >&2; exit 7"]`,
			`target web ended before it was ready: exit status 7; its last lines:\n +reading config\n +port 80 is taken`, ""},
		{"goes to the background", `[sh, -c, "sleep 60 & exit 0"]`,
			"target web ended before it was ready: exit status 0, leaving 1 of its processes behind", "in the foreground"},
		{"never gets ready", `[sh, -c, "echo waiting for the database; sleep 60"]`,
			`target web was not ready within 1s.*\n(.*\n)* +waiting for the database`, "ready: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := saturate(t, scenario{target: newTarget(t, behaviour{}),
				more: fmt.Sprintf("command: %s\nready: {within: 1s}\n", c.command)}).start(t)
			p.wantExit(t, 15*time.Second, 1)
			p.wantError(t, c.problem, c.remedy)
			p.record(t)
		})
	}
}
