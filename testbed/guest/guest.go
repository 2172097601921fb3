// Package guest boots a machine that this one emulates: a little arm64 server
// with an instruction counter that is exact, of a speed that is chosen, and with
// our own programs on it. It is where that is proven which needs a processor's
// counters, on machines that have none, and where there is a second generation
// of hardware, half as fast as the first.
//
// QEMU's -icount makes it so: each instruction takes 2^Shift ns of the guest's
// clock, and that clock can be held to real time. The guest reaches nothing: its
// network is the forwarded ports of 127.0.0.1.
package guest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Config says what the machine is like.
type Config struct {
	// Dir is the folder that testbed/guest/install filled.
	Dir string
	// Shift sets the speed: 1e9 / 2^Shift instructions a second of its clock.
	Shift int
	// RealTime holds the guest's clock to ours, as long as this machine keeps
	// up; without, it leaps over what it would idle away.
	RealTime bool
	// CPUs are one, for counts that mean something: with more, the counter of
	// each shows what all have retired.
	CPUs int
	// Memory is in MiB.
	Memory int
	// Files are what its root holds beside /init, by their path without the
	// leading slash.
	Files map[string][]byte
	// Plan is what it runs.
	Plan Plan
	// Ports of the guest that can be reached from here.
	Ports []int
}

// Rate is how many instructions a second of its clock it retires when busy.
func (c Config) Rate() float64 { return 1e9 / float64(uint64(1)<<c.Shift) }

// A Machine runs until it is stopped, or its jobs have ended; it is killed when
// this process ends.
type Machine struct {
	qemu   *exec.Cmd
	addrs  map[int]string
	output output
	folder string // of our own, for its image
	ended  chan struct{}
	err    error // once it has ended
}

// Boot starts the machine; its programs run some seconds later.
func Boot(c Config) (*Machine, error) {
	folder, err := os.MkdirTemp("", "guest")
	if err != nil {
		return nil, err
	}
	m := &Machine{folder: folder, addrs: make(map[int]string), ended: make(chan struct{})}
	if err := m.start(c); err != nil {
		os.RemoveAll(folder)
		return nil, fmt.Errorf("guest: %w", err)
	}
	go func() {
		m.err = m.qemu.Wait()
		os.RemoveAll(folder)
		close(m.ended)
	}()
	return m, nil
}

func (m *Machine) start(c Config) error {
	kernel, err := only(c.Dir, "kernel/boot/vmlinuz-*")
	if err != nil {
		return err
	}
	disk, err := image(c)
	if err != nil {
		return err
	}
	initrd := filepath.Join(m.folder, "initrd")
	if err := os.WriteFile(initrd, disk, 0o600); err != nil {
		return err
	}
	forwards, err := m.forward(c.Ports)
	if err != nil {
		return err
	}
	// An interrupt controller of registers, not of memory: with -icount each access
	// to a device's memory leaves the translated code. The processor has atomics in
	// one instruction. Both let it keep pace with its clock in the kernel's work.
	icount := fmt.Sprintf("shift=%d", c.Shift)
	if c.RealTime {
		icount += ",align=on"
	}
	root := filepath.Join(c.Dir, "qemu/usr")
	m.qemu = exec.Command(filepath.Join(root, "bin/qemu-system-aarch64"),
		"-L", filepath.Join(root, "share/qemu"), "-L", filepath.Join(root, "share/seabios"),
		"-M", "virt,gic-version=3", "-cpu", "neoverse-n1", "-smp", fmt.Sprint(max(1, c.CPUs)), "-m", fmt.Sprint(c.Memory),
		"-accel", "tcg", "-icount", icount, "-nodefaults", "-display", "none", "-no-reboot", "-monitor", "none", "-serial", "stdio",
		"-kernel", kernel, "-initrd", initrd, "-append", commandLine,
		"-netdev", "user,id=net,restrict=on"+forwards, "-device", "virtio-net-device,netdev=net")
	m.qemu.Env = append(os.Environ(), "LD_LIBRARY_PATH="+
		filepath.Join(root, "lib/x86_64-linux-gnu")+":"+filepath.Join(c.Dir, "qemu/lib/x86_64-linux-gnu"))
	m.qemu.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	m.qemu.Stdout, m.qemu.Stderr = &m.output, &m.output
	if err := m.qemu.Start(); err != nil {
		return err
	}
	// Who may, has it go before the machine's other work, which else slows its
	// clock. Its threads are not there yet: they will be as it is.
	unix.Setpriority(unix.PRIO_PROCESS, m.qemu.Process.Pid, priority)
	return nil
}

// commandLine is the kernel's. Without page tables of its own for user space it
// is emulated at twice the speed: each change of tables empties the emulator's.
const commandLine = "console=ttyAMA0 quiet panic=-1 psi=1 cma=0 cryptomgr.notests nokaslr kpti=off mitigations=off"

// priority is the emulator's niceness.
const priority = -10

// forward finds a free port here for each of the guest's.
func (m *Machine) forward(ports []int) (options string, err error) {
	for _, port := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", err
		}
		defer l.Close() // after all are found: they differ
		m.addrs[port] = l.Addr().String()
		options += fmt.Sprintf(",hostfwd=tcp:%s-%s:%d", l.Addr(), Address, port)
	}
	return options, nil
}

// only finds the one file that a pattern is for.
func only(dir, pattern string) (string, error) {
	all, err := filepath.Glob(filepath.Join(dir, pattern))
	if err == nil && len(all) != 1 {
		err = fmt.Errorf("%s has %d files %s: run testbed/guest/install", dir, len(all), pattern)
	}
	if err != nil {
		return "", err
	}
	return all[0], nil
}

// Addr is where a port of the guest is reached from here.
func (m *Machine) Addr(port int) string { return m.addrs[port] }

// Output is what came over its console until now.
func (m *Machine) Output() string { return m.output.String() }

// Done is closed when the machine has ended.
func (m *Machine) Done() <-chan struct{} { return m.ended }

// Err is how the machine, once Done, has ended: an error unless it switched
// itself off, and all of its jobs ended well.
func (m *Machine) Err() error {
	if m.err != nil {
		return fmt.Errorf("guest: %w", m.err)
	}
	for line := range strings.Lines(m.Output()) {
		if problem, ok := strings.CutPrefix(strings.TrimSpace(line), failed); ok {
			return errors.New("guest: " + problem)
		}
	}
	return nil
}

// Stop pulls its plug, and returns when it is gone.
func (m *Machine) Stop() {
	m.qemu.Process.Kill()
	<-m.ended
}

// output collects what is read while it comes.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
