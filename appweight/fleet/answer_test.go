package fleet

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func decoded(text, want string) (a answer, all []string, err error) {
	a = answer{want: want, keep: map[string]string{"instance": "instance", "a\"b": "quote"}, texts: names{},
		each: func(labels map[string]string, points []point) error {
			all = append(all, fmt.Sprint(maps.Clone(labels), points))
			return nil
		}}
	err = a.decode(strings.NewReader(text))
	return a, all, err
}

func TestAnswer(t *testing.T) {
	for _, c := range []struct {
		name, text, want string
		series           []string
		problem          string
	}{
		{"vector", `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"instance":"a","cpu":"0"},"value":[1700000000.6,"1.5e9"]}, {"metric":{},"value":[1,"NaN"]}]}}`, "vector",
			[]string{"map[instance:a] [{1700000001 1.5e+09}]", "map[] [{1 NaN}]"}, ""},
		{"matrix", `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"1"],[2,"+Inf"]]}]}}`, "matrix",
			[]string{"map[] [{1 1} {2 +Inf}]"}, ""},
		{"escapes", `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"instance":"\u00e4\\\"","a\"b":"\\\\"},"value":[1,"1"]}]}}`, "vector",
			[]string{`map[instance:ä\" quote:\\] [{1 1}]`}, ""},
		{"white space and what we do not know", "{\n \"status\" : \"success\",\"isPartial\":false,\"stats\":{\"x\":[1,null,{}]}, \"data\": {\"resultType\":\"vector\", \"result\": [ ] } }", "vector", nil, ""},
		{"a scalar", `{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}`, "vector", nil, "gives a scalar"},
		{"a histogram", `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"histogram":[1,{}]}]}}`, "vector", nil, "gives a histogram"},
		{"an error with 200", `{"status":"error","errorType":"execution","error":"boom\u001b[31m"}`, "vector", nil, "\"error\": boom\uFFFD[31m"},
		{"html", `<html>`, "vector", nil, "not an answer of a Prometheus-compatible API"},
		{"cut", `{"status":"success","data":{"resultType":"vector","result":[{"metric":{`, "vector", nil, "unexpected EOF"},
		{"empty", ``, "vector", nil, "unexpected EOF"},
		{"deep", `{"x":` + strings.Repeat("[", 100_000), "vector", nil, "not an answer"},
		{"long", `{"x":"` + strings.Repeat("a", 100_000), "vector", nil, "more than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, got, err := decoded(c.text, c.want)
			if c.problem != "" {
				if err == nil || !strings.Contains(err.Error(), c.problem) {
					t.Fatalf("%v, want %q", err, c.problem)
				}
				return
			}
			if err != nil || strings.Join(got, "; ") != strings.Join(c.series, "; ") {
				t.Errorf("%v, %q, want %q", err, got, c.series)
			}
		})
	}
}

// Whatever labels and values there are, what is decoded is what was written.
func TestAnswerProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type one struct {
			Metric map[string]string `json:"metric"`
			Value  [2]any            `json:"value"`
		}
		var body struct {
			Status   string   `json:"status"`
			Warnings []string `json:"warnings"`
			Data     struct {
				ResultType string `json:"resultType"`
				Result     []one  `json:"result"`
			} `json:"data"`
		}
		body.Status, body.Data.ResultType = "success", "vector"
		body.Warnings = rapid.SliceOfN(rapid.String(), 1, 5).Draw(t, "warnings")
		var want []string
		for range rapid.IntRange(1, 5).Draw(t, "series") {
			name, v := rapid.String().Draw(t, "instance"), rapid.Float64().Draw(t, "value")
			body.Data.Result = append(body.Data.Result, one{map[string]string{"instance": name, rapid.StringMatching(`[b-h]+`).Draw(t, "label"): name}, [2]any{12, strconv.FormatFloat(v, 'g', -1, 64)}})
			want = append(want, fmt.Sprint(map[string]string{"instance": printable(name)}, []point{{12, v}}))
		}
		text, err := json.MarshalIndent(body, "", rapid.SampledFrom([]string{"", " "}).Draw(t, "indent"))
		if err != nil {
			t.Fatal(err)
		}
		a, got, err := decoded(string(text), "vector")
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) || fmt.Sprint(a.warnings) != fmt.Sprint(body.Warnings) {
			t.Fatalf("%s\n%v %q %q\nwant %q", text, err, got, a.warnings, want)
		}
	})
}

func FuzzAnswer(f *testing.F) {
	f.Add(`{"status":"success","data":{"resultType":"vector","result":[{"metric":{"instance":"a"},"value":[1,"2"]}]},"warnings":["x"]}`)
	f.Add(`{"status":"success","data":{"resultType":"vector","result":[{"metric":{"instance":"\\\""},"value":[1.5,"NaN"]}]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		a, all, err := decoded(text, "vector")
		if len(all) > strings.Count(text, "{") {
			t.Fatalf("%d series of %q", len(all), text)
		}
		if err == nil && (a.status != "success" || a.got != "vector") {
			t.Fatalf("%q is taken for an answer", text)
		}
	})
}
