package live

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"saturate/internal/supervise"
)

func TestMain(m *testing.M) {
	supervise.Main()
	os.Setenv("GORACE", "atexit_sleep_ms=0") // of the supervisors: a second each
	os.Setenv("SATURATE_HISTORY", "off")     // what a test found is nobody's past
	code := m.Run()
	os.RemoveAll(folder)
	os.Exit(code)
}

// folder is where the program is built, once there is a test that needs it.
var folder = filepath.Join(os.TempDir(), fmt.Sprintf("live-%d", os.Getpid()))

// program is saturate, without the race detector: what measures must not be
// slowed.
var program = sync.OnceValues(func() (string, error) {
	path := filepath.Join(folder, "saturate")
	out, err := exec.Command("go", "build", "-o", path, "../../cmd/saturate").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// tell makes a test without the real servers say what it left out.
func tell(t *testing.T, variable, what string) {
	t.Helper()
	if os.Getenv(variable) == "" {
		t.Skipf("%s: left out; make shows (make quick for SATURATE_STACKS) sets %s=1 and installs the servers", what, variable)
	}
}

// root skips what only root can set up.
func root(t *testing.T, what string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skipf("%s: only root can set that up", what)
	}
}

// rounds is how often something is tried: SATURATE_ROUNDS, or so often.
func rounds(often int) int {
	if n, err := strconv.Atoi(os.Getenv("SATURATE_ROUNDS")); err == nil {
		return n
	}
	return often
}
