// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

func (s *story) snapshot() (*testnet.Snapshot, error) {
	return testnet.Snap(testnet.Scope{Namespaces: []*testnet.NS{s.blue, s.green, s.outside.NS}})
}

func (s *story) compare(context.Context) error {
	after, err := s.snapshot()
	if err != nil {
		return err
	}
	s.heading("Compare")
	s.say("%s", testnet.Diff(s.before, after))
	return nil
}
