// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// ProbeCode is the code of the error with which a probe fails.
const ProbeCode = 142

// probe is the configuration of the plugin "probe", which stands in a chain, hands on what it gets, writes down what
// it was given, and fails where it is told to.
type probe struct {
	CNIVersion string          `json:"cniVersion"`
	PrevResult json.RawMessage `json:"prevResult"`
	Record     string          `json:"record"` // a file for records; "" is none
	Fail       string          `json:"fail"`   // the command that fails
}

// Record is what a probe was given once.
type Record struct {
	Command string
	Stdin   map[string]any
}

// ProbeDir makes a directory with the plugin in it: the running test program by another name.
func ProbeDir(t testing.TB) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(self, filepath.Join(dir, "probe")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Records reads what a probe has written down.
func Records(t testing.TB, file string) (list []Record) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for d := json.NewDecoder(bytes.NewReader(data)); ; {
		var r Record
		if err := d.Decode(&r); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, r)
	}
}

// runProbe is the plugin, when the program is called by its name.
func runProbe() {
	if filepath.Base(os.Args[0]) != "probe" {
		return
	}
	if err := probeOnce(os.Getenv("CNI_COMMAND")); err != nil {
		fmt.Printf(`{"cniVersion": "1.0.0", "code": %d, "msg": %q}`, ProbeCode, "probe: "+err.Error())
		os.Exit(1)
	}
	os.Exit(0)
}

func probeOnce(command string) error {
	stdin, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	var conf probe
	if err := json.Unmarshal(stdin, &conf); err != nil && command != "VERSION" {
		return err
	}
	if err := conf.record(command, stdin); err != nil {
		return err
	}
	switch {
	case conf.Fail == command:
		return errors.New("told to fail")
	case command == "VERSION":
		_, err = fmt.Print(`{"cniVersion": "1.1.0", "supportedVersions": ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]}`)
	case command == "ADD" && conf.PrevResult == nil:
		_, err = fmt.Printf(`{"cniVersion": %q}`, conf.CNIVersion)
	case command == "ADD":
		_, err = os.Stdout.Write(conf.PrevResult)
	}
	return err
}

func (p probe) record(command string, stdin []byte) error {
	if p.Record == "" {
		return nil
	}
	r := Record{Command: command}
	if err := json.Unmarshal(stdin, &r.Stdin); err != nil {
		return err
	}
	file, err := os.OpenFile(p.Record, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(json.NewEncoder(file).Encode(r), file.Close())
}
