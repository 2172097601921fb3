package guest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
)

// Modules of the kernel that its network card needs, in the order in which they
// are loaded, by their folder.
var modules = []string{
	"net/core/failover", "drivers/net/net_failover",
	"drivers/virtio/virtio_ring", "drivers/virtio/virtio", "drivers/virtio/virtio_mmio", "drivers/net/virtio_net",
}

// ModuleFolder is where the guest has them; their names sort as they load.
const ModuleFolder = "/modules"

// image is the guest's root: a cpio archive, as the kernel unpacks it.
func image(c Config) ([]byte, error) {
	files := maps.Clone(c.Files)
	if files["init"] == nil {
		return nil, fmt.Errorf("there is no init")
	}
	plan, err := json.Marshal(c.Plan)
	if err != nil {
		return nil, err
	}
	files[strings.TrimPrefix(PlanFile, "/")] = plan
	for i, name := range modules {
		file, err := only(c.Dir, "kernel/lib/modules/*/kernel/"+name+".ko")
		if err != nil {
			return nil, err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		files[fmt.Sprintf("%s/%d-%s.ko", ModuleFolder[1:], i, path.Base(name))] = text
	}
	return archive(files), nil
}

// archive is a cpio archive in the "newc" format (the kernel's
// Documentation/driver-api/early-userspace/buffer-format.rst) of files that
// everybody may read and run, with the folders that they need.
func archive(files map[string][]byte) []byte {
	const folder, file = 0o40755, 0o100755
	folders := map[string]bool{"dev": true, "proc": true, "sys": true, "tmp": true}
	for name := range files {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			folders[dir] = true
		}
	}
	var b bytes.Buffer
	pad := func() { b.Write(make([]byte, -b.Len()&3)) }
	inode := 0
	add := func(name string, mode int, text []byte) {
		inode++
		fmt.Fprintf(&b, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
			inode, mode, 0, 0, 1, 0, len(text), 0, 0, 0, 0, len(name)+1, 0)
		b.WriteString(name + "\x00")
		pad()
		b.Write(text)
		pad()
	}
	for _, name := range slices.Sorted(maps.Keys(folders)) { // a folder before what is in it
		add(name, folder, nil)
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		add(name, file, files[name])
	}
	add("TRAILER!!!", 0, nil)
	return b.Bytes()
}

// Build compiles a command of this module for the guest. Verb and arguments are
// the go tool's: "build", "saturate/cmd/saturate".
func Build(into string, args ...string) ([]byte, error) {
	out := path.Join(into, "built")
	c := exec.Command("go", append([]string{args[0], "-trimpath", "-ldflags=-s -w", "-o", out}, args[1:]...)...)
	c.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0", "GOFLAGS=")
	if text, err := c.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%v: %w\n%s", c.Args, err, text)
	}
	return os.ReadFile(out)
}
