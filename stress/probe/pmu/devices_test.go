package pmu

import (
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestDevices has the trees of real machines: an Intel with P and E cores, an
// Arm with two kinds, and machines of one kind.
func TestDevices(t *testing.T) {
	const dir = "sys/bus/event_source/devices/"
	for _, tt := range []struct {
		name  string
		files map[string]string
		of    map[int]uint32
		each  []uint32
	}{
		{"hybrid x86", map[string]string{
			"cpu_core/cpus": "0-11\n", "cpu_core/type": "4\n", "cpu_atom/cpus": "12-19\n", "cpu_atom/type": "10\n",
			"uncore_imc_0/cpumask": "0\n", "uncore_imc_0/type": "24\n", "software/type": "1\n",
		}, map[int]uint32{0: 4, 11: 4, 12: 10, 19: 10, 20: 0}, []uint32{4, 10}},
		{"big.LITTLE", map[string]string{
			"armv8_cortex_a53/cpus": "0-3\n", "armv8_cortex_a53/type": "8\n", "armv8_cortex_a72/cpus": "4-5\n", "armv8_cortex_a72/type": "9\n",
		}, map[int]uint32{3: 8, 4: 9}, []uint32{8, 9}},
		{"arm server", map[string]string{"armv8_pmuv3_0/cpus": "0-63\n", "armv8_pmuv3_0/type": "8\n"}, map[int]uint32{0: 0, 63: 0}, []uint32{0}},
		{"x86 server", map[string]string{"cpu/type": "4\n"}, map[int]uint32{0: 0}, []uint32{0}},
		{"efficiency cores off", map[string]string{
			"cpu_core/cpus": "0-11\n", "cpu_core/type": "4\n", "cpu_atom/cpus": "\n", "cpu_atom/type": "10\n",
		}, map[int]uint32{0: 0}, []uint32{0}},
		{"damaged", map[string]string{"a/cpus": "x", "a/type": "8", "b/cpus": "0", "b/type": "x", "c/cpus": "1"}, map[int]uint32{0: 0, 1: 0}, []uint32{0}},
		{"none", nil, map[int]uint32{0: 0}, []uint32{0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := newFake(t, 0)
			for name, text := range tt.files {
				k.write(dir+name, text)
			}
			all := devices(k.root)
			for cpu, want := range tt.of {
				if got := all.of(cpu); got != want {
					t.Errorf("CPU %d has %d, want %d", cpu, got, want)
				}
			}
			each := all.each()
			slices.Sort(each)
			if !slices.Equal(each, tt.each) {
				t.Errorf("devices %v, want %v", each, tt.each)
			}
		})
	}
}

// TestDeviceOfCPU has each CPU's event name its own device; a kernel that knows
// no such names gets a plain event.
func TestDeviceOfCPU(t *testing.T) {
	for _, knows := range []bool{true, false} {
		k := newFake(t, 0, 1)
		k.write("sys/bus/event_source/devices/big/cpus", "0\n")
		k.write("sys/bus/event_source/devices/big/type", "8\n")
		k.write("sys/bus/event_source/devices/little/cpus", "1\n")
		k.write("sys/bus/event_source/devices/little/type", "9\n")
		if knows {
			k.devices = map[uint32][]int{8: {0}, 9: {1}}
		}
		m := mustOpen(t, k, Config{})
		for _, e := range k.events {
			if e.closed {
				continue
			}
			if want := uint32(8 + e.cpu); knows && e.kind != want || !knows && e.kind != 0 {
				t.Errorf("knows %v: CPU %d has an event of device %d", knows, e.cpu, e.kind)
			}
		}
		k.now += time.Second
		if got := read(t, m); got.Counters != 2 || !got.HasCycles {
			t.Errorf("%+v", got)
		}
	}
	// A thread's events cannot do without the names.
	k := newFake(t, 0)
	for i, name := range []string{"big", "little"} {
		k.write("sys/bus/event_source/devices/"+name+"/cpus", string(rune('0'+i)))
		k.write("sys/bus/event_source/devices/"+name+"/type", string(rune('8'+i)))
	}
	root := k.fork(0)
	_, err := open(k.machine(), Config{Scope: Processes, PIDs: func() []int { return []int{root} }})
	if e, ok := err.(*Error); !ok || e.Reason != Unsupported || e.Err != unix.ENOENT {
		t.Errorf("%v", err)
	}
}
