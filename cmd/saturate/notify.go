package main

import "net"

// notifySystemd says something about this service to the systemd that has started
// it, as sd_notify(3) describes; without one, to nobody.
func notifySystemd(env *environment, state string) {
	address := env.getenv("NOTIFY_SOCKET")
	if address == "" {
		return
	}
	conn, err := net.Dial("unixgram", address) // "@" is an abstract socket here too
	if err != nil {
		return
	}
	defer conn.Close()
	conn.Write([]byte(state))
}
