package probe

import (
	"path"
	"slices"
	"strings"
)

// A hierarchy is one mounted tree of control groups: v2, or v1 with its
// controllers. A hybrid machine has several.
type hierarchy struct {
	v2          bool
	controllers []string // v1 only; among them are mount options, which name none
	mount       string   // where it is mounted
	root        string   // the group that the mount shows as its root: "/" but in some containers
}

// parseHierarchies reads /proc/PID/mountinfo (proc(5)). Of several mounts of
// one hierarchy the first counts.
func parseHierarchies(mountinfo string) []hierarchy {
	var all []hierarchy
	for line := range strings.Lines(mountinfo) {
		left, right, found := strings.Cut(line, " - ")
		f, g := strings.Fields(left), strings.Fields(right)
		if !found || len(f) < 5 || len(g) < 3 {
			continue
		}
		h := hierarchy{mount: unescape(f[4]), root: unescape(f[3])}
		switch g[0] {
		case "cgroup2":
			h.v2 = true
		case "cgroup":
			h.controllers = strings.Split(g[2], ",")
		default:
			continue
		}
		all = append(all, h)
	}
	return all
}

// unescape undoes the octal escapes of blanks in mountinfo.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// find is the v1 hierarchy of a controller.
func find(all []hierarchy, controller string) (hierarchy, bool) {
	for _, h := range all {
		if !h.v2 && slices.Contains(h.controllers, controller) {
			return h, true
		}
	}
	return hierarchy{}, false
}

// unified is the v2 hierarchy.
func unified(all []hierarchy) (hierarchy, bool) {
	for _, h := range all {
		if h.v2 {
			return h, true
		}
	}
	return hierarchy{}, false
}

// A groupDir is a control group in one hierarchy; the zero value is none.
type groupDir struct {
	path  string // its directory
	mount string // the hierarchy's
	v2    bool
}

// dir is where a group is; a path that starts with what the mount shows as
// its root (a host's path, seen from within a container) is taken below it.
func (h hierarchy) dir(fs rootFS, group string) groupDir {
	group = path.Join("/", group)
	if below, found := strings.CutPrefix(group, h.root+"/"); found && h.root != "/" {
		group = below
	} else if group == h.root {
		group = "/"
	}
	mount := fs.path(h.mount)
	return groupDir{path: path.Join(mount, group), mount: mount, v2: h.v2}
}

func (d groupDir) none() bool { return d.path == "" }

func (d groupDir) file(name string) string { return path.Join(d.path, name) }

// lineage is the group and its ancestors, up to the hierarchy's root.
func (d groupDir) lineage() []groupDir {
	if d.none() {
		return nil
	}
	all := []groupDir{d}
	for d.path != d.mount && len(d.path) > len(d.mount) {
		d.path = path.Dir(d.path)
		all = append(all, d)
	}
	return all
}
