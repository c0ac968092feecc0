// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"slices"
	"strings"
)

// versions are those of the CNI specification that the frame speaks. Older ones know no chaining.
var versions = []string{"0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"}

const latestVersion = "1.1.0"

// since says from which version on a verb exists (CHECK 0.4.0, GC and STATUS 1.1.0).
var since = map[string]string{"CHECK": "0.4.0", "GC": "1.1.0", "STATUS": "1.1.0"}

// checkVersion refuses a cniVersion that the frame or the verb does not know.
func checkVersion(cmd, version string) error {
	at := slices.Index(versions, version)
	if at < 0 {
		return Errorf(CodeVersion, "cniVersion %q is not supported; this plugin speaks %s", version, strings.Join(versions, ", "))
	}
	if first, ok := since[cmd]; ok && at < slices.Index(versions, first) {
		return Errorf(CodeVersion, "%s exists since cniVersion %s, the configuration says %s", cmd, first, version)
	}
	return nil
}
