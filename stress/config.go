package stress

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Share is a part of a whole; written 0.9 or 90% in a scenario.
type Share float64

// UnmarshalText reads "0.5%" or "0.005".
func (s *Share) UnmarshalText(b []byte) error {
	text, percent := strings.CutSuffix(strings.TrimSpace(string(b)), "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil {
		return fmt.Errorf("%q is not a share: write 0.9 or 90%%", b)
	}
	if percent {
		v /= 100
	}
	*s = Share(v)
	return nil
}

// MarshalText writes the share as a fraction.
func (s Share) MarshalText() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(s), 'g', -1, 64), nil
}

// Config holds the limits: the value of each signal that a healthy server does
// not exceed.
type Config struct {
	// CPU is the share of the CPUs the target may use.
	CPU Share `yaml:"cpu"`
	// Workers is the share of workers busy.
	Workers Share `yaml:"workers"`
	// Memory is the share of the memory limit that is anonymous memory.
	Memory Share `yaml:"memory"`
	// LatencyP99 is the SLO from the intended time. Zero stands for the larger
	// of 500 ms and three times the quiet p99.
	LatencyP99 time.Duration `yaml:"latency_p99"`
	// Errors is the share of failures allowed above the base rate.
	Errors Share `yaml:"errors"`
	// FileDescriptors is the share of the open-files limit.
	FileDescriptors Share `yaml:"file_descriptors"`
	// Conntrack is the share of the connection-tracking table.
	Conntrack Share `yaml:"conntrack"`
	// Network is the share of a link whose speed is known.
	Network Share `yaml:"network"`
	// Metrics are limits for the gauges that a metrics page adds, by their name.
	Metrics map[string]float64 `yaml:"metrics"`
}

// Default holds the limits that apply where a scenario says nothing.
var Default = Config{
	CPU: .90, Workers: .90, Memory: .90, Errors: .005,
	FileDescriptors: .80, Conntrack: .80, Network: .85,
}
