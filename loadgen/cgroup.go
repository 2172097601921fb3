package loadgen

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A cgroup is one that limits the CPU of this process: its own or one above.
type cgroup struct {
	dir string
	v1  bool
}

// cgroups finds the cgroups with a CPU controller that this process is in, from
// its own upwards. Where none can be seen there are none.
func cgroups(root string) []cgroup {
	in := memberships(read(root, "proc/self/cgroup"))
	var found []cgroup
	for line := range strings.Lines(read(root, "proc/self/mountinfo")) {
		m, ok := parseMount(line)
		if !ok {
			continue
		}
		path, member := in[m.controller]
		if !member {
			continue
		}
		inside, below := strings.CutPrefix(path, strings.TrimSuffix(m.root, "/"))
		if !below { // a namespace that shows another part of the tree
			inside = ""
		}
		top := filepath.Join(root, m.point)
		for dir := filepath.Join(top, inside); ; dir = filepath.Dir(dir) {
			found = append(found, cgroup{dir: dir, v1: m.controller != ""})
			if dir == top || len(dir) < len(top) {
				break
			}
		}
	}
	return found
}

// memberships reads /proc/self/cgroup: the path by controller, "cpu" for v1
// and "" for v2.
func memberships(text string) map[string]string {
	in := map[string]string{}
	for line := range strings.Lines(text) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		if f[0] == "0" && f[1] == "" {
			in[""] = f[2]
		}
		for c := range strings.SplitSeq(f[1], ",") {
			if c == "cpu" {
				in["cpu"] = f[2]
			}
		}
	}
	return in
}

type mount struct{ root, point, controller string }

// parseMount reads a line of /proc/self/mountinfo: false where it is not the
// mount of a hierarchy that can limit CPU.
func parseMount(line string) (mount, bool) {
	left, right, ok := strings.Cut(line, " - ")
	f, g := strings.Fields(left), strings.Fields(right)
	if !ok || len(f) < 5 || len(g) < 3 {
		return mount{}, false
	}
	m := mount{root: f[3], point: f[4]}
	switch g[0] {
	case "cgroup2":
		return m, true
	case "cgroup":
		m.controller = "cpu"
		for option := range strings.SplitSeq(g[2], ",") {
			if option == "cpu" {
				return m, true
			}
		}
	}
	return mount{}, false
}

// quota is the CPUs that the cgroup allows; false where it does not say.
func (g cgroup) quota() (float64, bool) {
	var quota, period string
	if g.v1 {
		quota, period = read(g.dir, "cpu.cfs_quota_us"), read(g.dir, "cpu.cfs_period_us")
	} else {
		quota, period, _ = strings.Cut(read(g.dir, "cpu.max"), " ")
	}
	q, err1 := strconv.ParseFloat(strings.TrimSpace(quota), 64)
	p, err2 := strconv.ParseFloat(strings.TrimSpace(period), 64)
	if err1 != nil || err2 != nil || q <= 0 || p <= 0 { // "max", -1
		return 0, false
	}
	return q / p, true
}

// throttledSeconds is how long the cgroup has been throttled since it was made.
func (g cgroup) throttledSeconds() float64 {
	for line := range strings.Lines(read(g.dir, "cpu.stat")) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		v, err := strconv.ParseFloat(value, 64)
		switch {
		case err != nil:
		case name == "throttled_usec":
			return v / 1e6
		case name == "throttled_time":
			return v / 1e9
		}
	}
	return 0
}

// read is a file's content; "" where it cannot be read.
func read(dir, name string) string {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	return string(b)
}
