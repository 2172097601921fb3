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

// TestReadme carries out the commands of the README: run as far as --dry-run
// goes, agent, doctor, fleet and live traffic as far as their flags, the others as they stand.
// The package testbed carries out those that measure.
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
	for _, name := range []string{"new.yaml", "old.yaml"} {
		if err := os.WriteFile(filepath.Join(dir, name), web[1], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env, _ := nights(t) // a history with a baseline and more
	t.Chdir(dir)

	var ran int
	command := regexp.MustCompile("(?m)(?:^    |\\$ |`)(?:go run ./cmd/)?saturate ([^`\n#]+)")
	for _, m := range command.FindAllStringSubmatch(string(text), -1) {
		args := words(m[1])
		if args[0] == "run" && !slices.Contains(args, "--dry-run") {
			args = append(args, "--dry-run")
		}
		if slices.Contains([]string{"agent", "doctor", "fleet"}, args[0]) || slices.Contains(args, "--live") {
			args = append(args, "--help") // the flags are read; what they name is not here
		}
		var out, errs bytes.Buffer
		if code := run(args, &environment{stdin: strings.NewReader(""), stdout: &out, stderr: &errs, getenv: env.getenv}); code != exitOK {
			t.Errorf("saturate %s: exit code %d\n%s", strings.Join(args, " "), code, &errs)
		}
		if toFile := strings.Contains(m[1], "-o html="); out.Len() == 0 && !toFile {
			t.Errorf("saturate %s printed nothing", strings.Join(args, " "))
		}
		ran++
	}
	if ran < 17 {
		t.Errorf("only %d commands were found in the README", ran)
	}
}

// words are a command's, as a shell has them.
func words(line string) []string {
	var all []string
	for _, m := range regexp.MustCompile(`'([^']*)'|"([^"]*)"|(\S+)`).FindAllStringSubmatch(line, -1) {
		all = append(all, m[1]+m[2]+m[3])
	}
	return all
}
