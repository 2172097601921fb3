package ramp

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
