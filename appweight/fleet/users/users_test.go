package users

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

var secret = []byte("not a secret: 0123456789abcdef")

func salt(t testing.TB) Salt {
	s, err := NewSalt(secret)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func config(format, user string) Config {
	c := Default()
	c.Format, c.User, c.Zone = format, user, time.UTC
	return c
}

// read makes a sketch of text.
func read(t testing.TB, c Config, text string) *Sketch {
	t.Helper()
	r, err := NewReader(c, salt(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Read("access.log", strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	return r.Sketch()
}

// counts is the users of each minute: "12:24 2, 12:25 1".
func counts(t testing.TB, s *Sketch) string {
	t.Helper()
	series, err := s.Series()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, m := range series {
		all = append(all, fmt.Sprintf("%s %.0f", m.At.Format("15:04"), m.Users))
	}
	return strings.Join(all, ", ")
}

// The reference vectors of SipHash-2-4 (key 00..0f, messages of 0, 1, 8 and 15
// bytes).
func TestSipHash(t *testing.T) {
	key := sipKey{0x0706050403020100, 0x0f0e0d0c0b0a0908}
	message := []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}
	for n, want := range map[int]uint64{0: 0x726fdb47dd0e0e31, 1: 0x74f839c593dc67fd, 8: 0x93f5f5799a932462, 15: 0xa129ca6149be45e5} {
		if got := key.hash(message[:n]); got != want {
			t.Errorf("%d bytes: %x, want %x", n, got, want)
		}
	}
}

func TestSalt(t *testing.T) {
	a, other := salt(t), RandomSalt()
	if _, err := NewSalt([]byte("short")); err == nil {
		t.Error("a salt of five bytes was accepted")
	}
	if a.Fingerprint() != salt(t).Fingerprint() || a.Fingerprint() == other.Fingerprint() || len(a.Fingerprint()) != 16 {
		t.Errorf("fingerprints %s, %s", a.Fingerprint(), other.Fingerprint())
	}
	if a.key(1) == a.key(2) || a.key(1) == other.key(1) {
		t.Error("keys are the same for other minutes or salts")
	}
}

// The estimate is right at every size, as its standard error says: over 48
// sketches of each size the mean is within four of its own standard errors and
// the spread is what is promised.
func TestEstimate(t *testing.T) {
	const precision, repeats = 12, 48
	r := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{1, 100, 256, 257, 1000, 3000, 10_000, 30_000, 300_000} {
		var sum, squares, se float64
		for range repeats {
			c := newCounter(precision)
			for range n {
				c.add(r.Uint64() >> (64 - hashBits))
			}
			users, s := c.estimate()
			e := users/float64(n) - 1
			sum, squares, se = sum+e, squares+e*e, s/users
		}
		mean, rms := sum/repeats, math.Sqrt(squares/repeats)
		t.Logf("%7d users: mean error %+.3f%%, rms %.3f%%, promised %.3f%%", n, 100*mean, 100*rms, 100*se)
		if n <= exactLimit(precision) {
			if rms != 0 || se != 0 {
				t.Errorf("%d users are not counted exactly: %v", n, rms)
			}
			continue
		}
		if math.Abs(mean) > 4*se/math.Sqrt(repeats) || rms > 1.4*se {
			t.Errorf("%d users: mean error %v, rms %v, standard error %v", n, mean, rms, se)
		}
	}
}

// A line for each user, minute and server: whom several servers saw is counted
// once, in whatever order and grouping they are merged.
func TestMergeCountsOnce(t *testing.T) {
	c := config(JSON, "field:u")
	c.Precision = 12
	const servers = 6
	var logs [servers]strings.Builder
	r := rand.New(rand.NewPCG(5, 6))
	for user := range 3000 {
		for minute := range 3 {
			for range 4 { // requests, each to any server
				fmt.Fprintf(&logs[r.IntN(servers)], `{"time":"2026-11-20T12:%02d:%02dZ","u":%d}`+"\n", minute, r.IntN(60), user)
			}
		}
	}
	var together strings.Builder
	var files [servers]bytes.Buffer
	added := 0.0
	for i := range logs {
		together.WriteString(logs[i].String())
		s := read(t, c, logs[i].String())
		if _, err := s.WriteTo(&files[i]); err != nil {
			t.Fatal(err)
		}
		series, _ := s.Series()
		added += series[0].Users
	}
	merge := func(order ...int) *Sketch {
		s := &Sketch{}
		for _, i := range order {
			if err := s.Merge(fmt.Sprintf("web%d.users", i), bytes.NewReader(files[i].Bytes())); err != nil {
				t.Fatal(err)
			}
		}
		return s
	}
	one := merge(0, 1, 2, 3, 4, 5)
	half, file := merge(5, 4, 3), bytes.Buffer{}
	half.WriteTo(&file)
	other := merge(2, 1, 1, 0)
	if err := other.Merge("half", &file); err != nil {
		t.Fatal(err)
	}
	want := counts(t, read(t, c, together.String()))
	if got := counts(t, one); got != want {
		t.Errorf("merged %s, one log %s", got, want)
	}
	if got := counts(t, other); got != want {
		t.Errorf("merged in other order and twice %s, one log %s", got, want)
	}
	series, _ := one.Series()
	if e := series[0].Users/3000 - 1; math.Abs(e) > .06 {
		t.Errorf("%v of 3000 users", series[0].Users)
	}
	if added < 2*3000 {
		t.Fatalf("the servers' own counts add up to %v: the test shows nothing", added)
	}
	if len(one.Sources) != servers || one.Sources[3].Name != "web3.users" || one.Sources[0].Lines < 1000 {
		t.Errorf("sources %+v", one.Sources)
	}
}

func TestMergeRefuses(t *testing.T) {
	file := func(c Config, s Salt) *bytes.Buffer {
		r, err := NewReader(c, s)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		r.Sketch().WriteTo(&b)
		return &b
	}
	base := config(JSON, "field:u")
	other := base
	other.User = "field:v"
	coarse := base
	coarse.Precision = 12
	for _, c := range []struct {
		name string
		file *bytes.Buffer
		want string
	}{
		{"salt", file(base, RandomSalt()), "its salt is the one with fingerprint"},
		{"identity", file(other, salt(t)), `its identity is "field:v", and that of the others "field:u"`},
		{"precision", file(coarse, salt(t)), "its precision is 12, and that of the others 16"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &Sketch{}
			if err := s.Merge("web1", file(base, salt(t))); err != nil {
				t.Fatal(err)
			}
			err := s.Merge("web2", c.file)
			var mix *MixError
			if !errors.As(err, &mix) || !strings.Contains(err.Error(), c.want) || mix.Hint() == "" {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	named := other
	named.Identity = "field:u"
	s := &Sketch{}
	for _, c := range []Config{base, named} {
		if err := s.Merge("web", file(c, salt(t))); err != nil {
			t.Errorf("identities of the same name: %v", err)
		}
	}
}

func TestFileDamaged(t *testing.T) {
	c := config(JSON, "field:u")
	c.Precision = 12
	var text strings.Builder
	for u := range 600 {
		fmt.Fprintf(&text, `{"time":%d,"u":%d}`+"\n", 1763640000+u/500*60, u)
	}
	var file bytes.Buffer
	s := read(t, c, text.String())
	n, err := s.WriteTo(&file)
	if err != nil || n != int64(file.Len()) {
		t.Fatalf("%d of %d bytes, %v", n, file.Len(), err)
	}
	if err := (&Sketch{}).Merge("whole", bytes.NewReader(file.Bytes())); err != nil {
		t.Fatal(err)
	}
	var bad *NotSketchError
	for at := 0; at < file.Len(); at += 3 {
		if err := (&Sketch{}).Merge("cut", bytes.NewReader(file.Bytes()[:at])); !errors.As(err, &bad) {
			t.Fatalf("cut at %d: %v", at, err)
		}
		flipped := bytes.Clone(file.Bytes())
		flipped[at] ^= 4
		if err := (&Sketch{}).Merge("flipped", bytes.NewReader(flipped)); err == nil {
			t.Fatalf("a flipped bit in byte %d went unseen", at)
		}
	}
	newer := bytes.Replace(file.Bytes(), []byte("users 1\n"), []byte("users 2\n"), 1)
	if err := (&Sketch{}).Merge("newer", bytes.NewReader(newer)); err == nil || !strings.Contains(err.Error(), "too old") {
		t.Errorf("a newer version: %v", err)
	}
}

// Minutes in any order, more of them than are open, and rotated files, newest
// first and compressed: all is counted where it belongs.
func TestOrderDoesNotMatter(t *testing.T) {
	c := config(JSON, "field:u")
	c.Precision = 12
	r := rand.New(rand.NewPCG(7, 8))
	var lines []string
	for minute := range 3 * openMinutes {
		n := 20
		if minute%16 == 0 {
			n = exactLimit(c.Precision) + 50
		}
		for user := range n {
			lines = append(lines, fmt.Sprintf(`{"ts":%d,"u":"%d"}`+"\n", 1763640000+60*minute+user%60, user))
		}
	}
	want := counts(t, read(t, c, strings.Join(lines, "")))
	r.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	reader, err := NewReader(c, salt(t))
	if err != nil {
		t.Fatal(err)
	}
	var older bytes.Buffer
	z := gzip.NewWriter(&older)
	z.Write([]byte(strings.Join(lines[:len(lines)/2], "")))
	z.Close()
	if err := reader.Read("access.log", strings.NewReader(strings.Join(lines[len(lines)/2:], ""))); err != nil {
		t.Fatal(err)
	}
	if err := reader.Read("access.log.1.gz", &older); err != nil {
		t.Fatal(err)
	}
	if got := counts(t, reader.Sketch()); got != want {
		t.Errorf("shuffled:\n%s\nin order:\n%s", got, want)
	}
	if n := len(reader.Sketch().sealed); n != 2*openMinutes {
		t.Errorf("%d minutes are sealed", n)
	}
}
