package fleet

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A fake is an API in memory: a fleet of so many servers of 64 CPUs in five
// generations, and the limits of a Prometheus that nobody has configured.
type fake struct {
	servers int
	missing int // servers that the exporter is missing on
}

const (
	fakeCPUs       = 64
	fakeScrape     = 15
	fakeSamples    = 50_000_000
	fakePoints     = 11_000
	fakePerSecond  = 100e9
	fakeGeneration = 5
)

var fakeRange = regexp.MustCompile(`([a-z_:0-9]+)(?:\{[^}]*\})?\[(\d+)s\]`)

// samples is how many a query touches: all that its ranges select.
func (f fake) samples(query string) int {
	total := 0
	for _, m := range fakeRange.FindAllStringSubmatch(query, -1) {
		seconds, _ := strconv.Atoi(m[2])
		series := f.servers
		switch m[1] {
		case "node_perf_instructions_total":
			series *= fakeCPUs
		case "node_cpu_seconds_total":
			series *= fakeCPUs * 5
		}
		total += series * max(1, seconds/fakeScrape)
	}
	return total
}

func (f fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.FormValue("query")
	if n := f.samples(query); n > fakeSamples {
		w.WriteHeader(http.StatusUnprocessableEntity)
		fmt.Fprint(w, `{"status":"error","errorType":"execution","error":"query processing would load too many samples into memory in query execution"}`)
		return
	}
	out := bufio.NewWriterSize(w, 1<<16)
	defer out.Flush()
	if strings.HasSuffix(r.URL.Path, "/query_range") {
		f.users(w, out, r)
		return
	}
	at := r.FormValue("time")
	fmt.Fprint(out, `{"status":"success","data":{"resultType":"vector","result":[`)
	switch {
	case strings.HasPrefix(query, "quantile"):
		fmt.Fprintf(out, `{"metric":{"job":"saturate"},"value":[%s,"%g"]}`, at, rangeOf(query)/fakeScrape)
	case strings.Contains(query, "(count_over_time((up"):
		f.vector(out, at, f.servers, 15, "", true)
	case strings.Contains(query, "(last_over_time(("):
		f.vector(out, at, f.servers, 1, "", true)
	case strings.Contains(query, "sum_over_time"):
		f.vector(out, at, f.servers-f.missing, fakePerSecond*rangeOf(query)/60, "host", false)
	case strings.Contains(query, "count_over_time(("):
		f.vector(out, at, f.servers-f.missing, rangeOf(query)/60, "host", false)
	case strings.Contains(query, "count_over_time"):
		f.vector(out, at, f.servers-f.missing, rangeOf(query)/fakeScrape, "host", false)
	case strings.Contains(query, "(increase(saturate_cpu") || strings.Contains(query, "(increase(node_cpu"):
		f.vector(out, at, f.servers-f.missing, 40*rangeOf(query), "host", false)
	case strings.Contains(query, "(increase("):
		f.vector(out, at, f.servers-f.missing, fakePerSecond*rangeOf(query), "host", false)
	}
	io.WriteString(out, `]}}`)
}

// rangeOf is the first range of a query, as whole minutes where it is of a
// subquery.
func rangeOf(query string) float64 {
	m := regexp.MustCompile(`\[(\d+)s`).FindStringSubmatch(query)
	n, _ := strconv.ParseFloat(m[1], 64)
	if strings.Contains(query, "count_over_time") || strings.Contains(query, ":1m]") {
		n++ // a window without its beginning
	}
	return n
}

func (f fake) vector(w *bufio.Writer, at string, n int, value float64, scope string, info bool) {
	comma := ""
	for i := range n {
		fmt.Fprintf(w, `%s{"metric":{"instance":"web-%06d.example.net:9321","job":"saturate"`, comma, i)
		comma = ","
		if scope != "" {
			fmt.Fprintf(w, `,"scope":%q`, scope)
		}
		if info {
			fmt.Fprintf(w, `,"generation":"g%d","region":"r%d","isa":"amd64"`, i%fakeGeneration, i%3)
		}
		fmt.Fprintf(w, `},"value":[%s.123,"%g"]}`, at, value)
	}
}

// users is a day with one peak, at 20:30 UTC.
func (f fake) users(w http.ResponseWriter, out *bufio.Writer, r *http.Request) {
	start, _ := strconv.ParseInt(r.FormValue("start"), 10, 64)
	end, _ := strconv.ParseInt(r.FormValue("end"), 10, 64)
	step, _ := strconv.ParseInt(r.FormValue("step"), 10, 64)
	if (end-start)/step > fakePoints {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(out, `{"status":"error","errorType":"bad_data","error":"exceeded maximum resolution of 11,000 points per timeseries"}`)
		return
	}
	fmt.Fprint(out, `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[`)
	for t := start; t <= end; t += step {
		if t > start {
			fmt.Fprint(out, ",")
		}
		fmt.Fprintf(out, `[%d,"%g"]`, t, usersAt(time.Unix(t, 0).UTC()))
	}
	fmt.Fprint(out, `]}]}}`)
}

func usersAt(t time.Time) float64 {
	away := t.Sub(t.Truncate(24 * time.Hour).Add(20*time.Hour + 30*time.Minute)).Abs()
	return 10_000_000 - 5000*away.Minutes()
}
