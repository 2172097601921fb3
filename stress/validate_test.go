package stress

import (
	"math"
	"testing"
	"time"
)

func TestValidate(t *testing.T) {
	if m := Default.Validate(); len(m) > 0 {
		t.Errorf("the defaults: %v", m)
	}
	for _, c := range []struct {
		name   string
		change func(*Config)
		field  string
		hint   string
	}{
		{"a percentage without its sign", func(c *Config) { c.CPU = 90 }, "cpu", "did you mean 90%?"},
		{"more than everything", func(c *Config) { c.Memory = 900 }, "memory", "write a share such as 0.9 or 90%"},
		{"just above", func(c *Config) { c.Workers = Share(math.Nextafter(1, 2)) }, "workers", ""},
		{"negative", func(c *Config) { c.Errors = -.1 }, "errors", ""},
		{"zero", func(c *Config) { c.Network = 0 }, "network", "leave the line out for the default"},
		{"NaN", func(c *Config) { c.Conntrack = Share(math.NaN()) }, "conntrack", ""},
		{"infinite", func(c *Config) { c.FileDescriptors = Share(math.Inf(1)) }, "file_descriptors", ""},
		{"latency", func(c *Config) { c.LatencyP99 = -time.Second }, "latency_p99", ""},
		{"a metric", func(c *Config) { c.Metrics = map[string]float64{"pool": math.NaN()} }, "metrics.pool", ""},
		{"a metric named as a signal", func(c *Config) { c.Metrics = map[string]float64{"cpu": .5} }, "metrics.cpu", "write cpu beside metrics, not below it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := Default
			c.change(&config)
			m := config.Validate()
			if len(m) != 1 || m[0].Field != c.field {
				t.Fatalf("got %v, want one mistake of %s", m, c.field)
			}
			if c.hint != "" && m[0].Hint != c.hint {
				t.Errorf("hint %q, want %q", m[0].Hint, c.hint)
			}
		})
	}
	all := Config{CPU: 2, Workers: -1, Memory: Share(math.NaN())}
	if m := all.Validate(); len(m) != 7 {
		t.Errorf("every mistake at once: %d of 7: %v", len(m), m)
	}
}

func TestValue(t *testing.T) {
	for _, c := range []struct {
		name Signal
		v    float64
		want string
	}{
		{CPU, .8849, "88%"}, {CPU, .0949, "9.5%"}, {Errors, .0031, "0.31%"}, {Errors, 0, "0%"},
		{LatencyP99, .4823, "482 ms"}, {LatencyP99, .0042, "4.20 ms"}, {LatencyP99, 1.5, "1.50 s"}, {LatencyP99, 30, "30.0 s"},
		{MemorySize, 300 << 20, "300 MiB"}, {MemoryLeft, 12.4, "12 s"}, {"pool_used", 7, "7"},
	} {
		if got := Value(c.name, c.v); got != c.want {
			t.Errorf("%s %v: %q, want %q", c.name, c.v, got, c.want)
		}
	}
}

func FuzzShare(f *testing.F) {
	for _, s := range []string{"0.9", "90%", " 5 %", "", "%", "NaN", "1e400"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var s Share
		if s.UnmarshalText([]byte(text)) != nil {
			return
		}
		written, err := s.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var again Share
		if err := again.UnmarshalText(written); err != nil || again != s && !math.IsNaN(float64(s)) {
			t.Fatalf("%q is %v, written %q and read again %v, %v", text, s, written, again, err)
		}
	})
}
