package scenarios

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

//go:generate go test -run TestSchema -update .

//go:embed *.yaml scenario.schema.json
var shipped embed.FS

// Load reads a scenario: from a file, from standard input where name is "-",
// or, where there is no such file, one that ships with saturate. A file that
// is wrong has Mistakes as its error.
func Load(name string) (*Scenario, error) {
	if name == "-" {
		data, err := read(os.Stdin)
		if err != nil {
			return nil, fmt.Errorf("standard input: %w", err)
		}
		return Decode(data, "<stdin>")
	}
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return loadShipped(name)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := read(f)
	if err != nil {
		return nil, err
	}
	return Decode(data, name)
}

// read takes one byte more than a file may have, for Decode to refuse.
func read(r io.Reader) ([]byte, error) { return io.ReadAll(io.LimitReader(r, maxBytes+1)) }

func loadShipped(name string) (*Scenario, error) {
	data, err := shipped.ReadFile(name + ".yaml")
	if err == nil {
		// As if it were read from the repository, so that both ways mean the same.
		return Decode(data, filepath.Join("scenarios", name+".yaml"))
	}
	hint := "name a file, - for standard input, or a scenario that ships: " + strings.Join(Shipped(), ", ")
	if meant := nearest(name, Shipped()); meant != "" {
		hint = fmt.Sprintf("did you mean %q?", meant)
	}
	return nil, &hintedError{fmt.Sprintf("%s: there is no such scenario", name), hint}
}

// Shipped lists the scenarios that come with saturate, by name.
func Shipped() []string {
	files, _ := fs.Glob(shipped, "*.yaml") // the pattern is well formed
	for i := range files {
		files[i] = strings.TrimSuffix(files[i], ".yaml")
	}
	return files
}

// Schema is the JSON Schema of a scenario file, for editors.
func Schema() []byte {
	data, _ := shipped.ReadFile("scenario.schema.json") // embedded: always there
	return data
}
