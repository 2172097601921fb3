package stress

// A Mistake is something wrong in a configuration: a person wrote it and can
// put it right.
type Mistake struct {
	// Field is the path of the key in its section, as the YAML has it:
	// "cpu", "metrics[0].url".
	Field string
	// Msg says what is wrong, Hint what to write instead ("" where unknown).
	Msg  string
	Hint string
}

// Error is "Field: Msg", or Msg alone where the whole section is meant.
func (m Mistake) Error() string {
	if m.Field == "" {
		return m.Msg
	}
	return m.Field + ": " + m.Msg
}
