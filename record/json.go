package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"saturate/ramp"
)

// A VersionError says that a record has a version that is not known here.
type VersionError struct{ Version int }

func (e *VersionError) Error() string {
	return fmt.Sprintf("the record has version %d, and this saturate knows 1 to %d", e.Version, Version)
}

// Hint is the remedy.
func (e *VersionError) Hint() string {
	if e.Version > Version {
		return "a newer saturate wrote it: read it with that one"
	}
	return "is it a record at all?"
}

// Marshal writes a record as JSON, with a line break at the end.
func Marshal(r *Record) ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // requirements have < and > in them
	e.SetIndent("", "  ")
	if err := e.Encode(r); err != nil {
		return nil, fmt.Errorf("write record: %w", err)
	}
	return b.Bytes(), nil
}

// Unmarshal reads a record. Fields that are not known are passed over: a later
// saturate may have added them within the version, and they are lost where the
// record is written again. A second value and unknown endings are errors, and so
// is another version (*VersionError).
func Unmarshal(data []byte) (*Record, error) {
	var head struct{ Version int }
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("read record: %w", err)
	}
	if head.Version < 1 || head.Version > Version {
		return nil, &VersionError{head.Version}
	}
	var r Record
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("read record: %w", err)
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	return &r, nil
}

// check finds what would make a record useless to a reader.
func (r *Record) check() error {
	if r.Version < 1 || r.Version > Version {
		return &VersionError{r.Version}
	}
	if r.ID == "" {
		return errors.New("the record has no id")
	}
	endings := []ramp.Ending{r.Ending}
	for _, t := range r.Targets {
		endings = append(endings, t.Ending)
		for _, repeat := range t.Repeats {
			endings = append(endings, repeat.Ending)
		}
	}
	for _, e := range endings {
		if !slices.Contains(worst, e) {
			return fmt.Errorf("%q is no ending of a run", e)
		}
	}
	return nil
}
