package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestReadme carries out the commands of the README: validate and schema as
// they stand, and run as far as --dry-run goes. The package testbed carries
// out those that measure.
func TestReadme(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(filepath.Join(root, "scenarios"), filepath.Join(dir, "scenarios")); err != nil {
		t.Fatal(err)
	}
	web := regexp.MustCompile("(?s)```yaml\n(# web.yaml\n.*?)```").FindSubmatch(text)
	if web == nil {
		t.Fatal("the README has no web.yaml any more")
	}
	if err := os.WriteFile(filepath.Join(dir, "web.yaml"), web[1], 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)

	var ran int
	command := regexp.MustCompile("(?m)(?:^    |\\$ |`)(?:go run ./cmd/)?saturate ([^`\n#]+)")
	for _, m := range command.FindAllStringSubmatch(string(text), -1) {
		args := strings.Fields(m[1])
		if args[0] == "run" && !slices.Contains(args, "--dry-run") {
			args = append(args, "--dry-run")
		}
		var out, errs bytes.Buffer
		if code := run(args, &environment{stdin: strings.NewReader(""), stdout: &out, stderr: &errs, getenv: os.Getenv}); code != exitOK {
			t.Errorf("saturate %s: exit code %d\n%s", strings.Join(args, " "), code, &errs)
		}
		if out.Len() == 0 {
			t.Errorf("saturate %s printed nothing", strings.Join(args, " "))
		}
		ran++
	}
	if ran < 7 {
		t.Errorf("only %d commands were found in the README", ran)
	}
}
