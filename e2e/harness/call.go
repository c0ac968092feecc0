// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
)

// Call is one execution of a plugin's binary, with whatever a runtime would never send.
type Call struct {
	Plugin, Command, ContainerID, NetNS, IfName, Args string
	Conf                                              map[string]any
	// Stdin is sent instead of Conf unless it is nil.
	Stdin []byte
	// Path is CNI_PATH; "" is PluginDirs.
	Path string
}

// Failure is the error document of the specification.
type Failure struct {
	CNIVersion string
	Code       uint
	Msg        string
	Details    string
}

// Answer is what came back: stdout, stderr, and the exit status.
type Answer struct {
	Stdout, Stderr string
	Exit           int
}

// Run executes the plugin; an error means that it could not be executed, or did not end in time.
func (c Call) Run() (Answer, error) {
	stdin := c.Stdin
	if stdin == nil {
		var err error
		if stdin, err = json.Marshal(c.Conf); err != nil {
			return Answer{}, err
		}
	}
	path := Bin(c.Plugin)
	if !exists(path) {
		path = Bin(filepath.Join("upstream", c.Plugin))
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, path)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &stdout, &stderr
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "CNI_PATH=" + cmp.Or(c.Path, strings.Join(PluginDirs(), ":"))}
	for name, value := range map[string]string{
		"CNI_COMMAND": c.Command, "CNI_CONTAINERID": c.ContainerID, "CNI_NETNS": c.NetNS, "CNI_IFNAME": c.IfName, "CNI_ARGS": c.Args,
	} {
		if value != "" {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || !exit.Exited()) {
		return Answer{}, fmt.Errorf("%s %s: %w", c.Plugin, c.Command, err)
	}
	return Answer{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}, nil
}

// Failure reads the answer as an error document: one JSON object, nothing else, and an exit status that says so.
func (a Answer) Failure() (f Failure, err error) {
	if a.Exit == 0 {
		return f, fmt.Errorf("it succeeds and prints %q", a.Stdout)
	}
	d := json.NewDecoder(strings.NewReader(a.Stdout))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return f, fmt.Errorf("stdout is no error document: %w: %q, stderr %q", err, a.Stdout, a.Stderr)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return f, fmt.Errorf("there is more than one document on stdout: %q", a.Stdout)
	}
	if f.CNIVersion == "" || f.Code == 0 || f.Msg == "" {
		return f, fmt.Errorf("the error document lacks cniVersion, code or msg: %q", a.Stdout)
	}
	return f, nil
}
