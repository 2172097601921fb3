// Package disk makes what was written outlast a crash of the machine.
package disk

import (
	"errors"
	"os"
	"syscall"
)

// SyncFolder makes the names in a folder last: of a file that was made in it or
// renamed. Some file systems cannot; the file is whole either way.
func SyncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := folder.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) {
		return err
	}
	return nil
}
