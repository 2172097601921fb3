// Command serve runs "production": HAProxy or nginx before six uWSGI servers and
// a crowd of users, until ^C. Every five seconds it prints what the users saw.
//
//	testbed/install
//	go run ./testbed/live/cmd/serve
//	go run ./testbed/live/cmd/serve --balancer nginx --rate 400
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"saturate/internal/supervise"
	"saturate/testbed/live"
)

func main() {
	supervise.Main()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "serve:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	c := live.Config{}
	flag.StringVar(&c.Balancer, "balancer", "haproxy", "haproxy or nginx")
	flag.StringVar(&c.Testbed, "testbed", "testbed", "the folder testbed")
	flag.StringVar(&c.Dir, "dir", "/tmp/saturate-live", "where sockets, logs and pid files go")
	flag.IntVar(&c.Weight, "weight", 10, "of each server")
	users := live.CrowdConfig{}
	flag.Float64Var(&users.Rate, "rate", 300, "requests per second of the crowd, on average; 0 is none")
	flag.Float64Var(&users.Swing, "swing", .15, "how much more and less come at peak and trough, as a share")
	flag.DurationVar(&users.Day, "day", 4*time.Minute, "how long a day is")
	flag.Parse()
	if c.Balancer != "haproxy" && c.Balancer != "nginx" {
		return fmt.Errorf("--balancer is haproxy or nginx, not %q", c.Balancer)
	}
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return err
	}
	bed, err := live.Start(ctx, c)
	if err != nil {
		return err
	}
	defer bed.Stop()
	fmt.Println("users go to", bed.URL())
	for _, s := range bed.Servers {
		fmt.Printf("%s: url http://%s, probes {pidfile: %s, uwsgi: %q}\n", s.Name, s.Address, s.Pidfile, s.Stats)
	}
	users.URL = bed.URL()
	return watch(ctx, users)
}

// watch lets the crowd come and prints what it sees.
func watch(ctx context.Context, users live.CrowdConfig) error {
	if users.Rate <= 0 {
		<-ctx.Done()
		return nil
	}
	crowd := live.StartCrowd(users)
	defer crowd.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(5 * time.Second):
			fmt.Print(crowd.Turn())
		}
	}
}
