// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"fmt"
	"os"
	"strings"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/run"
)

// meanings are those of the specification (SPEC.md 1.1.0, section Error), in a word or two.
var meanings = map[uint]string{
	chain.CodeVersion:      "version not supported",
	chain.CodeUnsupported:  "unsupported field",
	chain.CodeContainer:    "unknown container",
	chain.CodeEnvironment:  "environment",
	chain.CodeIO:           "input or output",
	chain.CodeDecoding:     "cannot be decoded",
	chain.CodeConfig:       "configuration",
	chain.CodeNetNS:        "network namespace",
	chain.CodeTryAgain:     "try again",
	chain.CodeNotAvailable: "not available",
	chain.CodeLimited:      "not available, containers limited",
	chain.CodeStep:         "a step failed",
	chain.CodeInternal:     "internal, or without a code",
}

// Code is "error" with its code and what that means.
func Code(code uint) string {
	if code == 0 {
		return "error"
	}
	if text, ok := meanings[code]; ok {
		return fmt.Sprintf("error %d (%s)", code, text)
	}
	return fmt.Sprintf("error %d", code)
}

// Hint is what to try, where the error does not say it itself.
func Hint(e run.Error) string {
	denied := strings.Contains(e.Msg, "operation not permitted") || strings.Contains(e.Msg, "permission denied")
	switch {
	case denied && os.Geteuid() != 0:
		return "networks are root's: run it with sudo (\"cnichain demo\" needs no root)"
	case e.Code == chain.CodeVersion:
		return "change \"cniVersion\" in the conflist to one that all its plugins support"
	case e.Code == chain.CodeTryAgain:
		return "the same command may succeed now"
	case strings.Contains(e.Msg, "already exists") || strings.Contains(e.Msg, "file exists"):
		return "\"cnichain del\" with the same arguments removes what an earlier add made"
	}
	return ""
}
