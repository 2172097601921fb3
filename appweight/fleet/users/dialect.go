package users

import (
	"fmt"
	"strings"
)

// The formats that have a name, in Apache's words; nginx's combined is the same.
const (
	apacheCommon   = `%h %l %u %t "%r" %>s %b`
	apacheCombined = apacheCommon + ` "%{Referer}i" "%{User-Agent}i"`
)

// parser makes the parser of a format: of one with a name, or of one that is
// written as in a web server's configuration.
func (c Config) parser(format string, user []part) (parser, error) {
	switch format {
	case Combined:
		return c.parser(apacheCombined, user)
	case Common:
		return c.parser(apacheCommon, user)
	case HAProxy:
		return newHAProxy(user, c)
	case JSON:
		return newJSONLog(user, c)
	}
	var literals []string
	var variables []variable
	var err error
	switch text := unquote(format); {
	case strings.ContainsRune(text, '$'):
		literals, variables, err = splitNginx(text)
	case strings.ContainsRune(text, '%'):
		literals, variables, err = splitApache(text)
	default:
		err = fmt.Errorf("%q is neither a format's name nor a format", format)
	}
	if err != nil {
		return nil, &Mistake{"format", err.Error(), "auto, combined, common, haproxy, json, or the text of nginx's log_format or Apache's LogFormat"}
	}
	return newTemplate(literals, variables, user, c)
}

// unquote takes a format out of the directive it is written in:
//
//	log_format main escape=json '$remote_addr ' '$msec';
//	LogFormat "%h %l \"%r\"" main
//
// A format without a directive stays as it is, but for quotes around all of it.
func unquote(format string) string {
	format = strings.TrimSpace(format)
	directive, rest, _ := strings.Cut(format, " ")
	switch {
	case strings.EqualFold(directive, "log_format"), strings.EqualFold(directive, "LogFormat"):
		if i := strings.IndexAny(rest, `'"`); i >= 0 {
			return joinQuoted(rest[i:])
		}
		return rest
	case len(format) > 1 && (format[0] == '\'' || format[0] == '"') && joinQuoted(format) != "":
		return joinQuoted(format)
	case strings.Contains(format, `\"`):
		return strings.ReplaceAll(format, `\"`, `"`)
	}
	return format
}

// joinQuoted joins strings in quotes that follow each other, up to whatever
// else follows.
func joinQuoted(text string) string {
	var b strings.Builder
	for {
		text = strings.TrimLeft(text, " \t\r\n")
		if text == "" || (text[0] != '\'' && text[0] != '"') {
			return b.String()
		}
		quote := text[0]
		i := 1
		for ; i < len(text) && text[i] != quote; i++ {
			if text[i] == '\\' && i+1 < len(text) {
				i++
				if text[i] != '"' && text[i] != '\'' && text[i] != '\\' {
					b.WriteByte('\\')
				}
			}
			b.WriteByte(text[i])
		}
		text = text[min(i+1, len(text)):]
	}
}

// splitNginx reads a log_format.
func splitNginx(text string) (literals []string, variables []variable, err error) {
	for {
		literal, rest, found := strings.Cut(text, "$")
		literals = append(literals, literal)
		if !found {
			return literals, variables, nil
		}
		name := rest
		if strings.HasPrefix(rest, "{") {
			name, text, found = strings.Cut(rest[1:], "}")
			if !found {
				return nil, nil, fmt.Errorf("${%s has no closing brace", name)
			}
		} else {
			n := 0
			for n < len(rest) && isWord(rest[n]) {
				n++
			}
			name, text = rest[:n], rest[n:]
		}
		if name == "" {
			return nil, nil, fmt.Errorf("a $ names no variable")
		}
		variables = append(variables, nginxVariable(name))
	}
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func nginxVariable(name string) variable {
	v := variable{raw: "$" + name, part: part{"field", name}}
	switch {
	case name == "time_local":
		v.time = clfTime
	case name == "time_iso8601", name == "msec":
		v.time = otherTime
	case name == "remote_addr", name == "remote_user":
		v.part = part{kind: name}
	case strings.HasPrefix(name, "cookie_"):
		v.part = part{"cookie", name[len("cookie_"):]}
	case strings.HasPrefix(name, "http_"):
		v.part = part{"header", headerName(name[len("http_"):])}
	}
	return v
}

// splitApache reads a LogFormat: %, modifiers, an argument in braces, letters.
func splitApache(text string) (literals []string, variables []variable, err error) {
	var literal strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text) && text[i+1] == 't':
			literal.WriteByte('\t')
			i++
		case text[i] != '%':
			literal.WriteByte(text[i])
		case i+1 < len(text) && text[i+1] == '%':
			literal.WriteByte('%')
			i++
		default:
			v, n := apacheVariable(text[i:])
			if n == 0 {
				return nil, nil, fmt.Errorf("%q names no variable", text[i:])
			}
			inBrackets := v.time == clfTime && !strings.Contains(v.raw, "{")
			if inBrackets {
				literal.WriteByte('[')
			}
			literals, variables = append(literals, literal.String()), append(variables, v)
			literal.Reset()
			if inBrackets {
				literal.WriteByte(']')
			}
			i += n - 1
		}
	}
	return append(literals, literal.String()), variables, nil
}

// apacheVariable reads one variable and says how long it is; 0 where it is none.
func apacheVariable(text string) (variable, int) {
	i := 1
	for i < len(text) && (strings.IndexByte("<>!,", text[i]) >= 0 || text[i] >= '0' && text[i] <= '9') {
		i++
	}
	argument := ""
	if i < len(text) && text[i] == '{' {
		end := strings.IndexByte(text[i:], '}')
		if end < 0 {
			return variable{}, 0
		}
		argument, i = text[i+1:i+end], i+end+1
	}
	if strings.HasPrefix(text[i:], "^") { // %^FU is one name
		i += 2
	}
	if i >= len(text) {
		return variable{}, 0
	}
	letter := text[i]
	v := variable{raw: text[:i+1], part: part{"field", text[:i+1]}}
	switch letter {
	case 'h', 'a':
		v.part = part{kind: "remote_addr"}
	case 'u':
		v.part = part{kind: "remote_user"}
	case 'C':
		v.part = part{"cookie", argument}
	case 'i':
		v.part = part{"header", headerName(argument)}
	case 't':
		v.time = apacheTime(strings.TrimPrefix(strings.TrimPrefix(argument, "begin:"), "end:"))
	}
	return v, i + 1
}

// apacheTime is how the argument of a %t writes the time; noTime where it is
// not the whole of it.
func apacheTime(argument string) timeKind {
	switch argument {
	case "", "%d/%b/%Y:%H:%M:%S %z", "%d/%b/%Y:%T %z":
		return clfTime
	case "sec", "msec", "usec", "%s", "%Y-%m-%dT%H:%M:%S%z", "%FT%T%z", "%Y-%m-%dT%T%z":
		return otherTime
	}
	return noTime
}
