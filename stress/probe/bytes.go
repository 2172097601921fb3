package probe

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Bytes is a size; written 300MiB, 1.5GiB, 500MB or as a plain number. As in
// the SI and IEC, MB is 10^6 and MiB 2^20.
type Bytes int64

// unitBytes is how many bytes a unit has.
func unitBytes(unit string) (float64, bool) {
	unit = strings.TrimSuffix(strings.ToLower(unit), "b")
	base := 1000.0
	if u, ok := strings.CutSuffix(unit, "i"); ok {
		if unit, base = u, 1024; unit == "" {
			return 0, false
		}
	}
	power := strings.Index("kmgtp", unit)
	switch {
	case unit == "":
		return 1, true
	case len(unit) != 1 || power < 0:
		return 0, false
	}
	return math.Pow(base, float64(power+1)), true
}

// UnmarshalText reads a number and a unit: B, kB, MB, GB, TB, PB or KiB, MiB,
// GiB, TiB, PiB, in any case; no unit is bytes.
func (b *Bytes) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	const digits = "0123456789."
	end := strings.LastIndexAny(s, digits) + 1
	plain := strings.Trim(s[:end], digits) == "" // and neither 1e3 nor 0x10
	v, err := strconv.ParseFloat(s[:end], 64)
	unit, known := unitBytes(strings.TrimSpace(s[end:]))
	// NaN fails every comparison, so the bounds are asked the right way round.
	if v *= unit; err != nil || !plain || !known || !(v >= 0 && v < math.MaxInt64) {
		return fmt.Errorf("%q is not a size: write 300MiB, 1.5GiB or a number of bytes", text)
	}
	*b = Bytes(math.Round(v))
	return nil
}

// MarshalText writes the plain number of bytes.
func (b Bytes) MarshalText() ([]byte, error) {
	return strconv.AppendInt(nil, int64(b), 10), nil
}
