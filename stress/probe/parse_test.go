package probe

import (
	"errors"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"saturate/stress"
	"saturate/stress/probe/pmu"
)

func TestBytes(t *testing.T) {
	for text, want := range map[string]Bytes{
		"300MiB": 314572800, "1.5GiB": 1610612736, "314572800": 314572800, "500MB": 500e6, "2 kB": 2000,
		"1KiB": 1024, "0": 0, "1g": 1e9, "1GI": 1 << 30, "7B": 7, " 12 ": 12, "1TiB": 1 << 40, "3pb": 3e15,
	} {
		var b Bytes
		if err := b.UnmarshalText([]byte(text)); err != nil || b != want {
			t.Errorf("%q is %d (%v), want %d", text, b, err, want)
		}
	}
	for _, text := range []string{"", "MiB", "-1", "1.2.3", "1XiB", "1iB", "1i", "NaN", "Inf", "1e3", "9999999PB", "0x10", "1 Mi B", "1kg"} {
		var b Bytes
		if err := b.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %d, want an error", text, b)
		}
	}
}

func FuzzBytes(f *testing.F) {
	f.Add("300MiB")
	f.Add("1.5 G")
	f.Fuzz(func(t *testing.T, text string) {
		var b, again Bytes
		if b.UnmarshalText([]byte(text)) != nil {
			return
		}
		plain, err := b.MarshalText()
		if err != nil || b < 0 || again.UnmarshalText(plain) != nil {
			t.Fatalf("%q is %d, and %q is no size", text, b, plain)
		}
		if math.Abs(float64(again-b)) > float64(b)*1e-15 {
			t.Fatalf("%q is %d, written and read again %d", text, b, again)
		}
	})
}

func TestCPUs(t *testing.T) {
	for list, want := range map[string]cpuSet{
		"0": {0}, "0-3,8\n": {0, 1, 2, 3, 8}, "": nil, "\n": nil, "5,1-2,2": {1, 2, 5},
	} {
		if got, err := parseCPUs(list); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q is %v (%v), want %v", list, got, err, want)
		}
	}
	for _, list := range []string{"a", "3-1", "-1", "0-99999999", "0,,1", "1-"} {
		if got, err := parseCPUs(list); err == nil {
			t.Errorf("%q is %v, want an error", list, got)
		}
	}
	if got := (cpuSet{0, 2, 4}).and(cpuSet{1, 2, 3, 4}); !slices.Equal(got, cpuSet{2, 4}) {
		t.Errorf("intersection %v", got)
	}
	if got := (cpuSet{0, 4}).or(cpuSet{1, 4}); !slices.Equal(got, cpuSet{0, 1, 4}) {
		t.Errorf("union %v", got)
	}
}

func TestPSI(t *testing.T) {
	some, full := parsePSI(sample(t, "cg_cpu_pressure_throttled.txt"))
	if some == nil || full == nil || *some != 141.283114 || *full != 31.650282 {
		t.Errorf("some %v, full %v", some, full)
	}
	some, full = parsePSI("some avg10=0.00 avg60=0.00 avg300=0.00 total=7\n") // cpu before Linux 5.13
	if some == nil || *some != 7e-6 || full != nil {
		t.Errorf("some %v, full %v, want 7e-6 and none", some, full)
	}
}

// A name with brackets and blanks in it, and what is in every field.
const aStat = "77 (a) b (c)) S 42 77 77 0 -1 4194304 9 9 5 6 150 50 1000 200 20 0 3 0 126724 3133440 384 18446744073709551615 1 1 0"

func TestProcessFiles(t *testing.T) {
	p, err := parseStat(aStat)
	want := procStat{state: 'S', parent: 42, majflt: 11, own: 2, reaped: 12, threads: 3, start: 126724}
	if err != nil || p != want {
		t.Errorf("stat %+v (%v), want %+v", p, err, want)
	}
	if _, err := parseStat("77 (cut) S 42 77"); err == nil {
		t.Error("a stat cut short was read")
	}

	anon, cpus, ok := parseStatus("Name:\tpython\nRssAnon:\t     112 kB\nCpus_allowed:\t3\nCpus_allowed_list:\t0-1\n")
	if !ok || anon != 112*1024 || !slices.Equal(cpus, cpuSet{0, 1}) {
		t.Errorf("status: anon %v, CPUs %v, %v", anon, cpus, ok)
	}
	if _, _, ok := parseStatus("Name:\tkworker\nCpus_allowed_list:\t0\n"); ok {
		t.Error("a kernel thread has anonymous memory")
	}

	most, ok := parseOpenFilesLimit("Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 524288               files     \n")
	if !ok || most != 1024 {
		t.Errorf("open files limit %v %v", most, ok)
	}
	if most, ok = parseOpenFilesLimit("Max open files            unlimited            unlimited            files\n"); ok {
		t.Errorf("unlimited is %v", most)
	}
	if delay, ok := parseSchedstat("834089 21005857 9\n"); !ok || delay != .021005857 {
		t.Errorf("delay %v %v", delay, ok)
	}
}

func FuzzProcessFiles(f *testing.F) {
	f.Add(aStat)
	f.Add("RssAnon:\t112 kB\nCpus_allowed_list:\t0-1\n")
	f.Add("Max open files 1024 524288 files")
	f.Add("1 2 3")
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := parseStat(text); err == nil && (p.own < 0 || p.reaped < 0 || p.majflt < 0) {
			t.Errorf("%q: %+v", text, p)
		}
		if anon, cpus, _ := parseStatus(text); anon < 0 || len(cpus) > pmu.MostCPUs {
			t.Errorf("%q: %v %d", text, anon, len(cpus))
		}
		parseOpenFilesLimit(text)
		if delay, _ := parseSchedstat(text); delay < 0 {
			t.Errorf("%q: %v", text, delay)
		}
	})
}

const aHostStat = `cpu  300 0 60 9000 7 1 2 9 0 0
cpu0 100 10 50 4000 5 1 2 3 40 0
cpu1 200 0 10 5000 2 0 0 6 0 0
intr 12345 0 0 0
ctxt 99
btime 1795223421
processes 20
procs_running 4
procs_blocked 1
`

func TestHostStat(t *testing.T) {
	cpus, running, err := parseHostStat(aHostStat)
	if err != nil || running != 4 || len(cpus) != 2 {
		t.Fatalf("%v, %v running (%v)", cpus, running, err)
	}
	if want := (cpuTime{busy: 1.63, steal: .03}); cpus[0] != want {
		t.Errorf("cpu0 %v, want %v", cpus[0], want)
	}
	for _, text := range []string{"", "cpu0 1 2\n", "cpu0 1 2 3 4 5 6 7 x\n", "cpux 1 2 3 4 5 6 7 8\n"} {
		if cpus, _, err := parseHostStat(text); err == nil {
			t.Errorf("%q is %v", text, cpus)
		}
	}
}

func TestNetworkFiles(t *testing.T) {
	snmp := "Tcp: RtoMax MaxConn OutSegs RetransSegs\nTcp: 120000 -1 4259 7\nUdp: InDatagrams\nUdp: 3\n"
	names := map[string]stress.Counter{"MaxConn": "max", "OutSegs": "out", "RetransSegs": "again", "B": "b"}
	v, err := parseProtocol(snmp, "Tcp", names)
	if _, has := v["max"]; err != nil || v["out"] != 4259 || v["again"] != 7 || has || len(v) != 2 {
		t.Errorf("Tcp %v (%v)", v, err)
	}
	for _, text := range []string{"", "Tcp: A B\n", "Tcp: A B\nTcp: 1\n", "Tcp: A B\nTcp: 1 2 3\n"} {
		if v, err := parseProtocol(text, "Tcp", names); err == nil {
			t.Errorf("%q is %v", text, v)
		}
	}
	if n, err := parseSoftnet("00000013 0000000a 00000000\n000015c7 00000001 00000000\n"); err != nil || n != 11 {
		t.Errorf("softnet %v (%v)", n, err)
	}
	dev := parseNetDev("Inter-|   Receive  |  Transmit\n face |bytes packets errs drop fifo frame compressed multicast|bytes packets\n" +
		"  eth0: 1000 10 0 0 0 0 0 0 2000 20 0 0 0 0 0 0\n")
	if len(dev) != 2 || dev["eth0 rx"] != 1000 || dev["eth0 tx"] != 2000 {
		t.Errorf("links %v", dev)
	}
}

func TestParseKeyed(t *testing.T) {
	const text = "MemTotal:       2048 kB\nnr_free 7\n  indented   9\nname eth0\nempty\nHugePages_Total:       0\n"
	all := parseKeyed(text)
	want := map[string]float64{"MemTotal": 2048, "nr_free": 7, "indented": 9, "HugePages_Total": 0}
	if !maps.Equal(all, want) {
		t.Errorf("%v, want %v", all, want)
	}
	if some := parseKeyed(text, "MemTotal", "name", "absent"); !maps.Equal(some, map[string]float64{"MemTotal": 2048}) {
		t.Errorf("%v", some)
	}
}

// A file longer than is read at once is read whole, and what cannot be read says
// so as package os does.
func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	long := strings.Repeat("0123456789", chunk/5)
	for _, text := range []string{"", "a\n", long[:chunk], long} {
		file := filepath.Join(dir, "file")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := readFile(file); got != text || err != nil {
			t.Errorf("%d bytes of %d, %v", len(got), len(text), err)
		}
	}
	var where *fs.PathError
	if _, err := readFile(dir); !errors.As(err, &where) || where.Op != "read" || where.Path != dir {
		t.Errorf("a directory: %v", err)
	}
	if _, err := readFile(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) || !errors.As(err, &where) {
		t.Errorf("no file: %v", err)
	}
}

func FuzzKernelFiles(f *testing.F) {
	f.Add(aHostStat)
	f.Add("Tcp: A B\nTcp: 1 2\n")
	f.Add("  eth0: 1000 10 0 0 0 0 0 0 2000 20\n")
	f.Add("some avg10=0.00 total=7\nfull avg10=0.00 total=9\n")
	f.Add("00000013 0000000a 00000000\n")
	f.Fuzz(func(t *testing.T, text string) {
		if cpus, running, err := parseHostStat(text); err == nil {
			for cpu, c := range cpus {
				if c.busy < 0 || c.steal < 0 || running < 0 {
					t.Errorf("%q: cpu%d %+v", text, cpu, c)
				}
			}
		}
		parseProtocol(text, "Tcp", map[string]stress.Counter{"A": "a"})
		parseSoftnet(text)
		for _, v := range parseNetDev(text) {
			if v < 0 {
				t.Errorf("%q: %v", text, v)
			}
		}
		for _, v := range parseKeyed(text) {
			if v < 0 {
				t.Errorf("%q: %v", text, v)
			}
		}
		if some, full := parsePSI(text); some != nil && *some < 0 || full != nil && *full < 0 {
			t.Errorf("%q: %v %v", text, some, full)
		}
	})
}

// sample is a file that a real server or kernel wrote.
func sample(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// plant writes files below a new directory, which is then a machine's root.
func plant(t testing.TB, files map[string]string) rootFS {
	t.Helper()
	root := t.TempDir()
	write(t, rootFS(root), files)
	return rootFS(root)
}

func write(t testing.TB, root rootFS, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := root.path(name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func blank() *stress.Sample {
	s := newSample(0)
	return &s
}

// hint is what an error advises.
func hint(err error) string {
	if e, ok := err.(*Error); ok {
		return e.Remedy
	}
	return ""
}

func contains(t *testing.T, what, text, part string) {
	t.Helper()
	if !strings.Contains(text, part) {
		t.Errorf("%s is %q, want %q in it", what, text, part)
	}
}

// A kept file is opened once, read anew each time, and opened anew after it
// could not be read.
func TestKeptFiles(t *testing.T) {
	root := rootFS(t.TempDir())
	put := func(name, text string) {
		if err := os.WriteFile(root.path(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	k := keptFiles{rootFS: root}
	if _, err := k.read("stat"); !errors.Is(err, fs.ErrNotExist) || len(k.open) != 0 {
		t.Errorf("no file: %v", err)
	}
	for _, text := range []string{"one", strings.Repeat("two", chunk), "", "three"} {
		put("stat", text)
		if got, err := k.read("stat"); got != text || err != nil || len(k.open) != 1 {
			t.Errorf("%.10q of %d bytes, want %.10q; %v", got, len(got), text, err)
		}
	}
	fd := k.open[root.path("stat")]
	unix.Close(fd)
	if _, err := k.read("stat"); !errors.Is(err, unix.EBADF) || len(k.open) != 0 {
		t.Errorf("a file that cannot be read: %v", err)
	}
	if got, err := k.read("stat"); got != "three" || err != nil {
		t.Errorf("anew: %q, %v", got, err)
	}
	k.Close()
	k.Close()
	if len(k.open) != 0 {
		t.Error("files are left open")
	}
}
