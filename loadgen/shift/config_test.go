package shift

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"saturate/loadgen"
	"saturate/loadgen/shift/balancer"
	"saturate/loadgen/shift/watchdog"
)

func TestValidate(t *testing.T) {
	fine := Default
	fine.Balancer.HAProxy = &balancer.HAProxy{Socket: "/run/haproxy/admin.sock", Backend: "web"}
	for _, c := range []struct {
		name   string
		change func(*Config)
		want   []string // paths
	}{
		{"fine", func(*Config) {}, nil},
		{"no balancer", func(c *Config) { c.Balancer = balancer.Config{} }, []string{"balancer"}},
		{"half a balancer", func(c *Config) { c.Balancer.HAProxy = &balancer.HAProxy{} }, []string{"balancer.haproxy.socket", "balancer.haproxy.backend"}},
		{"a watchdog elsewhere", func(c *Config) {
			c.Balancer, c.Watchdog = balancer.Config{}, watchdog.Remote{URL: "https://lb:9322", CA: "ca", Cert: "cert", Key: "key"}
		}, nil},
		{"half a watchdog", func(c *Config) {
			c.Balancer, c.Watchdog = balancer.Config{}, watchdog.Remote{URL: "https://lb:9322"}
		}, []string{"watchdog.cert", "watchdog.key"}},
		{"both", func(c *Config) {
			c.Watchdog = watchdog.Remote{URL: "https://lb:9322", CA: "ca", Cert: "cert", Key: "key"}
		}, []string{"balancer"}},
		{"all wrong", func(c *Config) {
			c.MaxWeight, c.MaxShare, c.Within, c.MaxConns, c.Headroom = 1, 0, time.Second, -1, Share(math.NaN())
		}, []string{"max_weight", "max_share", "within", "max_conns", "headroom"}},
		{"too much", func(c *Config) { c.MaxWeight, c.MaxShare, c.Within = math.Inf(1), 1.5, 48*time.Hour }, []string{"max_weight", "max_share", "within"}},
	} {
		config := fine
		c.change(&config)
		var got []string
		if err := config.Validate(); err != nil {
			for _, one := range err.(interface{ Unwrap() []error }).Unwrap() {
				m, ok := errors.AsType[*loadgen.Mistake](one)
				if !ok {
					t.Fatalf("%s: %T", c.name, one)
				}
				got = append(got, m.Path)
			}
		}
		if strings.Join(got, " ") != strings.Join(c.want, " ") {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestShareText(t *testing.T) {
	for text, want := range map[string]Share{"25%": .25, " 0.3 ": .3, "1": 1, "12.5 %": .125} {
		var got Share
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
		back, err := got.MarshalText()
		var again Share
		if err != nil || again.UnmarshalText(back) != nil || again != got {
			t.Errorf("%q: written %q, %v", text, back, err)
		}
	}
	var s Share
	if err := s.UnmarshalText([]byte("a quarter")); err == nil {
		t.Error("a quarter is taken for a share")
	}
}
