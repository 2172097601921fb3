package probe

import (
	"context"
	"encoding/json"
	"net/url"

	"saturate/stress"
)

// fpmStatus is what we read of php-fpm's status page.
type fpmStatus struct {
	Pool       string  `json:"pool"`
	Manager    string  `json:"process manager"` // static, dynamic, ondemand
	Accepted   float64 `json:"accepted conn"`
	Queue      float64 `json:"listen queue"`
	QueueMax   float64 `json:"listen queue len"`
	Active     float64 `json:"active processes"`
	Total      float64 `json:"total processes"`
	MaxReached float64 `json:"max children reached"`
}

func parseFPM(b []byte) (fpmStatus, error) {
	var st fpmStatus
	if err := json.Unmarshal(b, &st); err != nil {
		return st, hinted("name the URL of pm.status_path, best on a pm.status_listen of its own", "no php-fpm status: %w", err)
	}
	if st.Manager == "" {
		return st, hinted("name the URL of pm.status_path, best on a pm.status_listen of its own", "no php-fpm status")
	}
	return st, nil
}

// fpm reads a php-fpm pool. A status page that the pool itself serves counts
// its own request as an active process, and waits when the pool is full.
type fpm struct {
	*fetcher
	capacity float64 // most processes seen when the pool wanted more
}

// newFPM takes the page's URL; the format is ours to choose.
func newFPM(page string) *fpm {
	if u, err := url.Parse(page); err == nil {
		q := u.Query()
		q.Del("full")
		q.Set("json", "")
		u.RawQuery = q.Encode()
		page = u.String()
	}
	return &fpm{fetcher: newFetcher(page, "application/json")}
}

func (f *fpm) read(ctx context.Context, s *stress.Sample) error {
	b, err := f.fetch(ctx)
	if err != nil {
		return err
	}
	st, err := parseFPM(b)
	if err != nil {
		return err
	}
	s.Counters[stress.ServerRequests] = st.Accepted
	s.Gauges[stress.WorkersBusy] = st.Active
	if total := f.workers(st); total > 0 {
		s.Gauges[stress.WorkersTotal] = total
	}
	if st.QueueMax > 0 { // 0 on UNIX sockets, where the queue is 0 too
		s.Gauges[stress.AcceptQueue], s.Gauges[stress.AcceptQueueLimit] = st.Queue, st.QueueMax
	}
	return nil
}

// workers is how many processes the pool can have, 0 while unknown. A dynamic
// pool grows with its load: how far shows only when it wanted to grow on.
func (f *fpm) workers(st fpmStatus) float64 {
	if st.Manager == "static" {
		return st.Total
	}
	if st.MaxReached > 0 {
		f.capacity = max(f.capacity, st.Total)
	}
	return f.capacity
}
