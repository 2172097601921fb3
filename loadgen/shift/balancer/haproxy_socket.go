package balancer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"
)

const (
	// socketTimeout bounds one exchange with HAProxy, which answers in
	// milliseconds or is not well.
	socketTimeout = time.Second
	// maxAnswer is more than a backend of 4,000 servers has to tell.
	maxAnswer = 4 << 20
	// maxSocketPath is one more than the longest path of a UNIX socket on Linux.
	maxSocketPath = 108
)

// ask sends commands over one connection, which one process of HAProxy answers
// in turn, and returns the answer of each, without its last newline.
func ask(ctx context.Context, socket string, commands ...string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, socketTimeout)
	defer cancel()
	text, err := exchange(ctx, socket, strings.Join(commands, ";")+"\n")
	if err != nil {
		return nil, explain(err, socket)
	}
	answers := splitAnswers(text)
	if len(answers) < len(commands) {
		return nil, fmt.Errorf("HAProxy at %s broke off its answer: %d of %d commands are answered (%q)", socket, len(answers), len(commands), shorten(text))
	}
	return answers, nil
}

func exchange(ctx context.Context, socket, request string) (string, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	if _, err := io.WriteString(conn, request); err != nil {
		return "", errors.Join(ctx.Err(), err)
	}
	text, err := io.ReadAll(io.LimitReader(conn, maxAnswer+1))
	switch {
	case err != nil:
		return "", errors.Join(ctx.Err(), err)
	case len(text) > maxAnswer:
		return "", fmt.Errorf("its answer is longer than %d MiB", maxAnswer>>20)
	}
	return string(text), nil
}

// explain says what a failed exchange means, and what helps.
func explain(err error, socket string) error {
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("HAProxy's socket %s is not there: does HAProxy run, with this \"stats socket\"? (%w)", socket, err)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("HAProxy's socket %s may not be opened by this user: see mode, user and group of its \"stats socket\" (%w)", socket, err)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("HAProxy at %s does not answer within %v", socket, socketTimeout)
	case errors.Is(err, context.Canceled):
		return err
	}
	return fmt.Errorf("HAProxy at %s: %w", socket, err)
}

// splitAnswers cuts what a socket said into the answers of the commands: each
// ends in an empty line, and what has nothing to say is that line alone.
func splitAnswers(text string) []string {
	var answers []string
	for text != "" {
		if rest, empty := strings.CutPrefix(text, "\n"); empty {
			answers, text = append(answers, ""), rest
			continue
		}
		answer, rest, whole := strings.Cut(text, "\n\n")
		if !whole {
			break
		}
		answers, text = append(answers, answer), rest
	}
	return answers
}

// shorten keeps a stranger's words to a line's length.
func shorten(s string) string {
	const most = 200
	s = strings.TrimSpace(s)
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}

// isName reports whether HAProxy could have a backend or a server of the name:
// anything else might be a command of its own.
func isName(s string) bool {
	for _, c := range []byte(s) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && !strings.ContainsRune(".:_-", rune(c)) {
			return false
		}
	}
	return s != ""
}
