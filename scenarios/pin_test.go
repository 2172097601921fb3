package scenarios

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

func TestPin(t *testing.T) {
	for text, want := range map[string]Pin{
		"auto":      {Auto: true},
		"none":      {},
		"0":         {CPUs: []int{0}},
		" 0-1, 3 ":  {CPUs: []int{0, 1, 3}},
		"3,1,1-2,2": {CPUs: []int{1, 2, 3}},
		"8191":      {CPUs: []int{8191}},
	} {
		var got Pin
		if err := got.UnmarshalText([]byte(text)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q is %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", ",", "a", "-1", "1-", "2-1", "8192", "0-99999999999", "1 2", "auto,1"} {
		var got Pin
		if got.UnmarshalText([]byte(text)) == nil {
			t.Errorf("%q is taken as %+v", text, got)
		}
	}
}

func TestPinReadsWhatItWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Pin{Auto: rapid.Bool().Draw(t, "auto")}
		if !want.Auto {
			for cpu, is := range rapid.SliceOfN(rapid.Bool(), 0, 40).Draw(t, "cpus") {
				if is {
					want.CPUs = append(want.CPUs, cpu)
				}
			}
		}
		text, err := want.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var got Pin
		if err := got.UnmarshalText(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%s is %+v, %v; want %+v", text, got, err, want)
		}
	})
}
