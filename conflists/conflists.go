// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package conflists has the example chains inside a program, so that cnichain can tell its story without any file. The
// files beside this one are what a runtime reads; nothing here interprets them.
package conflists

import "embed"

// FS has every conflist of this directory, by its file name ("bridge.conflist").
//
//go:embed *.conflist
var FS embed.FS
