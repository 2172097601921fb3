package demo

import (
	"bytes"
	"errors"
	"flag"
	"math"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	got, err := parse(strings.Fields("--listen :1 --metrics= --workers 3 --backlog 4 --keepalive 5s --cpu 6ms --cpu-cv .7 --serial 1ms --steps 14 "+
		"--wait 8ms --wait-cv .9 --memory 1.5 --memory-base 10 --memory-limit 12 --seed 13"), new(bytes.Buffer))
	want := Config{
		Listen: ":1", Workers: 3, Backlog: 4, KeepAlive: 5 * time.Second, CPU: 6 * time.Millisecond, CPUCV: .7, Serial: time.Millisecond, Steps: 14,
		Wait: 8 * time.Millisecond, WaitCV: .9, Memory: 1.5, BaseMemory: 10, MemoryLimit: 12, Seed: 13,
	}
	if err != nil || got != want {
		t.Errorf("parse = %+v, %v, want %+v", got, err, want)
	}
	if got, err := parse(nil, new(bytes.Buffer)); err != nil || got != Default {
		t.Errorf("parse of nothing = %+v, %v, want the defaults", got, err)
	}
	if _, err := parse([]string{"--help"}, new(bytes.Buffer)); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("--help: %v", err)
	}
}

func TestMistakes(t *testing.T) {
	for flags, says := range map[string]string{
		"--workers 0":                      "--workers 0",
		"--workers 5000":                   "--workers 5000",
		"--backlog 0":                      "--backlog 0",
		"--cpu -1s":                        "--cpu -1s",
		"--wait 2h":                        "--wait 2h",
		"--steps -1":                       "--steps -1",
		"--serial 5ms --cpu 1ms":           "--serial 5ms is more",
		"--cpu-cv NaN":                     "--cpu-cv NaN",
		"--wait-cv -1":                     "--wait-cv -1",
		"--memory NaN":                     "--memory NaN",
		"--memory-base -1":                 "--memory-base -1",
		"--memory-limit 1e9":               "--memory-limit 1e+09",
		"--memory 5 --memory-limit 4":      "--memory-limit is less",
		"--listen=":                        "--listen is empty",
		"--nonsense":                       "nonsense",
		"extra":                            `"extra" is not a flag`,
		"--workers 0 --backlog 0 --cpu 2h": "--backlog 0 is not above 0\n--cpu", // all at once
	} {
		t.Run(flags, func(t *testing.T) {
			var said bytes.Buffer
			if code := Main(strings.Fields(flags), &said, &said); code != 2 {
				t.Errorf("exit code %d, want 2", code)
			}
			if !strings.Contains(said.String(), says) {
				t.Errorf("said %q, want %q in it", said.String(), says)
			}
		})
	}
	if c := (Config{CPUCV: math.Inf(1)}); c.Validate() == nil {
		t.Error("an endless variation is accepted")
	}
}
