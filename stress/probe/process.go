package probe

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// readPidfile reads the process id from a pidfile.
func readPidfile(file string) (int, error) {
	text, err := readFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, hinted("is the server up? it writes the file when it starts", "there is no %s", file)
	}
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || pid <= 0 {
		return 0, fmt.Errorf("%s does not hold a process id", path.Base(file))
	}
	return pid, nil
}
