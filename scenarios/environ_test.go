package scenarios

import (
	"strings"
	"testing"
)

func TestEnvironment(t *testing.T) {
	t.Setenv("SATURATE_TOKEN", "s3cret-token")
	t.Setenv("SATURATE_MAX", "500")
	t.Setenv("SATURATE_YAML", "a: [b")
	text := least + `name: ${SATURATE_YAML}
labels: {price: $5, literal: "$${SATURATE_TOKEN}"}
ramp: {max: "${SATURATE_MAX}"}
` + "repeat: 2\n"
	text = strings.Replace(text, "{requests:", "{headers: {Authorization: 'Bearer ${SATURATE_TOKEN}'}, requests:", 1)
	s, err := Decode([]byte(text), "x.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for got, want := range map[string]string{
		s.Traffic.Headers["Authorization"]: "Bearer s3cret-token",
		s.Name:                             "a: [b",
		s.Labels["price"]:                  "$5",
		s.Labels["literal"]:                "${SATURATE_TOKEN}",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if s.Ramp.Max != 500 {
		t.Errorf("max = %v", s.Ramp.Max)
	}
	if strings.Contains(s.Text(), "s3cret") || s.Text() != text {
		t.Error("Text has the value of a variable")
	}
	if got := s.Redact(`401 for "Bearer s3cret-token"`); got != `401 for "Bearer ${SATURATE_TOKEN}"` {
		t.Errorf("Redact: %s", got)
	}
}

// TestSecretsStayOut lets every kind of value go wrong that comes from the
// environment.
func TestSecretsStayOut(t *testing.T) {
	for _, secret := range []string{"s3cret-token", "x\ny\"z", "99", "!"} {
		t.Setenv("SECRET", secret)
		for _, text := range []string{
			"stress: {cpu: '${SECRET}'}\n" + least,
			"stress: {latency_p99: '${SECRET}'}\n" + least,
			"ramp: {precision: '${SECRET}', max: '${SECRET}', start: '-${SECRET}'}\n" + least,
			"repeat: '${SECRET}.5'\n" + least,
			"require: ['${SECRET}']\n" + least,
			"name: [a]\n" + strings.ReplaceAll(least, "http://127.0.0.1:8080", "'${SECRET}'"),
			strings.ReplaceAll(least, "{path: /}", "{path: '${SECRET}'}, {path: '/${SECRET} ', body_file: '${SECRET}'}"),
			"targets: [{url: http://a, name: '${SECRET}'}, {url: http://b, name: '${SECRET}'}]\ntraffic: {requests: [{path: /}]}\nname: []",
			strings.Replace(least, "{url", "{pin: '${SECRET}', command: [a], dir: '${SECRET}', probes: {memory_limit: '${SECRET}', cgroup: '${SECRET}'}, url", 1) + "repeat: 0",
		} {
			_, err := Decode([]byte(text), "x.yaml")
			if err == nil {
				continue // 99 and the like are what belongs in some of these places
			}
			for _, m := range err.(Mistakes) {
				if said := m.Problem + m.Hint; strings.Contains(said, secret) {
					t.Errorf("%q is told: %v (hint: %s)", secret, m, m.Hint)
				}
			}
		}
	}
}

func FuzzExpand(f *testing.F) {
	for _, seed := range []string{"", "a", "${A}", "$${A}", "${", "${A", "$$${A}${B}", "${${A}}"} {
		f.Add(seed)
	}
	env := map[string]string{"A": "${B}", "B": "value"}
	f.Fuzz(func(t *testing.T, text string) {
		got, used, err := expand(text, func(name string) (string, bool) { v, ok := env[name]; return v, ok })
		if err == nil && !strings.Contains(text, "${") && (got != text || len(used) > 0) {
			t.Errorf("expand(%q) = %q, %v", text, got, used)
		}
	})
}
