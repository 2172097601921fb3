// Package arch holds the house rules that a compiler does not: which way
// imports run, what folders are called, and how long a file gets. It is tests
// only.
package arch

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	module   = "saturate"
	maxLines = 400
)

// mayImport has a row for every folder of packages: what of this module its
// packages may import. Folders below inherit the row of the nearest one above,
// and may import that one and each other.
var mayImport = map[string][]string{
	"loadgen":                {"loadgen/internal/epoll", "loadgen/internal/http1", "loadgen/internal/socket"},
	"loadgen/internal":       {},
	"loadgen/shift":          {"loadgen", "loadgen/shift/balancer", "loadgen/shift/watchdog"},
	"loadgen/shift/balancer": {"internal/disk"},
	"loadgen/shift/watchdog": {"internal/disk", "internal/door", "loadgen/shift/balancer"},
	"stress":                 {},
	"stress/probe":           {"stress", "stress/probe/pmu"},
	"stress/probe/pmu":       {},
	"stress/agent":           {"internal/door", "stress", "stress/probe", "stress/probe/pmu"},
	"appweight":              {},
	"appweight/fleet":        {"appweight"},
	"ramp":                   {"loadgen", "stress"},
	"record":                 {"appweight", "internal/disk", "ramp", "stress"},
	"history":                {"record"},
	"report":                 {"record"},
	"scenarios":              {"appweight", "appweight/fleet", "loadgen", "loadgen/shift", "loadgen/shift/balancer", "ramp", "stress", "stress/probe"},
	"internal":               {},
	"testbed":                {},
	"testbed/live":           {"internal/supervise"},
	"cmd":                    {"*"},
}

var topFolders = []string{
	"cmd", "scenarios", "loadgen", "stress", "appweight", "ramp", "record", "history",
	"report", "internal", "testbed", "deploy", "docs",
	"bin", // what make builds; not checked in
}

var badNames = []string{"util", "utils", "common", "core", "pkg", "manager", "types", "helpers", "misc"}

// A source is one Go file of the module.
type source struct {
	path   string // from the module's root, with slashes
	text   []byte
	syntax *ast.File
}

func (s source) folder() string { return path.Dir(s.path) }
func (s source) isTest() bool   { return strings.HasSuffix(s.path, "_test.go") }

// root is the folder of go.mod.
func root(t *testing.T) string {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test")
		}
		dir = filepath.Dir(dir)
	}
}

func sources(t *testing.T) []source {
	tree := os.DirFS(root(t))
	var all []source
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if d.IsDir() || path.Ext(name) != ".go" {
			return nil
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		syntax, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		all = append(all, source{name, text, syntax})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 20 {
		t.Fatalf("found %d Go files only: is this the module?", len(all))
	}
	return all
}

// rowOf returns the row that holds for a folder, and whether there is one.
func rowOf(folder string) (row string, ok bool) {
	for row = folder; row != "."; row = path.Dir(row) {
		if _, ok := mayImport[row]; ok {
			return row, true
		}
	}
	return "", false
}

// allows reports whether a package in folder from may import the folder to.
func allows(from, to string) bool {
	row, ok := rowOf(from)
	if !ok {
		return false
	}
	if row != from && (to == row || strings.HasPrefix(to, row+"/")) {
		return true
	}
	return slices.ContainsFunc(mayImport[row], func(may string) bool { return may == "*" || may == to })
}

func TestImportsRunOneWay(t *testing.T) {
	for _, s := range sources(t) {
		if _, ok := rowOf(s.folder()); !ok {
			t.Errorf("%s: the folder has no row in mayImport", s.path)
		}
		for _, spec := range s.syntax.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			to, ours := strings.CutPrefix(name, module+"/")
			if ours && !s.isTest() && !allows(s.folder(), to) {
				t.Errorf("%s imports %s: imports run one way, see mayImport", s.path, to)
			}
		}
	}
}

func TestAllows(t *testing.T) {
	for _, c := range []struct {
		from, to string
		want     bool
	}{
		{"ramp", "stress", true},
		{"stress", "ramp", false},
		{"stress", "stress/probe", false},
		{"stress/probe", "stress", true},
		{"stress/probe/pmu", "stress/probe", false},
		{"ramp/internal/sim", "ramp", true},
		{"ramp", "ramp/internal/sim", false},
		{"record", "loadgen", false},
		{"cmd/saturate", "record", true},
		{"internal/demo", "stress", false},
		{"newcomer", "stress", false},
	} {
		if got := allows(c.from, c.to); got != c.want {
			t.Errorf("%s imports %s: allowed = %v", c.from, c.to, got)
		}
	}
}

func TestFoldersAreNamedForTheirStation(t *testing.T) {
	entries, err := os.ReadDir(root(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") && !slices.Contains(topFolders, e.Name()) {
			t.Errorf("%s/ is not a folder of the house", e.Name())
		}
	}
	for _, s := range sources(t) {
		for part := range strings.SplitSeq(s.folder(), "/") {
			if slices.Contains(badNames, part) {
				t.Errorf("%s: %q says nothing; name the folder for what it does", s.path, part)
			}
		}
		name, folder := strings.TrimSuffix(s.syntax.Name.Name, "_test"), path.Base(s.folder())
		if name != folder && name != "main" {
			t.Errorf("%s: package %s in folder %s", s.path, name, folder)
		}
	}
}

func TestFilesStayShort(t *testing.T) {
	for _, s := range sources(t) {
		if lines := bytes.Count(s.text, []byte("\n")); !s.isTest() && lines > maxLines {
			t.Errorf("%s has %d lines; split it (at most %d)", s.path, lines, maxLines)
		}
	}
}

// TestPackagesSayWhatTheyDo wants a package comment, and no work at import time.
func TestPackagesSayWhatTheyDo(t *testing.T) {
	said := map[string]bool{}
	for _, s := range sources(t) {
		if s.isTest() {
			continue
		}
		said[s.folder()] = said[s.folder()] || s.syntax.Doc != nil
		for _, d := range s.syntax.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s has an init(): wire things in main", s.path)
			}
		}
	}
	for folder, ok := range said {
		if !ok {
			t.Errorf("%s has no package comment", folder)
		}
	}
}
