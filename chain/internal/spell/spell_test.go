// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package spell

import "testing"

func TestNearest(t *testing.T) {
	known := []string{"bridge", "mtu", "portMappings", "vlan", "vlanTrunk"}
	for word, want := range map[string]string{
		"brigde":        "bridge", // two neighbours swapped
		"portMapings":   "portMappings",
		"PortMappings":  "portMappings",
		"mtuu":          "mtu",
		"mt":            "mtu",
		"ip":            "",
		"vlanTrunks":    "vlanTrunk",
		"somethingElse": "",
	} {
		if got := Nearest(word, known); got != want {
			t.Errorf("%s: %q, want %q", word, got, want)
		}
	}
}
