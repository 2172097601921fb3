package ramp

import (
	"fmt"

	"saturate/stress"
)

// Config is the ramp section of a scenario.
type Config struct {
	// Start is the first level; 0 lets the search choose a careful one.
	Start float64 `yaml:"start"`
	// Max is the highest level ever offered; 0 is no bound but the generator's.
	Max float64 `yaml:"max"`
	// Precision is quick, standard or long.
	Precision string `yaml:"precision"`
}

// Default is what a scenario that says nothing gets.
var Default = Config{Precision: "standard"}

// Validate returns every mistake in the section.
func (c Config) Validate() []stress.Mistake {
	var all []stress.Mistake
	if c.Max > 0 && c.Start > c.Max {
		all = append(all, stress.Mistake{Field: "start", Msg: fmt.Sprintf("%g is above max %g", c.Start, c.Max),
			Hint: "start well below what the target can carry, a twentieth of it say"})
	}
	switch c.Precision {
	case "quick", "standard", "long":
	default:
		all = append(all, stress.Mistake{Field: "precision", Msg: fmt.Sprintf("%q is not a precision", c.Precision),
			Hint: "quick, standard or long"})
	}
	return all
}
