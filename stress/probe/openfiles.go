package probe

import (
	"errors"
	"os"
	"strconv"

	"saturate/stress"
)

// openFiles reads the open files of the process with the least room for more.
type openFiles struct {
	fs   rootFS
	pids func() []int

	ticks      int
	open, most float64
	err        error
}

func (o *openFiles) read(s *stress.Sample) error {
	if o.ticks%seldom == 0 {
		o.err = o.look()
	}
	o.ticks++
	if o.err != nil {
		return o.err
	}
	s.Gauges[stress.OpenFiles], s.Gauges[stress.OpenFilesLimit] = o.open, o.most
	return nil
}

func (o *openFiles) look() error {
	o.open, o.most = 0, 0
	var last error
	for _, pid := range o.pids() {
		open, err := o.count(pid)
		if err != nil {
			last = err
			continue
		}
		text, err := o.fs.read("proc", strconv.Itoa(pid), "limits")
		if most, ok := parseOpenFilesLimit(text); err == nil && ok && most > 0 {
			if o.most == 0 || open*o.most > o.open*most {
				o.open, o.most = open, most
			}
		}
	}
	if o.most > 0 {
		return nil
	}
	return errors.Join(last, errors.New("no process tells its open files"))
}

// count is the number of a process's open files. Since Linux 6.2 the directory
// has it as its size; before, its entries are counted.
func (o *openFiles) count(pid int) (float64, error) {
	dir := o.fs.path("proc", strconv.Itoa(pid), "fd")
	info, err := os.Stat(dir)
	if err != nil {
		return 0, err
	}
	if o.fs.real() && info.Size() > 0 {
		// Who may not look into the directory may still ask for its size.
		return float64(info.Size()), nil
	}
	entries, err := os.ReadDir(dir)
	return float64(len(entries)), err
}
