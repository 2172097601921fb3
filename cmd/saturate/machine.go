package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"saturate/record"
	"saturate/scenarios"
)

// machine describes where the run is made.
func machine() record.Env {
	env := record.Env{Cores: runtime.NumCPU(), ISA: runtime.GOARCH}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		env.Kernel = unix.ByteSliceToString(name.Release[:])
	}
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return env
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			env.CPU = strings.TrimSpace(value)
			break
		}
	}
	return env
}

// versions are saturate's own and the load engine's.
func versions() map[string]string {
	all := map[string]string{"saturate": version(), "go": runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if strings.HasPrefix(m.Path, "github.com/tsenart/vegeta") {
				all["vegeta"] = m.Version
			}
		}
	}
	return all
}

// split divides the CPUs between the generator and a target's command. With
// `auto` the target gets the last one and the generator keeps off it; on a
// machine with a single CPU they must share, which the second result being
// empty says.
func split(pin scenarios.Pin, allowed []int) (mine, theirs []int, err error) {
	switch {
	case pin.Auto && len(allowed) > 1:
		theirs = allowed[len(allowed)-1:]
	case len(pin.CPUs) > 0:
		theirs = pin.CPUs
	default:
		return allowed, nil, nil
	}
	for _, cpu := range theirs {
		if !slices.Contains(allowed, cpu) {
			return nil, nil, hint(fmt.Errorf("pin: CPU %d is not one that saturate may use (%v)", cpu, allowed), "pin: auto takes the last that there is")
		}
	}
	mine = slices.DeleteFunc(slices.Clone(allowed), func(cpu int) bool { return slices.Contains(theirs, cpu) })
	if len(mine) == 0 {
		mine = allowed
	}
	return mine, theirs, nil
}
