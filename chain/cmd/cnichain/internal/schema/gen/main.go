// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Command gen writes the schemas of our links into schemas/. Run it by "make generate", in the root of the repository.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/schema/generate"
)

func main() {
	files, err := generate.Files(".")
	if err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join("schemas", name), data, 0o644); err != nil {
			fmt.Fprintln(os.Stderr, "gen:", err)
			os.Exit(1)
		}
	}
}
