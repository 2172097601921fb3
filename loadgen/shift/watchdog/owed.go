package watchdog

import (
	"fmt"
	"slices"

	"saturate/loadgen/shift/balancer"
)

// owed is what has to be set so that the backend is as found, by a reading of it.
// What somebody else has set, or a reload has brought, is noted and left:
//
//   - a weight as found is well;
//   - one that was pushed under this epoch is ours, and is put back, also where
//     the balancer was reloaded meanwhile and took it along in a state file;
//   - any other is not. After a reload it is the configuration's, which would
//     stand there too had nobody squeezed: what "set weight" had made of it
//     before is gone with every reload.
//
// A server whose last set has an outcome that is not known is owed its weight
// even where the reading shows it.
func (h *hold) owed(b balancer.Backend) (weights, valves map[string]int) {
	weights, valves = make(map[string]int), make(map[string]int)
	for _, name := range h.head.Servers {
		before, _ := h.head.Found.Server(name)
		s, ok := b.Server(name)
		if !ok {
			h.left[name] = "it is no longer a server of the backend"
			continue
		}
		switch {
		case h.left[name] != "":
		case s.Weight == before.Weight:
			if h.doubtful && len(h.ours[name]) > 0 {
				weights[name] = before.Weight
			}
		case slices.Contains(h.ours[name], s.Weight):
			weights[name] = before.Weight
		default:
			h.left[name] = h.theirs(b, "weight", s.Weight)
		}
		bound, ok := h.head.MaxConns[name]
		switch {
		case !ok || h.leftV[name] != "" || s.MaxConns == before.MaxConns:
		case s.MaxConns == bound:
			valves[name] = before.MaxConns
		default:
			h.leftV[name] = h.theirs(b, "maxconn", s.MaxConns)
		}
	}
	return weights, valves
}

// theirs says whose a value is that is neither found nor ours.
func (h *hold) theirs(b balancer.Backend, what string, value int) string {
	if b.Boot != h.head.Found.Boot {
		return fmt.Sprintf("the balancer was reloaded, and has %s %d from its configuration", what, value)
	}
	return fmt.Sprintf("somebody else set its %s to %d", what, value)
}

// account says what became of each server: as it stood when the epoch had ended,
// and as it stands.
func (h *hold) account(stood, stands balancer.Backend) (all []Return, respected []string) {
	for _, before := range h.head.Found.Servers {
		name := before.Name
		left := h.left[name]
		if v := h.leftV[name]; v != "" && left != "" {
			left += "; " + v
		} else if v != "" {
			left = v
		}
		if left == "" && !h.squeezed(name) {
			continue
		}
		then, _ := stood.Server(name)
		now, _ := stands.Server(name)
		all = append(all, Return{Server: name, Found: before.Weight, Stood: then.Weight, Stands: now.Weight, Left: left})
		if left != "" {
			respected = append(respected, name)
		}
	}
	return all, respected
}
