// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package dist

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// licence is what the authors of a module ask of those who hand on programs made of it.
type licence struct {
	module, version string
	// id is the licence's in SPDX's list.
	id, text string
}

type licences []licence

var licenceFile = regexp.MustCompile(`(?i)^(licen[sc]e|copying|notice|patents)([.-].*)?$`)

// licences reads those of all modules, and of Go itself, whose standard library is in every program. It asks go list
// for packages and not for modules: what was built is on this machine, while other modules may have to be fetched.
func (r *release) licences(root string) (licences, error) {
	const line = `{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}`
	out, err := r.goCommand(root, append([]string{"list", "-mod=readonly", "-deps", "-f", line}, r.folders...)...)
	if err != nil {
		return nil, err
	}
	goroot, err := r.goCommand(root, "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	lines := slices.Sorted(strings.Lines(string(out)))
	lines = append(lines, "std "+r.goVersion()+" "+string(goroot))
	var all licences
	for _, line := range slices.Compact(lines) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue // a package of ours, or Go's
		}
		module, rest, _ := strings.Cut(line, " ")
		version, dir, _ := strings.Cut(rest, " ")
		text, err := licenceText(dir)
		if err != nil {
			return nil, fmt.Errorf("the licence of %s: %w", module, err)
		}
		all = append(all, licence{module, version, identifier(text), text})
	}
	return all, nil
}

// goVersion is that of the compiler and the standard library: "go1.26.8".
func (r *release) goVersion() string {
	version, _, _ := strings.Cut(r.programs[0].info.GoVersion, " ") // experiments follow
	return version
}

// goCommand runs the go command as build does, and returns what it prints.
func (r *release) goCommand(dir string, args ...string) ([]byte, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir, cmd.Env = dir, environment(r.arch)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w\n%s", args[0], err, &stderr)
	}
	return out, nil
}

// licenceText is all that a module's folder has of licences.
func licenceText(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	for _, entry := range entries {
		if entry.IsDir() || !licenceFile.MatchString(entry.Name()) {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return "", err
		}
		text.WriteString(strings.TrimSpace(string(data)) + "\n\n")
	}
	if text.Len() == 0 {
		return "", fmt.Errorf("there is none in %s", dir)
	}
	return text.String(), nil
}

// identifier knows the licences that there are among our modules; "" is another one.
func identifier(text string) string {
	has := func(words string) bool { return strings.Contains(strings.Join(strings.Fields(text), " "), words) }
	switch {
	case has("Apache License Version 2.0"):
		return "Apache-2.0"
	case has("Permission is hereby granted, free of charge, to any person obtaining a copy"):
		return "MIT"
	case has("Redistribution and use in source and binary forms") && has("Neither the name"):
		return "BSD-3-Clause"
	case has("Redistribution and use in source and binary forms"):
		return "BSD-2-Clause"
	}
	return ""
}

// text is one page of all.
func (all licences) text() []byte {
	var page bytes.Buffer
	page.WriteString("The programs contain these modules, under these licences.\n")
	for _, l := range all {
		fmt.Fprintf(&page, "\n%s\n%s %s\n\n%s", strings.Repeat("=", 80), l.module, l.version, l.text)
	}
	return page.Bytes()
}
