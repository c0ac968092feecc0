// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package chain_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cni-chain/cni-chain/chain"
)

// Config is the configuration of the link "motd".
type Config struct {
	// Dir is where the messages are.
	Dir string `json:"dir"`
	// Text is what the container is told.
	Text string `json:"text"`
}

// Validate is called on ADD, CHECK and STATUS, after decoding.
func (c *Config) Validate() error {
	if !filepath.IsAbs(c.Dir) {
		return chain.Invalid("dir", c.Dir, "an absolute path")
	}
	return nil
}

// motd leaves a message for each attachment. Its file is named by the attachment, so that DEL finds it.
var motd = &chain.Plugin[Config]{
	Name:     "motd",
	About:    "leaves a message for the container.",
	Place:    chain.Anywhere,
	Defaults: func() Config { return Config{Text: "welcome"} },
	Add: func(_ context.Context, r *chain.Request[Config]) error {
		path := file(r)
		return r.Do("write "+path,
			func() error { return os.WriteFile(path, []byte(r.Conf.Text), 0o600) },
			func() error { return os.Remove(path) })
	},
	Del: func(_ context.Context, r *chain.Request[Config]) error {
		if err := os.Remove(file(r)); err != nil && !os.IsNotExist(err) {
			return err
		}
		return nil
	},
	Check: func(_ context.Context, r *chain.Request[Config]) error {
		text, err := os.ReadFile(file(r))
		if err == nil && string(text) != r.Conf.Text {
			err = fmt.Errorf("%s says %q, not %q", file(r), text, r.Conf.Text)
		}
		return err
	},
}

func file(r *chain.Request[Config]) string {
	return filepath.Join(r.Conf.Dir, r.Network+"-"+r.ContainerID+"-"+r.IfName)
}

// A whole link. In a program of its own, main would be motd.Main().
func ExamplePlugin() {
	dir, _ := os.MkdirTemp("", "motd")
	defer os.RemoveAll(dir)
	args := &chain.CmdArgs{
		ContainerID: "c1", IfName: "eth0", Netns: "/proc/self/ns/net", NetnsOverride: "1",
		StdinData: fmt.Appendf(nil, `{"cniVersion": "1.1.0", "name": "net", "type": "motd", "dir": %q}`, dir),
	}
	show := func(cmd string) {
		_, err := motd.Invoke(context.Background(), cmd, args)
		left, _ := filepath.Glob(dir + "/*")
		fmt.Println(cmd, "error:", err, "files:", len(left))
	}
	show("ADD")
	show("CHECK")
	show("DEL")
	show("DEL")

	args.StdinData = []byte(`{"cniVersion": "1.1.0", "name": "net", "type": "motd", "dir": "/tmp", "txt": "hi"}`)
	_, err := motd.Invoke(context.Background(), "ADD", args)
	fmt.Println(err)
	// Output:
	// ADD error: <nil> files: 1
	// CHECK error: <nil> files: 1
	// DEL error: <nil> files: 0
	// DEL error: <nil> files: 0
	// motd: unknown key "txt" with the value "hi" (did you mean "text"?)
}
