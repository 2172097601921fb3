package agent

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"saturate/stress/probe"
)

// block is the fenced block of docs/agent.md in a language.
func block(t *testing.T, language string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/agent.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindSubmatch(text)
	if found == nil {
		t.Fatalf("docs/agent.md has no block of %s", language)
	}
	return string(found[1])
}

// The commands and the file of docs/agent.md give an agent that streams to the
// controller, and to nobody with a server's certificate.
func TestDocumentedCertificates(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("there is no openssl")
	}
	dir := t.TempDir()
	make := exec.Command("sh", "-e", "-c", block(t, "sh"))
	make.Dir = dir
	if out, err := make.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	write(t, filepath.Join(dir, "web.yml"), block(t, "yaml"))
	a := serving(t, Config{WebConfig: filepath.Join(dir, "web.yml")})
	as := func(who string) probe.Agent {
		return probe.Agent{URL: a.URL(), CA: filepath.Join(dir, "ca.pem"), Cert: filepath.Join(dir, who+".pem"), Key: filepath.Join(dir, who+".key")}
	}
	dial(t, as("controller"))
	if c, err := Dial(t.Context(), as("agent")); err == nil {
		c.Close()
		t.Error("a server's certificate opens a stream")
	} else if !strings.Contains(err.Error(), "tls: bad certificate") && !strings.Contains(err.Error(), "certificate") {
		t.Error(err)
	}
	if w, err := readWeb(a.config.WebConfig); err != nil || !w.TLS || !w.Mutual {
		t.Errorf("%+v %v", w, err)
	}
}

// The units are such that systemd takes them without a word.
func TestUnits(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("there is no systemd-analyze")
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../deploy/systemd")); err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	unit := filepath.Join(dir, "saturate-agent.service")
	for _, file := range []string{unit, unit + ".d/tls.conf"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "=/usr/bin/saturate agent ") {
			t.Errorf("%s starts something else", file)
		}
		write(t, file, strings.ReplaceAll(string(text), "/usr/bin/saturate", program))
	}
	out, err := exec.Command("systemd-analyze", "verify", "--man=no", unit, filepath.Join(dir, "saturate.slice")).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = exec.Command("systemd-analyze", "security", "--offline=true", "--threshold=20", unit).CombinedOutput()
	if err != nil {
		t.Errorf("more exposed than 2.0 of 10: %v\n%s", err, out)
	}
}
