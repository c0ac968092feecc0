// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package chain

// room is as much stack as a link needs, in bytes.
type room [20 << 10]byte

// growStack makes the goroutine's stack large enough while there is hardly anything on it. Go would double it four
// times on the way, and each time look up every function that is on it in tables that nothing else reads in a process
// that short: 2 % of its time. The room is not used, and not even touched; what counts is the frame of this function.
//
//go:noinline
func growStack(use bool) {
	if use {
		var r room
		r.use()
	}
}

//go:noinline
func (r *room) use() { r[0]++ }
