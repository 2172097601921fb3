package record

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "run.json")
	link := filepath.Join(dir, "latest.json")
	if err := os.Symlink("run.json", link); err != nil {
		t.Fatal(err)
	}
	for i, to := range []string{path, path, link} {
		want := bytes.Repeat([]byte{'a' + byte(i)}, 100000)
		if err := WriteFile(to, want); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("write %d to %s: %d bytes, %v", i, to, len(got), err)
		}
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link was replaced: %v, %v", info, err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("something was left behind: %v", entries)
	}
}

func TestCheckWritableTouchesNothing(t *testing.T) {
	dir := t.TempDir()
	there, fresh := filepath.Join(dir, "there.json"), filepath.Join(dir, "fresh.json")
	if err := os.WriteFile(there, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{there, fresh, "/dev/null"} {
		if err := CheckWritable(path); err != nil {
			t.Error(err)
		}
	}
	if got, err := os.ReadFile(there); err != nil || string(got) != "{}" {
		t.Errorf("%q, %v", got, err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("something was left behind: %v", entries)
	}
}

func TestWriteFileFails(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		name, path string
		cause      error
		hint       string
	}{
		{"a full disk", "/dev/full", syscall.ENOSPC, "the disk is full"},
		{"no folder", filepath.Join(dir, "none", "run.json"), os.ErrNotExist, "make the folder first"},
		{"a folder", dir, syscall.EISDIR, "name a file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := WriteFile(c.path, []byte("{}"))
			var write *WriteError
			if !errors.As(err, &write) || !errors.Is(err, c.cause) {
				t.Fatalf("error %v, want %v", err, c.cause)
			}
			if c.cause != syscall.ENOSPC { // which only writing finds out
				if err := CheckWritable(c.path); !errors.As(err, new(*WriteError)) || !errors.Is(err, c.cause) {
					t.Errorf("CheckWritable: %v, want %v", err, c.cause)
				}
			}
			if !strings.Contains(write.Hint(), c.hint) || strings.Contains(err.Error(), ".tmp") {
				t.Errorf("%v, hint %q; want %q and no temporary file's name", err, write.Hint(), c.hint)
			}
		})
	}
	t.Run("no permission", func(t *testing.T) {
		if os.Geteuid() == 0 {
			t.Skip("root may write anywhere")
		}
		closed := filepath.Join(dir, "closed")
		if err := os.Mkdir(closed, 0o500); err != nil {
			t.Fatal(err)
		}
		if err := WriteFile(filepath.Join(closed, "run.json"), nil); !errors.Is(err, os.ErrPermission) {
			t.Errorf("error %v", err)
		}
	})
}

// A disk that fills up while the file is written leaves the old one whole.
func TestWriteFileKeepsTheOld(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "run.json")
	if err := WriteFile(path, []byte("old")); err != nil {
		t.Fatal(err)
	}
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Skip("no file size limit here:", err)
	}
	// A limit on the size of files stands for the full disk: a write past it
	// fails part of the way (Go ignores SIGXFSZ).
	small := before
	small.Cur = 4096
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &small); err != nil {
		t.Skip("the file size limit cannot be set:", err)
	}
	err := WriteFile(path, bytes.Repeat([]byte("x"), 100000))
	if restore := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); restore != nil {
		t.Fatal(restore)
	}
	if err == nil {
		t.Fatal("a file larger than the limit was written")
	}
	if got, _ := os.ReadFile(path); string(got) != "old" {
		t.Errorf("the old file is gone: %d bytes", len(got))
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("something was left behind: %v", entries)
	}
}
