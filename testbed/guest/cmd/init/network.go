package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"saturate/testbed/guest"
)

// network brings the interfaces up. No route is needed: whom the guest hears of
// is on its own network.
func network() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	if err := up(socket, "lo", "", ""); err != nil {
		return err
	}
	for range 500 { // its driver finds the card in its own time
		if _, err := os.Stat("/sys/class/net/eth0"); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return up(socket, "eth0", guest.Address, "255.255.255.0")
}

func up(socket int, name, address, mask string) error {
	set := func(what uint, fill func(*unix.Ifreq) error) error {
		r, err := unix.NewIfreq(name)
		if err == nil {
			err = errors.Join(fill(r), unix.IoctlIfreq(socket, what, r))
		}
		return err
	}
	inet := func(text string) func(*unix.Ifreq) error {
		return func(r *unix.Ifreq) error { return r.SetInet4Addr(netip.MustParseAddr(text).AsSlice()) }
	}
	var err error
	if address != "" {
		err = errors.Join(set(unix.SIOCSIFADDR, inet(address)), set(unix.SIOCSIFNETMASK, inet(mask)))
	}
	err = errors.Join(err, set(unix.SIOCSIFFLAGS, func(r *unix.Ifreq) error {
		r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
		return nil
	}))
	if err != nil {
		return fmt.Errorf("bring up %s: %w", name, err)
	}
	return nil
}
