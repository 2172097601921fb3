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
	text strings.Builder
	w    *tabwriter.Writer
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

func (tab *table) print(t *testing.T, notes ...string) {
	tab.w.Flush()
	for _, n := range notes {
		if n != "" {
			fmt.Fprintf(&tab.text, "\n%s", n)
		}
	}
	t.Log(tab.text.String())
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
