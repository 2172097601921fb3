package probe

import (
	"errors"
	"fmt"
)

// openPages prepares the status pages that c names. It asks none of them yet:
// whether they answer, Sources tells.
func (s *Sampler) openPages(c Config) error {
	add := func(name string, p page) {
		s.pages = append(s.pages, newPoller(name, p, s.clock))
	}
	if c.UWSGI != "" {
		add("uwsgi "+c.UWSGI, newUWSGI(c.UWSGI))
	}
	if c.FPM != "" {
		add("php-fpm "+c.FPM, newFPM(c.FPM))
	}
	if c.Nginx != "" {
		add("nginx "+c.Nginx, nginx{newFetcher(c.Nginx, "text/plain")})
	}
	var errs []error
	if c.Gunicorn != nil {
		g, err := listenGunicorn(*c.Gunicorn)
		if err != nil {
			errs = append(errs, err)
		} else {
			add("gunicorn "+c.Gunicorn.Statsd, g)
			s.guard("gunicorn", g.listen)
		}
	}
	for _, p := range c.Metrics {
		m, err := newMetrics(p)
		if err != nil {
			errs = append(errs, fail("metrics "+p.URL, err))
			continue
		}
		add(fmt.Sprintf("metrics %s", p.URL), m)
	}
	return errors.Join(errs...)
}
