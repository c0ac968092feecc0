// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// helloSource is the least that a plugin's process could be: a Go program that prints.
const helloSource = "package main\n\nimport \"os\"\n\nfunc main() { os.Stdout.WriteString(\"hello\\n\") }\n"

// helloName is the hello-world's.
const helloName = "hello-world"

// nothingSource is the least that a plugin could be: a Go program that takes its configuration, as a runtime waits for
// that, and answers an ADD with what it has by heart. Four of them are what our chain cannot do without.
const nothingSource = `package main

import (
	"io"
	"os"
)

func main() {
	io.Copy(io.Discard, os.Stdin)
	if os.Getenv("CNI_COMMAND") == "ADD" {
		os.Stdout.WriteString("{\"cniVersion\":\"1.0.0\",\"ips\":[{\"address\":\"192.0.2.1/32\"}]}\n")
	}
}
`

// nothingName is the plugin's that does nothing.
const nothingName = "nothing"

// startup is what the start of a process costs: VERSION of a plugin, beside the hello-world.
type startup struct {
	Program string
	Median  time.Duration
	Ratio   float64 // to the hello-world
	PeakKiB int64
	Size    int64 // of the file, in bytes
}

// tools are small programs that are built for a run.
func tools(o *options) (remove func(), err error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	remove = func() { _ = os.RemoveAll(dir) }
	o.hello, o.launcher = filepath.Join(dir, helloName), filepath.Join(dir, "launch")
	nothing := filepath.Join(dir, nothingName)
	for program, source := range map[string]string{o.hello: helloSource, nothing: nothingSource} {
		if err := os.WriteFile(program+".go", []byte(source), 0o600); err != nil {
			return remove, err
		}
	}
	if err := os.CopyFS(filepath.Join(dir, "bin"), os.DirFS(o.bin)); err != nil {
		return remove, err
	}
	o.bin = filepath.Join(dir, "bin")
	for _, pattern := range []string{"*", "upstream/*"} {
		programs, _ := filepath.Glob(filepath.Join(o.bin, pattern)) // the pattern is one
		for _, program := range programs {
			if info, err := os.Stat(program); err != nil || !info.Mode().IsRegular() {
				continue
			}
			if err := recopy(program); err != nil {
				return remove, err
			}
		}
	}
	sources := map[string]string{o.hello: o.hello + ".go", filepath.Join(o.bin, nothingName): nothing + ".go",
		o.launcher: filepath.Join(o.src, "launch", "main.go")}
	for program, source := range sources {
		build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, source)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return remove, fmt.Errorf("build %s: %w: %s", filepath.Base(program), err, out)
		}
		if err := recopy(program); err != nil {
			return remove, err
		}
	}
	return remove, nil
}

// recopy puts a copy in the place of a file, as "cnichain install" does. What is measured is what is installed: a file
// that the linker has mapped and written starts 0.2 ms slower than one that was written at once, which has larger pages
// in the page cache, and one that was written piece by piece is between them.
func recopy(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o755)
}

// startups measures all plugins and upstream's largest two, in turn.
func startups(o *options) ([]startup, error) {
	paths := []string{o.hello}
	for _, name := range []string{
		"veth-bridge", "ip-config", "resolv-conf", "port-map", "ip-pool", "upstream/bridge", "upstream/portmap",
	} {
		paths = append(paths, filepath.Join(o.bin, name))
	}
	times := make([][]time.Duration, len(paths))
	list := make([]startup, len(paths))
	for range 10 * o.samples {
		for i, path := range paths {
			start := time.Now()
			if err := askVersion(path).Run(); err != nil {
				return nil, err
			}
			times[i] = append(times[i], time.Since(start))
		}
	}
	for i, path := range paths {
		kib, err := runNoting(askVersion(o.launcher, path), true)
		if err != nil {
			return nil, err
		}
		list[i].PeakKiB = kib
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		list[i].Program, list[i].Size, list[i].Median = filepath.Base(path), info.Size(), median(times[i])
		list[i].Ratio = float64(list[i].Median) / float64(list[0].Median)
	}
	return list, nil
}

// askVersion is the call of VERSION.
func askVersion(command ...string) *exec.Cmd {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = []string{"CNI_COMMAND=VERSION"}
	cmd.Stdin = strings.NewReader(`{"cniVersion":"1.0.0"}`)
	return cmd
}

func median(list []time.Duration) time.Duration {
	if len(list) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}
