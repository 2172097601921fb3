package history

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"saturate/record"
)

// TestMain makes of the test a process that writes to a history, where it is
// asked to: one that can be killed.
func TestMain(m *testing.M) {
	if path := os.Getenv("HISTORY_TEST_PATH"); path != "" {
		if err := writeUntilKilled(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// writeUntilKilled adds records and prints the ID of each that was acknowledged.
func writeUntilKilled(path string) error {
	ctx := context.Background()
	db, err := Open(ctx, Config{Path: path})
	if err != nil {
		return err
	}
	defer db.Close()
	n, err := strconv.Atoi(os.Getenv("HISTORY_TEST_RECORDS"))
	if err != nil {
		return err
	}
	for i := range n {
		r := feed(i, target("web-1", "zen4", hold(1, 160)), target("web-2", "zen5", hold(1, 320)))
		for range 40 { // several pages of it
			r.Targets[0].Repeats[0].Steps = append(r.Targets[0].Repeats[0].Steps, record.Step{Phase: "hold", Why: []string{r.ID}})
		}
		if err := db.Add(ctx, r); err != nil {
			return err
		}
		fmt.Println(r.ID)
	}
	return nil
}

// writer starts such a process. What it acknowledges comes over the channel,
// which is closed when it has ended.
func writer(t *testing.T, path string, records int) (*exec.Cmd, <-chan string) {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), "HISTORY_TEST_PATH="+path, fmt.Sprintf("HISTORY_TEST_RECORDS=%d", records))
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	acknowledged := make(chan string, 100000)
	go func() {
		defer close(acknowledged)
		for s := bufio.NewScanner(out); s.Scan(); {
			if len(s.Text()) == 26 { // the last line may be cut off
				acknowledged <- s.Text()
			}
		}
	}()
	return c, acknowledged
}

// whole checks that a history has these records, and that all it has is whole.
func whole(t *testing.T, path string, ids []string) int {
	t.Helper()
	db, err := Open(t.Context(), Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, id := range ids {
		if d, err := db.Find(t.Context(), id); err != nil {
			t.Errorf("an acknowledged record is lost: %v", err)
		} else if r, err := d.Record(); err != nil || len(r.Targets) != 2 || len(r.Targets[0].Repeats[0].Steps) != 41 {
			t.Errorf("half a record: %v", err)
		}
	}
	var ok string
	if err := db.sql.QueryRow("PRAGMA integrity_check").Scan(&ok); err != nil || ok != "ok" {
		t.Errorf("integrity check: %s, %v", ok, err)
	}
	n := rowsOf(t, db, "documents")
	if entries, labels := rowsOf(t, db, "entries"), rowsOf(t, db, "labels"); entries != 2*n || labels != 6*n {
		t.Errorf("%d records have %d entries and %d labels", n, entries, labels)
	}
	return n
}

// Whenever a writer is killed, what it had acknowledged is there, and whole.
// SATURATE_SHOWS=1 kills 200 times.
func TestKilledInMidWrite(t *testing.T) {
	kills := 15
	if os.Getenv("SATURATE_SHOWS") != "" {
		kills = 200
	}
	path := filepath.Join(t.TempDir(), "history.db")
	var ids []string
	for i := range kills {
		c, acknowledged := writer(t, path, 100000)
		if i%3 > 0 { // the others are killed while they start
			ids = append(ids, <-acknowledged)
		}
		time.Sleep(time.Duration(rand.IntN(50)) * time.Millisecond)
		if err := c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for id := range acknowledged {
			ids = append(ids, id)
		}
		if err := c.Wait(); err == nil || c.ProcessState.Exited() {
			t.Fatalf("it ended by itself: %v", err)
		}
	}
	n := whole(t, path, ids)
	if len(ids) == 0 || n < len(ids) || n > len(ids)+kills {
		t.Errorf("%d records of %d acknowledged after %d kills", n, len(ids), kills)
	}
	t.Logf("%d kills, %d records acknowledged, %d there", kills, len(ids), n)
}

// Writers wait for each other, from the first that makes the file on.
func TestManyWriters(t *testing.T) {
	const writers, each = 8, 15
	path := filepath.Join(t.TempDir(), "history.db")
	var all []*exec.Cmd
	var outs []<-chan string
	for range writers {
		c, out := writer(t, path, each)
		all, outs = append(all, c), append(outs, out)
	}
	var ids []string
	for i, c := range all {
		for id := range outs[i] {
			ids = append(ids, id)
		}
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
	}
	if n := whole(t, path, ids); len(ids) != writers*each || n != len(ids) {
		t.Errorf("%d records of %d acknowledged, want %d", n, len(ids), writers*each)
	}
}

// tmpfs is a small disk of its own.
func tmpfs(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("cannot mount a disk to fill (root may): %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestFullDisk(t *testing.T) {
	path := filepath.Join(tmpfs(t, "size=1m"), "history.db")
	db := open1(t, path)
	var ids []string
	var err error
	for i := 0; err == nil && i < 10000; i++ {
		r := feed(i, target("web-1", "zen4", hold(1, 160)))
		if err = db.Add(t.Context(), r); err == nil {
			ids = append(ids, r.ID)
		}
	}
	var e *Error
	if !errors.As(err, &e) || !strings.Contains(err.Error(), "no room") || !strings.Contains(e.Hint(), "make room") {
		t.Fatalf("%v, hint %q", err, hintOf(err))
	}
	db.Close()
	look, err := Open(t.Context(), Config{Path: path, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer look.Close()
	if n := rowsOf(t, look, "documents"); n != len(ids) || n == 0 {
		t.Errorf("%d records of %d acknowledged", n, len(ids))
	}
}

func TestNoPermission(t *testing.T) {
	refused := func(t *testing.T, path string) {
		t.Helper()
		db, err := Open(t.Context(), Config{Path: path})
		if err == nil {
			defer db.Close()
			err = db.Add(t.Context(), feed(9))
		}
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(e.Hint(), "--history FILE") {
			t.Errorf("%v, hint %q", err, hintOf(err))
		}
	}
	readable := func(t *testing.T, path string) {
		t.Helper()
		db, err := Open(t.Context(), Config{Path: path, ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if n := rowsOf(t, db, "documents"); n != 1 {
			t.Errorf("%d records", n)
		}
	}
	t.Run("read-only disk", func(t *testing.T) {
		dir := tmpfs(t, "size=1m")
		path := filepath.Join(dir, "history.db")
		db := open1(t, path)
		add1(t, db, feed(0))
		db.Close()
		if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			t.Fatal(err)
		}
		refused(t, path)
		refused(t, filepath.Join(dir, "new", "history.db"))
		readable(t, path)
	})
	t.Run("read-only folder", func(t *testing.T) {
		if os.Geteuid() == 0 {
			t.Skip("root may write anywhere")
		}
		dir := t.TempDir()
		path := filepath.Join(dir, "history.db")
		db := open1(t, path)
		add1(t, db, feed(0))
		db.Close()
		if err := os.Chmod(dir, 0o500); err != nil {
			t.Fatal(err)
		}
		defer os.Chmod(dir, 0o700)
		refused(t, filepath.Join(dir, "new.db"))
		readable(t, path)
	})
}
