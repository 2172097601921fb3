package probe

import (
	"context"
	"encoding/json"

	"saturate/stress"
)

// uwsgiStats is what we read of uWSGI's stats server. Its own listen_queue is
// 0 on UNIX sockets, and its listen_queue_errors never moved in our tests.
type uwsgiStats struct {
	Sockets []struct {
		Queue    float64 `json:"queue"`
		MaxQueue float64 `json:"max_queue"`
	} `json:"sockets"`
	PID     int           `json:"pid"` // the master's
	Workers []uwsgiWorker `json:"workers"`
}

type uwsgiWorker struct {
	ID          int     `json:"id"`
	PID         int     `json:"pid"`
	Status      string  `json:"status"` // idle, busy, cheap, pause, sig...
	Requests    float64 `json:"requests"`
	Harakiris   float64 `json:"harakiri_count"`
	RunningTime float64 `json:"running_time"` // microseconds
	Cores       []struct {
		InRequest int `json:"in_request"`
	} `json:"cores"`
}

func parseUWSGI(b []byte) (uwsgiStats, error) {
	var st uwsgiStats
	if err := json.Unmarshal(b, &st); err != nil {
		return st, hinted("is this the stats server, and not the socket for requests?", "no uWSGI statistics: %w", err)
	}
	if len(st.Workers) == 0 {
		return st, hinted("the stats server of an emperor or fastrouter has no workers; name that of the application", "the statistics have no workers")
	}
	return st, nil
}

// slots counts the requests that the workers can take and have at once: a
// worker with threads has as many cores, and a cheap worker none.
func (st uwsgiStats) slots() (busy, total float64) {
	for _, w := range st.Workers {
		if w.Status == "cheap" {
			continue
		}
		total += float64(max(1, len(w.Cores)))
		in := 0.0
		for _, c := range w.Cores {
			in += float64(c.InRequest)
		}
		if in == 0 && w.Status == "busy" {
			in = 1
		}
		busy += in
	}
	return busy, total
}

// uwsgi reads a uWSGI stats server.
type uwsgi struct {
	*fetcher
	workers map[int]uwsgiWorker // as last read
	exits   *exits

	// Sums over the workers. A worker's own counters start anew with the
	// server; these never fall.
	busySeconds, requests, deaths float64
}

func newUWSGI(address string) *uwsgi {
	return &uwsgi{fetcher: newFetcher(address, "application/json"), exits: newExits()}
}

// Close lets go of the page and of the workers.
func (u *uwsgi) Close() error {
	u.exits.Close()
	return u.fetcher.Close()
}

func (u *uwsgi) read(ctx context.Context, s *stress.Sample) error {
	b, err := u.fetch(ctx)
	if err != nil {
		return err
	}
	st, err := parseUWSGI(b)
	if err != nil {
		return err
	}
	u.count(st)
	s.Counters[stress.WorkerBusySeconds] = u.busySeconds
	s.Counters[stress.ServerRequests] = u.requests
	s.Counters[stress.WorkerDeaths] = u.deaths
	s.Gauges[stress.WorkersBusy], s.Gauges[stress.WorkersTotal] = st.slots()
	queue, limit := 0.0, 0.0
	for _, socket := range st.Sockets {
		queue += socket.Queue
		limit += socket.MaxQueue
	}
	if limit > 0 {
		s.Gauges[stress.AcceptQueue], s.Gauges[stress.AcceptQueueLimit] = queue, limit
	}
	return nil
}

// count adds what the workers did since the last reading.
func (u *uwsgi) count(st uwsgiStats) {
	now := make(map[int]uwsgiWorker, len(st.Workers))
	for _, w := range st.Workers {
		was, known := u.workers[w.ID]
		if now[w.ID] = w; u.workers != nil {
			u.busySeconds += grown(was.RunningTime, w.RunningTime) / 1e6
			u.requests += grown(was.Requests, w.Requests)
		}
		if known {
			u.deaths += u.died(was, w)
		}
		u.exits.watch(w.PID, st.PID)
	}
	u.workers = now
}

// died counts a worker's harakiris and violent ends. That it was spawned again
// says nothing: max-requests renews healthy workers all the time, and cheap
// ones come and go.
func (u *uwsgi) died(was, now uwsgiWorker) float64 {
	killed := was.PID != now.PID && u.exits.killed(was.PID)
	harakiris := grown(was.Harakiris, now.Harakiris)
	if killed && harakiris == 0 {
		return 1
	}
	return harakiris
}

// grown is what a counter grew by; one that fell has started anew.
func grown(was, now float64) float64 {
	if now < was {
		return now
	}
	return now - was
}
