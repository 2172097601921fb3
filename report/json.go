package report

import (
	"io"

	"saturate/record"
)

// JSON writes the record as it is kept.
func JSON(w io.Writer, r *record.Record, _ Options) error {
	data, err := record.Marshal(r)
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}
