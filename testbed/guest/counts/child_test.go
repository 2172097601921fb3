//go:build amd64 || arm64

package counts

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"saturate/stress/probe/pmu"
)

// threads that a child has.
const threads = 3

// be makes this process a child of the tests, if it is one. It reads how many
// turns to take, takes them, and says so, until its input ends.
func be(what string) bool {
	var carryOut func(n uint64)
	switch what {
	case "":
		return false
	case "diagnosis":
		diagnosis()
		return true
	case "loops":
		carryOut = Spin
	case "threads":
		carryOut = crew()
	case "thread":
		carryOut = func(n uint64) {
			done := make(chan bool)
			go func() {
				runtime.LockOSThread() // it ends with its goroutine
				Spin(n)
				done <- true
			}()
			<-done
		}
	case "process":
		carryOut = func(n uint64) {
			c := exec.Command("/proc/self/exe")
			c.Env = append(os.Environ(), "COUNTS_BE=loop", fmt.Sprint("COUNTS_TURNS=", n))
			if err := c.Run(); err != nil {
				fmt.Println(err)
			}
		}
	case "loop":
		n, _ := strconv.ParseUint(os.Getenv("COUNTS_TURNS"), 10, 64)
		Spin(max(1, n))
		return true
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		n, err := strconv.ParseUint(in.Text(), 10, 64)
		if err == nil {
			carryOut(n)
		}
		fmt.Println("done")
	}
	return true
}

// crew is threads that wait for their turns, each of which all of them take.
func crew() (carryOut func(n uint64)) {
	work := make(chan uint64)
	var turns sync.WaitGroup
	for range threads {
		go func() {
			runtime.LockOSThread()
			for n := range work {
				Spin(n)
				turns.Done()
			}
		}()
	}
	return func(n uint64) {
		turns.Add(threads)
		for range threads {
			work <- n
		}
		turns.Wait()
	}
}

// A child is a process that the tests have take turns.
type child struct {
	*exec.Cmd
	loops uint64 // that each of its turns consists of
	in    *json.Encoder
	out   *bufio.Scanner
}

func spawn(t *testing.T, what string) *child {
	t.Helper()
	c := &child{Cmd: exec.Command("/proc/self/exe"), loops: 1}
	if what == "threads" {
		c.loops = threads
	}
	c.Env = append(os.Environ(), "COUNTS_BE="+what)
	in, err1 := c.StdinPipe()
	out, err2 := c.StdoutPipe()
	if err := errors.Join(err1, err2, c.Start()); err != nil {
		t.Fatal(err)
	}
	c.in, c.out = json.NewEncoder(in), bufio.NewScanner(out)
	t.Cleanup(func() {
		in.Close()
		c.Wait()
	})
	return c
}

// leave moves it to a control group of its own.
func (c *child) leave(t *testing.T, to string) {
	t.Helper()
	err := os.Mkdir(to, 0o755)
	if err == nil {
		err = os.WriteFile(to+"/cgroup.procs", []byte(strconv.Itoa(c.Process.Pid)), 0)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// run has it take n turns, and returns when it has.
func (c *child) run(t *testing.T, n uint64) {
	t.Helper()
	if err := c.in.Encode(n); err != nil || !c.out.Scan() || c.out.Text() != "done" {
		t.Fatalf("the child says %q, %v", c.out.Text(), errors.Join(err, c.out.Err()))
	}
}

// A finding is what a child without rights finds of a scope.
type finding struct {
	Reason pmu.Reason
	Hint   string
}

func diagnosis() {
	all := make(map[string]finding)
	for _, d := range pmu.Diagnose(group) {
		var f finding
		var e *pmu.Error
		if errors.As(d.Err, &e) {
			f = finding{e.Reason, e.Hint()}
		}
		all[d.Scope] = f
	}
	others := pmu.Config{Scope: pmu.Processes, User: true, PIDs: func() []int { return []int{1} }}
	m, err := pmu.Open(others)
	var f finding
	var e *pmu.Error
	if errors.As(err, &e) {
		f = finding{e.Reason, e.Hint()}
	} else {
		m.Close()
	}
	all["another's"] = f
	json.NewEncoder(os.Stdout).Encode(all)
}
