package loadgen

import (
	"errors"
	"testing"
)

func TestChoose(t *testing.T) {
	const plain, secure = "http://a", "https://a"
	for _, test := range []struct {
		config  Config
		targets []string
		want    Choice
	}{
		{Config{}, []string{plain}, Choice{"fast", "HTTP/1.1 without TLS"}},
		{Config{Engine: "auto"}, []string{plain, "unix:///run/a"}, Choice{"fast", "HTTP/1.1 without TLS"}},
		{Config{Engine: "auto"}, []string{plain, secure}, Choice{"vegeta", "fast does not speak TLS"}},
		{Config{Engine: "auto", HTTP2: true}, []string{plain}, Choice{"vegeta", "fast does not speak HTTP/2"}},
		{Config{Engine: "vegeta"}, []string{plain}, Choice{"vegeta", "asked for"}},
		{Config{Engine: "fast"}, []string{plain, "unix:///run/a"}, Choice{"fast", "asked for"}},
		{Config{Engine: "fast"}, []string{secure}, Choice{}},
	} {
		got, err := Choose(test.config, test.targets...)
		if got != test.want || (err != nil) != (test.want == Choice{}) || err != nil && !errors.Is(err, ErrEngine) {
			t.Errorf("%q, http2 %v, %q: %+v, %v", test.config.Engine, test.config.HTTP2, test.targets, got, err)
		}
	}
}
