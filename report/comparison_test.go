package report

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"saturate/record"
)

// Both forms say at what load a cost was compared; a side of many servers names
// some of them, and one that nothing stopped says nothing of that.
func TestComparison(t *testing.T) {
	many := record.Subject{Name: "build=new", Repeats: 100}
	for i := range 100 {
		many.Targets = append(many.Targets, fmt.Sprintf("web-%d", i+1))
	}
	c := record.Comparison{Base: record.Subject{Name: "build=old", Repeats: 1, Targets: []string{"web-1"}}, New: many, Measures: []record.Measure{
		{Name: record.MeasureRate, Unit: "req/s", Base: 100, New: 110, Ratio: 1.1},
		{Name: record.MeasureCost, Unit: record.CPUSeconds, Base: .005, New: .004, Ratio: .8, At: "at 100 req/s"},
	}}
	for name, want := range map[string][]string{
		"text":     {"cost per request (at 100 req/s): 5.00 ms of CPU to 4.00 ms of CPU", "target web-1, web-2, web-3, web-4, and 96 more; repeats 100 ", "target web-1; repeats 1 "},
		"markdown": {"| cost per request (at 100 req/s) | 5.00 ms of CPU | 4.00 ms of CPU |"},
	} {
		var b bytes.Buffer
		if err := ComparisonFormats[name](&b, c, Options{}); err != nil {
			t.Fatal(err)
		}
		text := strings.Join(strings.Fields(b.String()), " ")
		for _, part := range want {
			if !strings.Contains(text, part) {
				t.Errorf("no %q in\n%s", part, text)
			}
		}
		if strings.Contains(text, "stopped by") {
			t.Errorf("stopped by nothing:\n%s", text)
		}
	}
}
