//go:build !linux

package loadgen

import "fmt"

const fastHere = false

func newFast(Config, string, Options) (Loader, error) { return nil, fmt.Errorf("%w here", ErrEngine) }
