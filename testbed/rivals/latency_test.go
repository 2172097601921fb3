package rivals

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"time"
)

// What generators report, each in its own way.

var (
	wrkMean = regexp.MustCompile(`Latency\s+([\d.]+[mun]?s)`)
	wrkP90  = regexp.MustCompile(`90%\s+([\d.]+[mun]?s)`)
)

func wrkLatency(_ load, output string) (l latency, err error) {
	for at, re := range map[*time.Duration]*regexp.Regexp{&l.mean: wrkMean, &l.p90: wrkP90} {
		m := re.FindStringSubmatch(output)
		if m == nil {
			return l, fmt.Errorf("no latency in %q", output)
		}
		if *at, err = time.ParseDuration(m[1]); err != nil {
			return l, err
		}
	}
	return l, nil
}

func fortioLatency(l load, _ string) (latency, error) {
	var found struct {
		DurationHistogram struct {
			Avg         float64
			Percentiles []struct{ Percentile, Value float64 }
		}
	}
	if err := report(l, &found); err != nil {
		return latency{}, err
	}
	h := found.DurationHistogram
	if len(h.Percentiles) != 1 || h.Percentiles[0].Percentile != 90 {
		return latency{}, fmt.Errorf("percentiles %v", h.Percentiles)
	}
	return latency{of(h.Avg, time.Second), of(h.Percentiles[0].Value, time.Second)}, nil
}

func vegetaLatency(l load, _ string) (latency, error) {
	vegeta, err := path(vegetaProgram)
	if err != nil {
		return latency{}, err
	}
	out, err := exec.Command(vegeta, "report", "-type", "json", l.report).Output()
	if err != nil {
		return latency{}, err
	}
	var found struct {
		Latencies struct {
			Mean time.Duration `json:"mean"`
			P90  time.Duration `json:"90th"`
		} `json:"latencies"`
	}
	err = json.Unmarshal(out, &found)
	return latency{found.Latencies.Mean, found.Latencies.P90}, err
}

func k6Latency(l load, _ string) (latency, error) {
	var found struct {
		Metrics struct {
			Duration struct {
				Avg float64 `json:"avg"`
				P90 float64 `json:"p(90)"`
			} `json:"http_req_duration"`
		} `json:"metrics"`
	}
	err := report(l, &found)
	d := found.Metrics.Duration
	return latency{of(d.Avg, time.Millisecond), of(d.P90, time.Millisecond)}, err
}

func report(l load, into any) error {
	text, err := os.ReadFile(l.report)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

func of(n float64, unit time.Duration) time.Duration { return time.Duration(n * float64(unit)) }
