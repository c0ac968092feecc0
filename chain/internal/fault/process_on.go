//go:build faults

// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"os"
	"strconv"
	"strings"
	"sync"
)

// fromProcess reads CNI_CHAIN_FAULT, "PLUGIN:STEP" or "PLUGIN:STEP:after", where PLUGIN is the binary's name.
var fromProcess = sync.OnceValue(func() *Plan {
	plugin, step, _ := strings.Cut(os.Getenv("CNI_CHAIN_FAULT"), ":")
	if plugin == "" || !strings.HasSuffix(os.Args[0], "/"+plugin) {
		return nil
	}
	step, after, _ := strings.Cut(step, ":")
	n, err := strconv.Atoi(step)
	if err != nil {
		return nil
	}
	return &Plan{Step: n, After: after == "after"}
})
