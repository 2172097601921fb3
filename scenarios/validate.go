package scenarios

import (
	"cmp"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/sys/unix"
)

// validate notes what is wrong with values that could be decoded. Where
// something was wrong with a value already, nothing is added.
func (d *decoder) validate(s *Scenario) {
	c := d.checker()
	c.text("name", s.Name)
	c.labels("labels", s.Labels)
	if s.Repeat < 1 {
		c.note("repeat", "must be 1 or more", "remove it to measure each target once")
	}
	c.targets(s.Targets)
	c.engine(s)
	c.sections(s)
}

// A checker notes mistakes in values that nothing was wrong with so far.
type checker struct {
	*decoder
	spoilt map[string]bool // paths with a mistake, or meant by a mistyped key
}

func (d *decoder) checker() checker {
	c := checker{d, d.meant}
	for _, m := range d.mistakes {
		c.spoilt[m.Path] = true
	}
	delete(c.spoilt, "")
	return c
}

// note notes a mistake at path.
func (c checker) note(path, problem, hint string) {
	for p := path; p != ""; p = parent(p) {
		if c.spoilt[p] {
			return
		}
	}
	at, written := c.at[path]
	if !written && strings.HasPrefix(problem, "0 is not ") {
		problem = "is missing" // a package sees a zero, a person has left it out
	}
	if written && strings.Contains(at.value.Value, "${") {
		problem, hint = redact(problem, c.secrets, 1), redact(hint, c.secrets, 1)
	}
	c.wrong(path, problem, hint)
}

// written tells whether the file has something at path.
func (c checker) written(path string) bool { _, ok := c.at[path]; return ok }

func (c checker) targets(all []Target) {
	if len(all) == 0 {
		c.note("targets", "is missing: there is nothing to measure", `write "targets: [{url: http://127.0.0.1:8080}]"`)
	}
	names := map[string]int{}
	for i, t := range all {
		at := fmt.Sprintf("targets[%d]", i)
		c.target(at, t)
		if first, twice := names[t.Name]; twice && t.Name != "" {
			c.note(at+".name", fmt.Sprintf("%q is the name of targets[%d] already", brief(t.Name), first), "give each target a name of its own")
		} else {
			names[t.Name] = i
		}
	}
}

// engine asks for an engine that can offer the load to every target.
func (c checker) engine(s *Scenario) {
	if _, err := s.Engine(); err != nil {
		c.note("traffic.engine", fmt.Sprintf("is %s: %v", s.Traffic.Engine, err), "write auto")
	}
}

func (c checker) target(at string, t Target) {
	c.text(at+".name", t.Name)
	c.labels(at+".labels", t.Labels)
	if problem, hint := checkURL(t.URL); problem != "" {
		c.note(at+".url", problem, hint)
	}
	if t.Ready.Path != "" && !strings.HasPrefix(t.Ready.Path, "/") {
		c.note(at+".ready.path", "does not begin with a slash", "write the path alone, such as /health; host and port stand in url")
	}
	c.command(at, t)
}

func (c checker) command(at string, t Target) {
	if len(t.Command) == 0 {
		if c.written(at + ".command") {
			c.note(at+".command", "is empty", "write [program, argument, ...]; without a command, remove it")
		}
		for _, key := range []string{"dir", "env", "pin"} {
			if c.written(at + "." + key) {
				c.note(at+"."+key, "does nothing without a command", "add the command, or remove this")
			}
		}
		return
	}
	if t.Command[0] == "" {
		c.note(at+".command[0]", "is empty", "name the program to start")
	}
	for i, word := range t.Command {
		if strings.ContainsRune(word, 0) {
			c.note(fmt.Sprintf("%s.command[%d]", at, i), "has a NUL in it", "no program can be given one")
		}
	}
	for name, value := range t.Env {
		if strings.ContainsAny(name, "=\x00") || strings.ContainsRune(value, 0) {
			c.note(at+".env."+name, "is not an environment variable", "write NAME: value")
		}
	}
	if info, err := os.Stat(t.Dir); t.Dir != "" && (err != nil || !info.IsDir()) {
		c.note(at+".dir", fmt.Sprintf("there is no folder %s", t.Dir), "a relative dir starts at the scenario file's folder")
	}
}

// text refuses names that would tear up a line of output.
func (c checker) text(path, s string) {
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		c.note(path, "has a character that cannot be printed", "write plain text on one line")
	}
}

// labelName is what Prometheus takes as the name of a label.
var labelName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func (c checker) labels(path string, all map[string]string) {
	for name, value := range all {
		if !labelName.MatchString(name) {
			c.note(join(path, name), "is not a name of a label", "labels are exported to Prometheus: write letters, digits and _")
		}
		c.text(join(path, name), value)
	}
}

// longestSocket is the kernel's bound, less the zero at the end: unix(7).
const longestSocket = len(unix.RawSockaddrUnix{}.Path) - 1

// checkURL says what is wrong with a target's url, and what to do about it.
func checkURL(text string) (problem, hint string) {
	const example = "such as http://127.0.0.1:8080"
	if text == "" {
		return "is missing", "write the server's address, " + example
	}
	if path, unix := strings.CutPrefix(text, "unix://"); unix {
		if !filepath.IsAbs(path) || strings.ContainsAny(path, "?#%") {
			return fmt.Sprintf("%q is not the path of a socket", brief(path)), "write unix:///run/app.sock"
		}
		if len(path) > longestSocket {
			return fmt.Sprintf("%q is longer than a socket's path can be, %d bytes", brief(path), longestSocket), "link it from a shorter one"
		}
		return "", ""
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		hint = "write http://host:port or https://host:port"
		if err != nil && !strings.Contains(text, "://") || err == nil && u.Hostname() == "" && !strings.HasPrefix(text, "/") {
			hint = "write http://" + brief(text)
		}
		return fmt.Sprintf("%q is not an address that starts with http:// or https://", brief(text)), hint
	}
	port, err := strconv.Atoi(u.Port())
	switch {
	case u.User != nil:
		return "has a user name or password in it", "send credentials as a header: traffic: {headers: {Authorization: ...}}"
	case u.RawQuery != "" || u.ForceQuery:
		return "has a query", "queries stand in the requests' paths"
	case u.Fragment != "" || strings.Contains(text, "#"):
		return "has a fragment (#)", "remove it: servers never see it"
	case u.Port() != "" && (err != nil || port < 1 || port > 65535):
		return fmt.Sprintf("%q is not a port", u.Port()), "ports are numbers from 1 to 65535"
	case strings.HasSuffix(u.Host, ":"):
		return "ends without a port", "write the port's number after the colon, or remove the colon"
	}
	return "", ""
}

// hostPort is the part of a url that tells one server from another.
func hostPort(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return cmp.Or(u.Host, u.Path) // of a UNIX socket
}

// defaultName is the name of a scenario whose file gives none.
func defaultName(file string) string {
	base := filepath.Base(file)
	return strings.TrimSuffix(strings.TrimSuffix(base, ".yaml"), ".yml")
}
