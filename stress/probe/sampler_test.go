package probe

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"saturate/stress"
)

// newFake is a sampler of the given kernel sources and pages, on a clock that
// synctest drives.
func newFake(kernel []*watched, pages ...page) *Sampler {
	start := time.Now()
	s := &Sampler{fresh: -1, boot: "b", kernel: kernel, clock: func() time.Duration { return time.Since(start) + time.Hour }}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	for _, p := range pages {
		s.pages = append(s.pages, newPoller("page", p, s.clock))
	}
	return s
}

// A fakeReader counts its readings as CPU seconds, until it fails.
type fakeReader struct {
	reads float64
	fate
}

// A fate is what befalls a source; the test and the sampler share it.
type fate struct {
	mu    sync.Mutex
	err   error
	panic any
	delay time.Duration
}

func (f *fate) meet(change func(*fate)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *fakeReader) read(s *stress.Sample) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.panic != nil {
		panic(f.panic)
	}
	if f.err != nil {
		return f.err
	}
	f.reads++
	s.Counters[stress.CPUSeconds] = f.reads
	return nil
}

func watch(name string, required bool, r reader) *watched {
	return &watched{Source: Source{Name: name, Required: required}, reader: r, last: -1}
}

// A fakePage answers after a delay, or never.
type fakePage struct {
	n float64
	fate
}

func (f *fakePage) read(ctx context.Context, s *stress.Sample) error {
	f.mu.Lock()
	delay, trip := f.delay, f.panic
	f.mu.Unlock()
	if trip != nil {
		panic(trip)
	}
	select {
	case <-time.After(delay):
	case <-ctx.Done():
		return ctx.Err()
	}
	f.n++
	s.Counters[stress.WorkerBusySeconds], s.Counters[stress.WorkerDeaths] = f.n, 1
	s.Counters[stress.CPUSeconds] = -1 // the kernel knows better
	s.Gauges[stress.WorkersBusy] = f.n
	return nil
}

func (f *fakePage) Close() error { return nil }

// A lazy source is in every other sample, and in all of one who samples seldom.
func TestLazy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lazy := watch("lazy", false, &fakeReader{})
		lazy.lazy = true
		s := newFake([]*watched{lazy})
		var had []bool
		for _, wait := range []time.Duration{Interval, Interval, Interval, Interval, time.Second, time.Second, 0} {
			x, err := s.Once(0)
			if err != nil {
				t.Fatal(err)
			}
			_, has := x.Counters[stress.CPUSeconds]
			had = append(had, has)
			time.Sleep(wait)
		}
		if want := []bool{true, false, true, false, true, true, true}; !slices.Equal(had, want) {
			t.Errorf("it was read %v, want %v", had, want)
		}
		if src := s.Sources()[0]; src.Err != nil || src.Age != 0 {
			t.Errorf("%+v", src)
		}
		s.Close()
	})
}

func TestSampler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake([]*watched{watch("kernel", true, &fakeReader{})}, &fakePage{fate: fate{delay: time.Millisecond}})
		if s.Fresh() != math.MaxInt64 {
			t.Errorf("fresh before the first sample: %v", s.Fresh())
		}
		s.Start()
		time.Sleep(time.Second + Interval/2)
		if s.Fresh() != Interval/2 {
			t.Errorf("the last sample is %v old, want %v", s.Fresh(), Interval/2)
		}
		all := s.Take()
		if len(all) != 6 || len(s.Take()) != 0 {
			t.Fatalf("%d samples in 1.1 s, want 6 and then none", len(all))
		}
		for i, x := range all {
			if x.Seq != uint64(i+1) || x.Boot != "b" || x.At != time.Hour+time.Duration(i)*Interval {
				t.Errorf("sample %d: seq %d, boot %q, at %v", i, x.Seq, x.Boot, x.At)
			}
			if x.Counters[stress.CPUSeconds] != float64(i+1) {
				t.Errorf("sample %d: %v CPU seconds, want %d", i, x.Counters[stress.CPUSeconds], i+1)
			}
			// A page is always one tick behind.
			if v, has := x.Counters[stress.WorkerBusySeconds]; has != (i > 0) || v != float64(i) {
				t.Errorf("sample %d: the page's counter is %v (%v)", i, v, has)
			}
		}
		s.Close()
		time.Sleep(time.Second)
		if n := len(s.Take()); n != 0 {
			t.Errorf("%d samples after the end", n)
		}
		if s.Err() != nil {
			t.Error(s.Err())
		}
	})
}

// TestSamplerKeeps has nobody take the samples.
func TestSamplerKeeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake([]*watched{watch("kernel", true, &fakeReader{})})
		s.Start()
		defer s.Close()
		time.Sleep(10 * time.Minute)
		all := s.Take()
		if len(all) != keep || all[keep-1].Seq-all[0].Seq != keep-1 {
			t.Errorf("%d samples, from %d to %d", len(all), all[0].Seq, all[len(all)-1].Seq)
		}
	})
}

// TestSamplerSilence has sources fail: the lease depends on those required.
func TestSamplerSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		must, may := &fakeReader{}, &fakeReader{}
		s := newFake([]*watched{watch("must", true, must), watch("may", false, may)})
		s.Start()
		time.Sleep(Interval / 2)

		may.meet(func(f *fate) { f.err = hinted("do this", "gone") })
		time.Sleep(time.Second)
		if s.Fresh() > Interval {
			t.Errorf("%v without a source that is not required", s.Fresh())
		}
		src := s.Sources()[1]
		var e *Error
		if !errors.As(src.Err, &e) || e.Source != "may" || e.Hint() != "do this" || src.Age < time.Second {
			t.Errorf("%+v", src)
		}

		must.meet(func(f *fate) { f.err = errors.New("gone too") })
		time.Sleep(time.Second)
		if s.Fresh() < time.Second {
			t.Errorf("the samples are called %v old though a source is silent", s.Fresh())
		}
		last := s.Take()
		if _, has := last[len(last)-1].Counters[stress.CPUSeconds]; has {
			t.Error("a counter of a source that is gone is there")
		}

		must.meet(func(f *fate) { f.err = nil })
		time.Sleep(Interval)
		if s.Fresh() > Interval {
			t.Errorf("%v after it came back", s.Fresh())
		}
		s.Close()
	})
}

// TestSamplerSlowPage has pages that take their time: the kernel's sources are
// read all the same, and what a page said grows old.
func TestSamplerSlowPage(t *testing.T) {
	for _, tt := range []struct {
		name           string
		delay          time.Duration
		gauges, deltas int // samples of 26 that have the page's gauge, counter
		deaths         int
		err            string
	}{
		{"quick", time.Millisecond, 25, 25, 25, ""},
		{"slow", 670 * time.Millisecond, 12, 7, 22, ""}, // a second after the question they are stale
		{"hanging", time.Hour, 0, 0, 0, "no answer within 1s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake([]*watched{watch("kernel", true, &fakeReader{})}, &fakePage{fate: fate{delay: tt.delay}})
				s.Start()
				defer s.Close()
				time.Sleep(5*time.Second + Interval/2)
				all := s.Take()
				var gauges, deltas, deaths int
				for _, x := range all {
					if _, has := x.Gauges[stress.WorkersBusy]; has {
						gauges++
					}
					if _, has := x.Counters[stress.WorkerBusySeconds]; has {
						deltas++
					}
					if _, has := x.Counters[stress.WorkerDeaths]; has {
						deaths++
					}
				}
				if len(all) != 26 || gauges != tt.gauges || deltas != tt.deltas || deaths != tt.deaths {
					t.Errorf("of %d samples %d have the gauge, %d the counter, %d the deaths; want %d, %d, %d of 26", len(all), gauges, deltas, deaths, tt.gauges, tt.deltas, tt.deaths)
				}
				if s.Fresh() > Interval {
					t.Errorf("a page delays the kernel's samples: %v", s.Fresh())
				}
				if src := s.Sources()[1]; src.Required || (src.Err == nil) != (tt.err == "") {
					t.Errorf("%+v", src)
				} else if tt.err != "" {
					contains(t, "error", src.Err.Error(), tt.err)
				}
			})
		})
	}
}

// TestSamplerDeaths has a page fall silent after it told of a death.
func TestSamplerDeaths(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &fakePage{}
		s := newFake([]*watched{watch("kernel", true, &fakeReader{})}, p)
		s.Start()
		defer s.Close()
		time.Sleep(time.Second)
		synctest.Wait()
		p.meet(func(f *fate) { f.delay = time.Hour })
		time.Sleep(5 * time.Second)
		all := s.Take()
		last := all[len(all)-1]
		if _, has := last.Gauges[stress.WorkersBusy]; has || last.Counters[stress.WorkerDeaths] != 1 {
			t.Errorf("%v %v, want the deaths and nothing else of the page", last.Counters, last.Gauges)
		}
		if src := s.Sources()[1]; src.Err == nil || src.Age < 4*time.Second {
			t.Errorf("%+v", src)
		}
	})
}

func TestSamplerPanic(t *testing.T) {
	for name, make := range map[string]func() (*Sampler, *fate){
		"kernel": func() (*Sampler, *fate) {
			r := &fakeReader{}
			return newFake([]*watched{watch("kernel", true, r)}), &r.fate
		},
		"page": func() (*Sampler, *fate) {
			p := &fakePage{}
			return newFake([]*watched{watch("kernel", true, &fakeReader{})}, p), &p.fate
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, trip := make()
				s.Start()
				time.Sleep(time.Second + Interval/2)
				if s.Err() != nil || s.Fresh() > Interval {
					t.Fatal(s.Err(), s.Fresh())
				}
				trip.meet(func(f *fate) { f.panic = "a bug" })
				time.Sleep(time.Second)
				if err := s.Err(); err == nil || !strings.Contains(err.Error(), "panic in probe "+name+": a bug") {
					t.Errorf("%v", err)
				}
				if s.Fresh() < 600*time.Millisecond {
					t.Errorf("the samples are called %v old though none comes", s.Fresh())
				}
				s.Close()
			})
		})
	}
}

// Who samples by a clock of his own sees a page's answer at once where he can
// wait for it, and one sample later where he cannot.
func TestOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := &fakeReader{}
		p := &fakePage{fate: fate{delay: 100 * time.Millisecond}}
		s := newFake([]*watched{watch("kernel", true, broken)}, p)
		defer s.Close()
		for i, c := range []struct {
			patience time.Duration
			want     float64 // of the page
			took     time.Duration
		}{
			{time.Second, 1, 100 * time.Millisecond},
			{0, 0, 0}, // what it said is in the sample before
			{0, 2, 0},
			{time.Second, 4, 200 * time.Millisecond}, // the third was under way
			{50 * time.Millisecond, 0, 50 * time.Millisecond},
		} {
			at := time.Now()
			sample, err := s.Once(c.patience)
			if v := sample.Counters[stress.WorkerBusySeconds]; err != nil || v != c.want {
				t.Errorf("%d: the page's counter is %v, want %v; %v", i, v, c.want, err)
			}
			if took := time.Since(at); took != c.took || sample.Seq != uint64(i+1) || s.Fresh() != 0 {
				t.Errorf("%d: sample %d took %v, want %v; it is %v old", i, sample.Seq, took, c.took, s.Fresh())
			}
			if i != 2 {
				time.Sleep(Interval)
			}
		}
		if len(s.Take()) != 0 {
			t.Error("samples wait for a Take")
		}
		broken.meet(func(f *fate) { f.panic = "a mistake" })
		var bug *Panic
		if _, err := s.Once(0); !errors.As(err, &bug) || bug.Value != "a mistake" {
			t.Errorf("after a panic: %v", err)
		}
	})
}
