// Package prometheus holds the fleet's queries against a real Prometheus:
// Debian's, filled with a day's figures. It is tests only.
package prometheus

import (
	"bufio"
	"context"
	"fmt"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// tool is the path of one of the package's programs; the test is skipped where
// it is not there.
func tool(t *testing.T, name string) string {
	if os.Getenv("SATURATE_STACKS") != "1" {
		t.Skip("needs a real Prometheus: set SATURATE_STACKS=1")
	}
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	path, err := filepath.Abs(filepath.Join("..", "..", ".cache", "prometheus", "usr", "bin", name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Skipf("%s is not here: run testbed/prometheus/install", name)
	}
	return path
}

// A page writes samples in OpenMetrics' text.
type page struct{ w *bufio.Writer }

// series writes one series, a value every step from start on; NaN is a scrape
// that did not happen.
func (p page) series(name string, start time.Time, step time.Duration, values []float64) {
	for i, v := range values {
		if !math.IsNaN(v) {
			fmt.Fprintf(p.w, "%s %s %d\n", name, strconv.FormatFloat(v, 'g', -1, 64), start.Add(time.Duration(i)*step).Unix())
		}
	}
}

// backfill makes a Prometheus's data of what fill writes.
func backfill(t *testing.T, fill func(page)) (data string) {
	promtool := tool(t, "promtool")
	dir := t.TempDir()
	text := filepath.Join(dir, "metrics.txt")
	file, err := os.Create(text)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(file)
	fill(page{w})
	fmt.Fprintln(w, "# EOF")
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	data = filepath.Join(dir, "data")
	do(t, promtool, "tsdb", "create-blocks-from", "--max-block-duration=2000h", "openmetrics", "-q", text, data)
	return data
}

// record adds to a Prometheus's data what our recording rules make of it.
func record(t *testing.T, data string, from, to time.Time) {
	t.Run("rules", func(t *testing.T) {
		address := start(t, data)
		do(t, tool(t, "promtool"), "tsdb", "create-blocks-from", "--max-block-duration=2000h", "rules", "--url", address, "--output-dir", data, "--eval-interval=1m",
			"--start", strconv.FormatInt(from.Unix(), 10), "--end", strconv.FormatInt(to.Unix(), 10), rules)
	})
}

// rules is the file that ships.
const rules = "../../deploy/prometheus/saturate-rules.yml"

// freePort is an address that nobody listens at.
func freePort(t *testing.T, host string) string {
	t.Helper()
	listener, err := net.Listen("tcp", host+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func do(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// start runs a Prometheus over data until the test ends, and returns its address.
func start(t *testing.T, data string, args ...string) string {
	return scraping(t, data, "", args...)
}

// scraping is start with a configuration.
func scraping(t *testing.T, data, text string, args ...string) string {
	server := tool(t, "prometheus")
	config := filepath.Join(t.TempDir(), "prometheus.yml")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	address := freePort(t, "127.0.0.1")
	var log strings.Builder
	c := exec.Command(server, append(args, "--config.file="+config, "--storage.tsdb.path="+data, "--storage.tsdb.retention.time=10y", "--web.listen-address="+address)...)
	c.Stdout, c.Stderr = &log, &log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	t.Cleanup(func() {
		_ = c.Process.Kill()
		<-ended
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		if response, err := http.Get("http://" + address + "/-/ready"); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return "http://" + address
			}
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("prometheus ended: %v\n%s", err, log.String())
		case <-ctx.Done():
			t.Fatal("prometheus is not ready after 30 s")
		case <-time.After(50 * time.Millisecond):
		}
	}
}
