package probe

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// A group is a control group in every hierarchy that has it.
type group struct {
	fs   rootFS
	name string
	// usage is where CPU time is counted, and processes are listed.
	usage                 groupDir
	quota, cpuset, memory groupDir
	// events is where the kernel counts the processor's events.
	events groupDir
	// pressure is the v2 tree's, also on a hybrid machine.
	pressure groupDir
}

// openGroup finds the group of that path below the hierarchies' roots.
func openGroup(fs rootFS, name string) (*group, error) {
	all, err := hierarchies(fs)
	if err != nil {
		return nil, err
	}
	g := assemble(fs, name, all, func(hierarchy) string { return name })
	if g.usage.none() {
		return nil, noGroup(fs, all, name)
	}
	return g, nil
}

// groupOf is the group that a process is in.
func groupOf(fs rootFS, pid int) (*group, error) {
	all, err := hierarchies(fs)
	if err != nil {
		return nil, err
	}
	text, err := fs.read("proc", fmt.Sprint(pid), "cgroup")
	if err != nil {
		return nil, err
	}
	paths := parseMembership(text)
	return assemble(fs, fmt.Sprintf("of process %d", pid), all, func(h hierarchy) string {
		if h.v2 {
			return paths[""]
		}
		for _, controller := range h.controllers {
			if p, found := paths[controller]; found {
				return p
			}
		}
		return "/"
	}), nil
}

// parseMembership reads /proc/PID/cgroup: the path by v1 controller, that of
// v2 under "".
func parseMembership(text string) map[string]string {
	paths := make(map[string]string)
	for line := range strings.Lines(text) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) < 3 {
			continue
		}
		for controller := range strings.SplitSeq(f[1], ",") {
			paths[controller] = f[2]
		}
	}
	return paths
}

func hierarchies(fs rootFS) ([]hierarchy, error) {
	text, err := fs.read("proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	all := parseHierarchies(text)
	if len(all) == 0 {
		return nil, hinted("mount -t cgroup2 none /sys/fs/cgroup", "no control groups are mounted")
	}
	return all, nil
}

// assemble picks for each quantity the hierarchy that has it. A controller is
// in v1 or in v2, never in both.
func assemble(fs rootFS, name string, all []hierarchy, where func(hierarchy) string) *group {
	g := &group{fs: fs, name: name}
	if h, ok := unified(all); ok {
		if d := h.dir(fs, where(h)); isDir(d.path) {
			g.usage, g.quota, g.cpuset, g.memory, g.events, g.pressure = d, d, d, d, d, d
		}
	}
	for controller, dir := range map[string]*groupDir{
		"cpuacct": &g.usage, "cpu": &g.quota, "cpuset": &g.cpuset, "memory": &g.memory, "perf_event": &g.events,
	} {
		h, ok := find(all, controller)
		if !ok {
			continue
		}
		d := h.dir(fs, where(h))
		switch {
		case !isDir(d.path):
			// The group has no place in the hierarchy that has the controller.
			d = groupDir{}
			if controller == "cpuacct" && len(g.usage.pids()) > 0 {
				d = g.usage
			}
		case controller == "cpuacct" && len(d.pids()) == 0 && len(g.usage.pids()) > 0:
			d = g.usage // a v1 group that nobody entered
		}
		*dir = d
	}
	return g
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// mostPIDs bounds how many processes of a group are looked at one by one.
const mostPIDs = 512

// pids lists the processes in the group and below it.
func (d groupDir) pids() []int {
	if d.none() {
		return nil
	}
	var pids []int
	filepath.WalkDir(d.path, func(p string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() {
			return nil // it went away meanwhile
		}
		text, _ := readFile(path.Join(p, "cgroup.procs"))
		for line := range strings.Lines(text) {
			if pid, err := parseNumber(line); err == nil && pid > 0 {
				pids = append(pids, int(pid))
			}
		}
		if len(pids) >= mostPIDs {
			return filepath.SkipAll
		}
		return nil
	})
	return pids
}

// noGroup says where a group was looked for, and where one of its name is.
func noGroup(fsys rootFS, all []hierarchy, name string) error {
	var looked, found []string
	for _, h := range all {
		looked = append(looked, h.mount)
		found = append(found, namesakes(fsys.path(h.mount), path.Base(name))...)
	}
	hint := "the path is that below the hierarchy's root: systemd-cgls shows it, or /proc/PID/cgroup"
	if len(found) > 0 {
		slices.Sort(found)
		hint = "did you mean " + strings.Join(slices.Compact(found), " or ") + "?"
	}
	return hinted(hint, "no such control group in %s", strings.Join(looked, ", "))
}

// namesakes are groups of that name, or a systemd unit of that name, among
// the first thousand below dir.
func namesakes(dir, name string) []string {
	var found []string
	left := 1000
	filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() {
			return nil
		}
		unit := strings.TrimSuffix(strings.TrimSuffix(e.Name(), ".service"), ".scope")
		if p != dir && (unit == name || e.Name() == name) {
			found = append(found, strings.TrimPrefix(p, dir+"/"))
		}
		if left--; left == 0 {
			return filepath.SkipAll
		}
		return nil
	})
	return found
}
