//go:build !faults

// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package fault

func fromProcess() *Plan { return nil }
