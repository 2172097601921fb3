package pmu

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"golang.org/x/sys/unix"
)

// A Reason is why instructions cannot be counted.
type Reason string

// The reasons.
const (
	NoPMU        Reason = "no counters"         // the machine, often a virtual one, has none
	Paranoid     Reason = "paranoid"            // kernel.perf_event_paranoid forbids it
	Seccomp      Reason = "seccomp"             // a container's filter forbids it
	NotPermitted Reason = "not permitted"       // another user's process, a user namespace, a security module
	NoController Reason = "no controller"       // the control group has no perf_event controller
	NotCgroup    Reason = "not a control group" // the directory is none, or is not there
	TooManyFiles Reason = "too many files"
	Gone         Reason = "gone"          // the process has ended
	Offline      Reason = "offline"       // the CPU is
	TooLarge     Reason = "too large"     // the group of events for the counters that there are
	Starved      Reason = "starved"       // others use all counters
	Unsupported  Reason = "not supported" // by the kernel or the processor
	Failed       Reason = "failed"        // anything else
)

// An Error is why instructions cannot be counted, and what to do about it.
type Error struct {
	Reason Reason
	// Where is the CPU, process or thread, "" for none in particular.
	Where string
	// Err is the kernel's errno, or what else went wrong.
	Err error

	text, remedy string
}

// Error is a sentence, with the place and the errno.
func (e *Error) Error() string {
	text := e.text
	if e.Where != "" {
		text = e.Where + ": " + text
	}
	if e.Err != nil {
		text += fmt.Sprintf(" (%v)", e.Err)
	}
	return text
}

// Hint is the remedy, "" where none is known.
func (e *Error) Hint() string { return e.remedy }

// Unwrap is the errno.
func (e *Error) Unwrap() error { return e.Err }

func starved(missed, of time.Duration) *Error {
	return &Error{Reason: Starved,
		text:   fmt.Sprintf("others held the processor's counters: nothing was counted for %v of %v of CPU time", missed.Round(time.Millisecond), of.Round(time.Millisecond)),
		remedy: "end what else uses them (perf, a profiler, an exporter with many events), and the NMI watchdog: sysctl kernel.nmi_watchdog=0"}
}

// explain turns what went wrong into an *Error. It asks the machine where the
// errno alone does not tell.
func (m *machine) explain(err error, c Config, where string) *Error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	e := explain(err, c, m.facts(err))
	e.Where = where
	return e
}

// explain knows what each errno means here. What the manual does not say was
// measured.
func explain(err error, c Config, f facts) *Error {
	e := &Error{Reason: Failed, Err: err, text: "the kernel refused"}
	say := func(r Reason, text, remedy string) { e.Reason, e.text, e.remedy = r, text, remedy }
	is := func(errnos ...unix.Errno) bool {
		for _, errno := range errnos {
			if errors.Is(err, errno) {
				return true
			}
		}
		return false
	}
	var path *fs.PathError
	switch {
	case errors.As(err, &path):
		e.Err = path.Err
		if c.Scope == Cgroup && path.Path == c.Cgroup {
			say(NotCgroup, "the control group's directory "+c.Cgroup+" cannot be opened", "/proc/PID/cgroup shows which group a process is in")
		} else {
			say(Failed, path.Path+" cannot be read", "")
		}
	case !f.perf && is(unix.ENOSYS):
		say(Unsupported, "the kernel counts no events", "it was built without CONFIG_PERF_EVENTS, or is none of Linux's own (gVisor)")
	case is(unix.ENOSYS), is(unix.EPERM) && f.seccomp:
		say(Seccomp, "perf_event_open is forbidden by a seccomp filter, as containers have it",
			"--cap-add PERFMON; Docker before 23.0 wants SYS_ADMIN instead, Podman before the end of 2025 both; or count on the host, by an agent there")
	case is(unix.EACCES, unix.EPERM, unix.ENOENT) && !f.counts:
		e.Err = unix.ENOENT // the kernel tells of missing rights first, and none would help
		f.noPMU(say)
	case is(unix.EACCES, unix.EPERM):
		f.denied(c, say)
	case is(unix.ENOENT) && c.Scope == Cgroup:
		say(NoController, "the control group counts no events",
			"v2: enable any controller below the root, echo +pids > /sys/fs/cgroup/cgroup.subtree_control; v1: name the group of the perf_event hierarchy")
	case is(unix.ENOENT, unix.EOPNOTSUPP):
		say(Unsupported, "the kernel does not count this event here", "count another scope: probes.instructions")
	case is(unix.EINVAL):
		say(TooLarge, "the kernel refuses the group of events: it may have more than the processor has counters", "")
	case is(unix.EMFILE, unix.ENFILE):
		say(TooManyFiles, fmt.Sprintf("too many files are open (the limit is %d; two or three are needed per CPU or thread)", f.files),
			"ulimit -n 65536, or LimitNOFILE= of the systemd unit")
	case is(unix.ESRCH):
		say(Gone, "there is no such process", "is the server up?")
	case is(unix.ENODEV):
		say(Offline, "the CPU is offline or has no counters", "")
	case is(unix.EBADF):
		say(NotCgroup, c.Cgroup+" is no control group", "name its directory in the v2 tree, or in v1's perf_event hierarchy")
	case is(unix.EBUSY, unix.ENOSPC):
		say(Starved, "somebody else has the processor's counters to himself", "end what else uses them: another profiler, or a hypervisor")
	}
	return e
}
