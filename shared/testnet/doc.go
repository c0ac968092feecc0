// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package testnet gives tests, and the demo, a network of their own: a machine ("the host") with nothing set up, hosts
// beside it, containers in it, programs that say who talked to them, and a snapshot that shows what a plugin left.
//
// A test package calls Main from its TestMain:
//
//	func TestMain(m *testing.M) { testnet.Main(m) }
//
// Main starts the test binary once more in new mount and network namespaces (and, when not root, a new user namespace),
// with an empty /run, /etc/netns and /var/lib/cni. Everything that the tests do to the network or in those places ends
// with the process and cannot reach the machine. Two things are shared with the machine: /sys, which shows its
// interfaces and not the tests', and the file system elsewhere, where t.TempDir is to be used.
//
// Where namespaces cannot be had, every test that calls Need, or anything else here that takes a T, is skipped; with
// TESTNET=require in the environment the run fails instead.
//
// A program that is no test (the demo) uses Isolate and the functions that return errors. The package does not import
// testing, so such a program does not link it.
package testnet
