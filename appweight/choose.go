package appweight

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Units are the units of work, best first. Instructions compare across hardware
// and loads; requests compare wherever the mix is the fleet's; CPU seconds of
// different hardware do not compare, and cost more of them as a server fills up.
func Units() []string { return []string{Instructions, Requests, CPUSeconds} }

// Choose picks the figures of the fleet to hold a target's work against: those
// in the best unit that both have, with the same scope. measured are the units
// that the target delivers, and the scope of each. Why is a sentence for people
// where a better unit had to be passed over, else "". Instructions of several
// sets are taken only where nothing else is to be had, since they have no sum to
// divide by. Without a common unit and scope it fails with a *MixError, and with
// ErrUndefined where there are no figures at all.
func Choose(measured map[string]string, fleets []Fleet) (f Fleet, why string, err error) {
	if len(fleets) == 0 {
		return Fleet{}, "", fmt.Errorf("%w: there are no figures of the fleet", ErrUndefined)
	}
	var passed []string
	var clash error
	var unsummed *Fleet
	for _, unit := range Units() {
		scope, counted := measured[unit]
		var scopes []string
		for _, f := range fleets {
			if f.Unit != unit {
				continue
			}
			fits := counted && (f.Scope == "" || f.Scope == scope || unit == Requests)
			if fits && unit == Instructions && len(f.ISAs()) > 1 {
				unsummed = &f
				continue
			}
			if fits {
				if len(fleets) == 1 {
					passed = nil // there was no choice
				}
				return f, counting(unit, passed), nil
			}
			scopes = append(scopes, f.Scope)
		}
		switch {
		case unit == Instructions && unsummed != nil:
			passed = append(passed, fmt.Sprintf("the fleet's instructions are of several sets (%s), which have no sum", strings.Join(unsummed.ISAs(), ", ")))
		case counted && len(scopes) > 0:
			theirs := strings.Join(scopes, ", ")
			passed = append(passed, fmt.Sprintf("%s are of scope %q on the target and %q in the fleet", unit, scope, theirs))
			if clash == nil {
				clash = &MixError{"scope", scope, theirs}
			}
		case counted:
			passed = append(passed, fmt.Sprintf("the fleet's figures have no %s", unit))
		case len(scopes) > 0:
			passed = append(passed, fmt.Sprintf("the target's %s were not counted", unit))
		}
	}
	if unsummed != nil {
		return *unsummed, "", nil
	}
	if clash != nil {
		return Fleet{}, "", clash
	}
	var theirs []string
	for _, f := range fleets {
		theirs = append(theirs, f.Unit)
	}
	return Fleet{}, "", &MixError{"unit", strings.Join(slices.Sorted(maps.Keys(measured)), ", "), strings.Join(theirs, ", ")}
}

func counting(unit string, passed []string) string {
	if len(passed) == 0 {
		return ""
	}
	return fmt.Sprintf("counted in %s: %s", unit, strings.Join(passed, "; "))
}
