// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package schemas has the JSON Schemas (2020-12) of conflists and plugins inside a program. The files beside this one
// are what editors read: conflist.json leads to all others. Those of our links are generated out of their source code
// ("make generate"); those of the reference plugins, in upstream/, are written by hand, a folder a release.
package schemas

import "embed"

// FS has every schema by its path: "conflist.json", "port-map.json", "upstream/v1.9.1/bridge.json".
//
//go:embed *.json upstream
var FS embed.FS

//go:generate go run -C .. ./chain/cmd/cnichain/internal/schema/gen
