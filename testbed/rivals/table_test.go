package rivals

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"
)

// A table is printed as Markdown.
type table struct {
	text   strings.Builder
	w      *tabwriter.Writer
	missed int // of what was asked
}

func newTable(title string, columns ...string) *table {
	tab := new(table)
	fmt.Fprintf(&tab.text, "\n%s\n\n", title)
	tab.w = tabwriter.NewWriter(&tab.text, 0, 0, 1, ' ', tabwriter.Debug)
	tab.row(columns...)
	rule := make([]string, len(columns))
	for i := range rule {
		rule[i] = "---"
	}
	tab.row(rule...)
	return tab
}

func (tab *table) row(cells ...string) {
	fmt.Fprintf(tab.w, "\t %s \t\n", strings.Join(cells, " \t "))
}

// asked is a cell that tells what a figure is to be, and whether it is.
func (tab *table) asked(what string, met bool) string {
	if met {
		return what + ": met"
	}
	tab.missed++
	return what + ": missed"
}

// atLeast is asked of a figure that may be greater; 0 asks for nothing.
func (tab *table) atLeast(goal, got float64) string {
	if goal == 0 {
		return ""
	}
	return tab.asked(fmt.Sprintf("%.2f", goal), got >= goal)
}

// print ends the table. A miss fails the long form only, which is for a quiet machine.
func (tab *table) print(t *testing.T, notes ...string) {
	t.Helper()
	tab.w.Flush()
	for _, n := range notes {
		if n != "" {
			fmt.Fprintf(&tab.text, "\n%s", n)
		}
	}
	t.Log(tab.text.String())
	if tab.missed > 0 && long() {
		t.Errorf("%d of the figures that are asked for are missed: see the table", tab.missed)
	}
}

// machine tells what the figures are of.
func machine(t *testing.T) string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d CPUs (%s), Linux %s, %s", runtime.NumCPU(), cpuModel(), unix.ByteSliceToString(u.Release[:]), runtime.Version())
}

func cpuModel() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func left(missing []string) string {
	if len(missing) == 0 {
		return ""
	}
	return "Not to be had here: " + strings.Join(missing, ", ") + "."
}

func monotonic() int64 {
	var ts unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // cannot fail
	return ts.Nano()
}

func ms(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()*1e3) }

func percent(x float64) string { return fmt.Sprintf("%.0f %%", 100*x) }
