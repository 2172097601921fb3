package probe

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"saturate/stress"
)

// TestMain lets the test binary be a server in a network namespace of its own.
func TestMain(m *testing.M) {
	if address := os.Getenv("PROBE_TEST_LISTEN"); address != "" {
		listenUntilEOF(address)
		return
	}
	os.Exit(m.Run())
}

func listenUntilEOF(address string) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		os.Exit(1)
	}
	defer ln.Close()
	os.Stdout.WriteString("ready\n")
	bufio.NewReader(os.Stdin).ReadString('\n')
}

// TestNetworkNamespace has the target in a namespace of its own, as containers
// are: its accept queue and its TCP counters are read there.
func TestNetworkNamespace(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may make a network namespace")
	}
	const address = "0.0.0.0:48080"
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PROBE_TEST_LISTEN="+address)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	in, out := pipes(t, cmd)
	if err := cmd.Start(); err != nil {
		t.Skipf("no network namespace can be made here: %v", err)
	}
	defer cmd.Wait()
	defer in.Close()
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}

	s, err := Open(Config{PID: cmd.Process.Pid, Listen: address}, Target{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.tick()
	x := s.Take()[0]
	if x.Gauges[stress.AcceptQueueLimit] == 0 {
		t.Errorf("the listener was not found: %+v", s.Sources())
	}
	if out, has := x.Counters[stress.SegmentsOut]; !has || out != 0 {
		t.Errorf("%v segments left a namespace without a network (%v)", out, has)
	}

	ours, err := Open(Config{PID: os.Getpid(), Listen: address}, Target{})
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	ours.tick()
	if y := ours.Take()[0]; y.Gauges[stress.AcceptQueueLimit] != 0 {
		t.Error("a listener of another namespace was found in ours")
	}
}
