package balancer

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseUpstream(t *testing.T) {
	for _, c := range []struct{ what, text, want, err string }{
		{"lines of an include", "server a weight=3; server b;\nserver c down weight=2;\nserver 'd' backup;", "a 3, b 1, c 2 down, d 1 backup", ""},
		{"a block", "upstream web { server a weight=3; zone z 64k; }", "a 3", ""},
		{"among others", "http { upstream api { server x; }\n upstream web { server a; } server { listen 80; location / { proxy_pass http://web; } } }", "a 1", ""},
		{"comments", "# server x;\nserver a #weight=5;\n weight=2 # server b;\n ;", "a 2", ""},
		{"a word with a hash", "server a#b weight=2;", "a#b 2", ""},
		{"quotes", `upstream "web" { server "a;b" "weight=4"; }`, "a;b 4", ""},
		{"a variable", "upstream web { server a; } server { set $x ${y}; }", "a 1", ""},
		{"another name", "upstream api { server a; }", "", `no upstream "web", but api`},
		{"no server", "upstream web { zone z 64k; }", "", "no server"},
		{"nothing", "", "", "no server"},
		{"twice", "server a;\nserver a;", "", "line 2: a is a server twice"},
		{"no address", "server;", "", "without an address"},
		{"two weights", "server a weight=1 weight=2;", "", "not a weight of its own"},
		{"a weight of 0", "server a weight=0;", "", "not a weight of its own"},
		{"a weight that is none", "server a weight=x;", "", "not a weight of its own"},
		{"an include", "upstream web { include servers.conf; }", "", "another file"},
		{"not ended", "upstream web { server a;", "", "ends in the middle"},
		{"not ended", "server a", "", "ends in the middle"},
		{"behind a quote", `server "a"b;`, "", "right behind a quote"},
		{"too much", "server a; }", "", "line 1: a } where none can be"},
		{"an empty line", "server a;\n;", "", "line 2: a ; where none can be"},
		{"a block without a name", "server a; { }", "", "a { where none can be"},
	} {
		u, err := parseUpstream(c.text, "web")
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: error = %v, want %q", c.what, err, c.err)
		}
		if diff := cmp.Diff(c.want, u.brief()); err == nil && diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.what, diff)
		}
	}
}

func (u upstream) brief() string {
	var all []string
	for _, s := range u.servers {
		b := s.address + " " + strconv.Itoa(s.weight)
		if s.down {
			b += " down"
		}
		if s.backup {
			b += " backup"
		}
		all = append(all, b)
	}
	return strings.Join(all, ", ")
}

func TestSetWeightsInAFile(t *testing.T) {
	const text = "upstream api { server a weight=1; }\nupstream web { # ours\n\tserver a weight=3  max_fails=0;\n\tserver 'b' ; server c;\n\tserver \"d\" \"weight=7\";\n}\n"
	u, err := parseUpstream(text, "web")
	if err != nil {
		t.Fatal(err)
	}
	got := u.setWeights(text, map[string]int{"a": 30, "b": 2, "c": 1, "d": 8})
	want := "upstream api { server a weight=1; }\nupstream web { # ours\n\tserver a weight=30  max_fails=0;\n\tserver 'b' weight=2 ; server c;\n\tserver \"d\" weight=8;\n}\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// FuzzUpstream wants what is written to be what is read, all else the same, and
// what is put back to be what was.
func FuzzUpstream(f *testing.F) {
	f.Add(webConf, 3)
	f.Add("http { upstream web { server a weight=3; } }", 2)
	f.Add(`upstream web { server "a\"" 'weight=4'; server b${c} # x`+"\n;}", 7)
	f.Fuzz(func(t *testing.T, text string, weight int) {
		u, err := parseUpstream(text, "web")
		if err != nil || weight < 1 || weight > 1<<31-1 {
			return
		}
		raised, found := map[string]int{}, map[string]int{}
		for i, s := range u.servers {
			found[s.address] = s.weight
			if i%2 == 0 {
				raised[s.address] = weight
			}
		}
		changed := u.setWeights(text, raised)
		v, err := parseUpstream(changed, "web")
		if err != nil {
			t.Fatalf("%q became %q: %v", text, changed, err)
		}
		if len(u.servers) != len(v.servers) {
			t.Fatalf("%q became %q", text, changed)
		}
		for i, s := range v.servers {
			want := u.servers[i]
			if i%2 == 0 {
				want.weight = weight
			}
			if s.address != want.address || s.weight != want.weight || s.down != want.down || s.backup != want.backup {
				t.Fatalf("%q became %q: %+v, want %+v", text, changed, s, want)
			}
		}
		back, err := parseUpstream(v.setWeights(changed, found), "web")
		if err != nil || back.brief() != u.brief() {
			t.Fatalf("%q was put back from %q as %q, %v", u.brief(), changed, back.brief(), err)
		}
	})
}
