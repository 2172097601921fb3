package history

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
)

// A line of an export is a record, or one of these.
type line struct {
	Mark     *Mark     `json:"mark,omitempty"`
	Baseline *baseline `json:"baseline,omitempty"`
}

type baseline struct {
	Scenario string `json:"scenario"`
	Record   string `json:"record"`
}

// Export writes the records that the filter chooses as JSON Lines, oldest first,
// and returns how many there were. Where the filter chooses all, marks and
// baselines follow: {"mark": {...}} and {"baseline": {...}}, so that an export
// is the whole history.
func (db *DB) Export(ctx context.Context, w io.Writer, f Filter) (records int, err error) {
	out := bufio.NewWriter(w)
	err = db.read(ctx, func(tx *sql.Tx) error {
		err := documents(ctx, tx, f, "ASC", func(d Document) error {
			records++
			_, err := out.Write(append(d.JSON, '\n'))
			return err
		})
		if err == nil && f.everything() {
			err = exportRest(ctx, tx, out)
		}
		return err
	})
	if unwritten := out.Flush(); unwritten != nil { // the first error of writing, whenever it was
		err = fmt.Errorf("write export: %w", unwritten)
	}
	return records, err
}

func exportRest(ctx context.Context, tx *sql.Tx, out io.Writer) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	marks, err := marks(ctx, tx, Filter{})
	if err != nil {
		return err
	}
	for i := range marks {
		if err := e.Encode(line{Mark: &marks[i]}); err != nil {
			return err
		}
	}
	baselines, err := baselines(ctx, tx)
	if err != nil {
		return err
	}
	for _, scenario := range slices.Sorted(maps.Keys(baselines)) {
		if err := e.Encode(line{Baseline: &baseline{scenario, baselines[scenario]}}); err != nil {
			return err
		}
	}
	return nil
}

// Imported says what an import came to.
type Imported struct {
	Added   int // records that were not there before
	Present int // records that were, and are the same
}

// Import keeps all records of a stream of JSON values, such as an export or a
// file that a run wrote: all, or none where one of them is wrong, which is a
// *LineError. What is there already is left as it is, so importing twice changes
// nothing; so are baselines.
func (db *DB) Import(ctx context.Context, r io.Reader) (Imported, error) {
	var n Imported
	err := db.write(ctx, func(tx *sql.Tx) error {
		return eachValue(r, func(data []byte) error { return n.add(ctx, tx, data) })
	})
	if err != nil {
		return Imported{}, err
	}
	return n, nil
}

// Read returns the records of such a stream without keeping them, and without
// its marks and baselines.
func Read(r io.Reader) ([]Document, error) {
	var all []Document
	err := eachValue(r, func(data []byte) error {
		l, err := readLine(data)
		if err != nil || l != (line{}) {
			return err
		}
		record, err := decode(data)
		if err != nil {
			return err
		}
		all = append(all, Document{ID: record.ID, JSON: data})
		return nil
	})
	return all, err
}

// eachValue hands over the JSON values of a stream. Errors are *LineError, but
// for those of a database.
func eachValue(r io.Reader, each func(data []byte) error) error {
	lines := &lineCounter{r: r}
	d := json.NewDecoder(lines)
	for {
		var data json.RawMessage
		err := d.Decode(&data)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return lines.wrong(err)
		}
		begin := d.InputOffset() - int64(len(data))
		if err := each(data); err != nil && sqliteCode(err) == 0 {
			return &LineError{Line: lines.line(begin), Err: err}
		} else if err != nil {
			return err
		}
	}
}

// readLine tells a mark and a baseline from a record, which has neither.
func readLine(data []byte) (line, error) {
	if !bytes.HasPrefix(data, []byte("{")) {
		return line{}, errors.New("this is not a record")
	}
	var l line
	if err := json.Unmarshal(data, &l); err != nil {
		return line{}, fmt.Errorf("read record: %w", err)
	}
	return l, nil
}

// add keeps one value of an import.
func (n *Imported) add(ctx context.Context, tx *sql.Tx, data []byte) error {
	l, err := readLine(data)
	switch {
	case err != nil:
		return err
	case l.Mark != nil:
		_, err := addMark(ctx, tx, *l.Mark)
		return err
	case l.Baseline != nil:
		var id string
		err := tx.QueryRowContext(ctx, "SELECT id FROM documents WHERE id = ? AND scenario = ?", l.Baseline.Record, l.Baseline.Scenario).Scan(&id)
		if errors.Is(err, sql.ErrNoRows) {
			return &NotFoundError{What: "record", Ref: l.Baseline.Record}
		} else if err != nil {
			return err
		}
		return setBaseline(ctx, tx, l.Baseline.Scenario, id, "DO NOTHING")
	}
	added, err := add(ctx, tx, data)
	switch {
	case err != nil:
		return err
	case added:
		n.Added++
	default:
		n.Present++
	}
	return nil
}

// A lineCounter remembers where the lines that were read through it end.
type lineCounter struct {
	r    io.Reader
	read int64
	ends []int64
}

func (c *lineCounter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	for i, b := range p[:n] {
		if b == '\n' {
			c.ends = append(c.ends, c.read+int64(i))
		}
	}
	c.read += int64(n)
	return n, err
}

// line is the line, from 1, that the byte at an offset is on.
func (c *lineCounter) line(offset int64) int {
	i, _ := slices.BinarySearch(c.ends, offset)
	return i + 1
}

// wrong says where the stream is no JSON any more.
func (c *lineCounter) wrong(err error) error {
	at := c.read - 1
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		at = syntax.Offset - 1
	} else if errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("the input ends in the middle of a record")
	}
	return &LineError{Line: c.line(at), Err: err}
}
