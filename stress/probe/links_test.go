package probe

import (
	"fmt"
	"testing"

	"saturate/stress"
)

func TestLinks(t *testing.T) {
	root := plant(t, map[string]string{
		"sys/class/net/eth0/speed": "1000\n", "sys/class/net/eth0/device/vendor": "x",
		"sys/class/net/eth1/speed": "100\n", "sys/class/net/eth1/device/vendor": "x",
		"sys/class/net/eth2/speed": "-1\n", "sys/class/net/eth2/device/vendor": "x",
		"sys/class/net/br0/speed": "10\n",
	})
	l := &links{fs: root}
	look := func(rx0, tx0, rx1, rest, want, speed float64) {
		t.Helper()
		text := ""
		for _, link := range []struct {
			name   string
			rx, tx float64
		}{{"eth0", rx0, tx0}, {"eth1", rx1, 0}, {"eth2", rest, rest}, {"br0", rest, rest}, {"lo", rest, rest}} {
			text += fmt.Sprintf("%s: %.0f 0 0 0 0 0 0 0 %.0f 0 0 0 0 0 0 0\n", link.name, link.rx, link.tx)
		}
		write(t, root, map[string]string{"proc/net/dev": text})
		s := blank()
		if err := l.read(s); err != nil {
			t.Fatal(err)
		}
		if s.Counters[stress.NetworkBytes] != want || s.Gauges[stress.LinkSpeed] != speed {
			t.Errorf("%v bytes of %v a second, want %v of %v", s.Counters[stress.NetworkBytes], s.Gauges[stress.LinkSpeed], want, speed)
		}
	}
	const fast, slow = 125e6, 12.5e6
	look(5000, 7000, 9000, 9e9, 0, fast)
	look(5100, 8000, 9000, 10e9, 1000, fast)  // the busier direction
	look(5100, 8000, 9500, 11e9, 1500, slow)  // fewer bytes are more of a slow link
	look(5100, 8000, 10000, 12e9, 2000, slow) // and that goes on
	look(5100, 0, 10000, 13e9, 2000, slow)    // a counter that starts anew
	if err := (&links{fs: plant(t, map[string]string{"proc/net/dev": "lo: 1 0 0 0 0 0 0 0 1 0\n"})}).read(blank()); err == nil {
		t.Error("the loopback has a speed")
	}
}
