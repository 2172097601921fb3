package probe

import (
	"context"
	"encoding/json"
	"math"

	"saturate/stress"
)

// uwsgiStats is what we read of uWSGI's stats server. Its own listen_queue is
// 0 on UNIX sockets, and its listen_queue_errors never moved in our tests.
type uwsgiStats struct {
	Sockets []struct {
		Queue    float64 `json:"queue"`
		MaxQueue float64 `json:"max_queue"`
	} `json:"sockets"`
	Workers []uwsgiWorker `json:"workers"`
}

type uwsgiWorker struct {
	ID       int     `json:"id"`
	PID      int     `json:"pid"`
	Status   string  `json:"status"` // idle, busy, cheap, pause, sig...
	Requests float64 `json:"requests"`
	// Delta is Requests since the worker was last spawned.
	Delta       float64 `json:"delta_requests"`
	Harakiris   float64 `json:"harakiri_count"`
	Respawns    float64 `json:"respawn_count"`
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

	// Sums over the workers. A worker's own counters start anew with the
	// server; these never fall.
	busySeconds, requests, deaths float64
	longest                       float64         // most requests that a worker has lived through
	lives                         map[int]float64 // requests that each worker had served when it was last respawned
}

func newUWSGI(address string) *uwsgi {
	return &uwsgi{fetcher: newFetcher(address, "application/json"), lives: make(map[int]float64)}
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
		now[w.ID] = w
		u.longest = max(u.longest, w.Delta)
	}
	for id, w := range now {
		was, known := u.workers[id]
		if !known && u.workers == nil {
			continue // the first reading is where we count from
		}
		u.busySeconds += grown(was.RunningTime, w.RunningTime) / 1e6
		u.requests += grown(was.Requests, w.Requests)
		if known {
			u.deaths += grown(was.Harakiris, w.Harakiris) + u.died(was, w)
		}
	}
	u.workers = now
}

// grown is what a counter grew by; one that fell has started anew.
func grown(was, now float64) float64 {
	if now < was {
		return now
	}
	return now - was
}

// died is 1 where a worker was respawned although it should have lived.
//
// A respawn alone says little: max-requests renews healthy workers all the
// time, and cheap ones come and go. But a worker whose turn it was has served
// as many requests as any other ever did, or as it did the last time; one that
// died with fewer was killed. How many it had served follows from the counters:
// they outlive the worker, all but delta_requests.
func (u *uwsgi) died(was, now uwsgiWorker) float64 {
	switch {
	case now.Respawns <= was.Respawns || was.Status == "cheap" || was.PID == 0:
		return 0
	case now.Harakiris > was.Harakiris: // counted as such
		return 0
	}
	served := was.Delta + now.Requests - now.Delta - was.Requests
	last, before := u.lives[now.ID]
	u.lives[now.ID] = served
	slack := float64(1 + len(now.Cores)) // threads finish what they have begun
	if served+slack >= u.longest || before && math.Abs(served-last) <= slack {
		return 0
	}
	return 1
}
