//go:build !amd64

// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import "syscall"

func failCall(int, syscall.Errno) error { return syscall.ENOSYS }

// callNames: see inject.Supported.
var callNames = map[uint64]string{}
