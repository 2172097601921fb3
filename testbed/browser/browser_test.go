// Package browser opens saturate's report in a real browser. It is tests only.
package browser

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	_ "image/png"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// chromium is Debian's, or the test is left out.
func chromium(t *testing.T) string {
	t.Helper()
	if os.Getenv("SATURATE_STACKS") == "" {
		t.Skip("left out: the report in a real browser; set SATURATE_STACKS=1")
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("left out: the report in a real browser: there is no chromium (Debian's package chromium)")
	return ""
}

// open has the browser open a page and returns what it says and prints.
func open(t *testing.T, browser, page string, more ...string) (stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	args := append([]string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--hide-scrollbars", "--enable-logging=stderr",
		"--host-resolver-rules=MAP * ~NOTFOUND", // the browser has wishes of its own
		"--user-data-dir=" + t.TempDir()}, more...)
	c := exec.CommandContext(ctx, browser, append(args, "file://"+page)...)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		t.Fatalf("%v\n%s", err, &errs)
	}
	return out.String(), errs.String()
}

// The page opens at the width of a telephone and of a desk, light and dark, and
// the figures are the record's. The console stays empty, where a request would
// show: the page forbids itself all of them (W3C Content Security Policy).
func TestReportInABrowser(t *testing.T) {
	browser := chromium(t)
	dir := t.TempDir()
	page, record := filepath.Join(dir, "report.html"), "../../report/testdata/browser.json"
	make := exec.Command("go", "run", "saturate/cmd/saturate", "report", record, "-o", "html="+page)
	make.Env = append(os.Environ(), "SATURATE_HISTORY=off")
	if out, err := make.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, width := range []int{375, 1440} {
		for _, scheme := range []string{"light", "dark"} {
			t.Run(fmt.Sprintf("%d %s", width, scheme), func(t *testing.T) {
				shot := filepath.Join(dir, "shot.png")
				_, said := open(t, browser, page, fmt.Sprintf("--window-size=%d,1200", width), "--screenshot="+shot,
					"--blink-settings=preferredColorScheme="+map[string]string{"light": "1", "dark": "0"}[scheme])
				if strings.Contains(said, "CONSOLE") {
					t.Errorf("the console says\n%s", said)
				}
				background(t, shot, scheme == "dark")
			})
		}
	}
	figures(t, browser, page, record)
}

// background tells whether the page is as light or dark as was asked for.
func background(t *testing.T, shot string, dark bool) {
	t.Helper()
	f, err := os.Open(shot)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	picture, _, err := image.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	r, g, b, _ := picture.At(2, 2).RGBA()
	if light := (r+g+b)/3 > 0x8000; light == dark {
		t.Errorf("the corner is %x %x %x, dark is %v", r>>8, g>>8, b>>8, dark)
	}
}

// figures holds what the page shows, as the browser has read it, against the
// record.
func figures(t *testing.T, browser, page, file string) {
	t.Helper()
	dom, _ := open(t, browser, page, "--dump-dom")
	text := strings.Join(strings.Fields(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(dom, " ")), " ")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var r struct {
		Scenario  string
		AppWeight []struct {
			UsersPerServer float64 `json:"users_per_server"`
		}
		Targets []struct {
			Repeats []struct {
				Sustained struct {
					Rate    float64
					AtLimit float64 `json:"at_limit"`
				}
				Bottleneck struct{ Sentence string }
			}
		}
	}
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	repeat := r.Targets[0].Repeats[0]
	for _, want := range []string{r.Scenario, fmt.Sprintf("%.1f users per server", r.AppWeight[0].UsersPerServer),
		fmt.Sprintf("%.0f req/s", repeat.Sustained.Rate), fmt.Sprintf("%.0f req/s", repeat.Sustained.AtLimit), repeat.Bottleneck.Sentence} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	if !strings.Contains(dom, `content="default-src 'none'; style-src 'unsafe-inline'"`) {
		t.Error("the page does not forbid requests")
	}
	if n := strings.Count(dom, "<svg"); n < 3 {
		t.Errorf("%d charts, want 3", n)
	}
}
