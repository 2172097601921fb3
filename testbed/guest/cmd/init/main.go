// Command init is the emulated machine's first process: it mounts, loads the
// network card's driver, and runs what the plan says.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"saturate/testbed/guest"
)

const groups = "/sys/fs/cgroup"

func main() {
	if err := run(); err != nil {
		fmt.Println(guest.Failed(err))
	}
	unix.Sync()
	unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

func run() error {
	if err := mount(); err != nil {
		return err
	}
	var plan guest.Plan
	text, err := os.ReadFile(guest.PlanFile)
	if err == nil {
		err = json.Unmarshal(text, &plan)
	}
	if err != nil {
		return err
	}
	if err := loadModules(); err != nil {
		return err
	}
	if err := network(); err != nil {
		return err
	}
	if plan.Controllers != "" {
		if err := os.WriteFile(groups+"/cgroup.subtree_control", []byte(plan.Controllers), 0o644); err != nil {
			return err
		}
	}
	return carryOut(plan.Programs)
}

func mount() error {
	for _, m := range []struct{ kind, at string }{
		{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/tmp"}, {"cgroup2", groups},
	} {
		if err := unix.Mount(m.kind, m.at, m.kind, 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.at, err)
		}
	}
	return os.Chmod("/tmp", 0o1777)
}

func loadModules() error {
	files, err := filepath.Glob(guest.ModuleFolder + "/*.ko")
	if err != nil {
		return err
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		err = unix.FinitModule(int(f.Fd()), "", 0)
		f.Close()
		if err != nil {
			return fmt.Errorf("load %s: %w", name, err)
		}
	}
	return nil
}

// carryOut starts the programs, each after the jobs before it, and returns when
// none is left, or one has failed.
func carryOut(programs []guest.Program) error {
	ended := make(chan error)
	running := 0
	for _, p := range programs {
		c, done, err := start(p)
		if err != nil {
			return err
		}
		if p.Job {
			err = done(c.Wait())
			if err != nil {
				return err
			}
			continue
		}
		running++
		go func() { ended <- done(c.Wait()) }()
	}
	for ; running > 0; running-- {
		if err := <-ended; err != nil {
			return err
		}
	}
	return nil
}

// start starts a program in its group. done tells what its end means.
func start(p guest.Program) (c *exec.Cmd, done func(error) error, err error) {
	c = exec.Command(p.Args[0], p.Args[1:]...)
	c.Env = append([]string{"PATH=/", "HOME=/tmp", "TMPDIR=/tmp"}, p.Env...)
	c.Stdout, c.Stderr = os.Stdout, os.Stdout
	dir := filepath.Join(groups, p.Cgroup)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, nil, err
	}
	if p.Weight > 0 {
		if err := os.WriteFile(filepath.Join(dir, "cpu.weight"), strconv.AppendInt(nil, int64(p.Weight), 10), 0); err != nil {
			return nil, nil, err
		}
	}
	group, err := os.Open(dir)
	if err != nil {
		return nil, nil, err
	}
	defer group.Close()
	c.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(group.Fd())}
	done = func(err error) error {
		if err != nil {
			return fmt.Errorf("%v: %w", p.Args, err)
		}
		return nil
	}
	return c, done, c.Start()
}
