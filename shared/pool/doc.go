// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package pool leases addresses out of configured ranges, to one attachment at a time, by means of files alone. It
// knows no CNI: plugins/ip-pool makes an IPAM plugin of it, plugins/ip-config serves it in process. It configures
// nothing in the kernel and does not ask the network whether an address is in use.
//
//	p := pool.Open("podnet", conf)
//	lease, err := p.Allocate(ctx, attachment, pool.Request{IPs: wanted}) // an address of each range set, in order
//	...
//	err = p.Release(ctx, attachment) // needs the names alone, may be repeated
//
// # On disk
//
// A pool is a directory, by default /run/cni-chain/pool/NETWORK, with
//
//	owner-HASH     who (the owner's tag) and what (an address a line), one per attachment
//	10.0.0.5       a hard link to the owner file of whoever holds the address
//	position       the addresses leased last
//	used-10.0.0.0  a bit for each of the 32768 addresses from there on, set while the address is leased
//	new            the next version of one of these, while it is written
//
// The address file is the truth: link(2) makes it with its content and only if nobody has it. The owner file is
// written before the first address is taken and removed after the last one is given back, so a process killed in
// between leaves nothing that Release cannot find by name. (When somebody removes an owner file by hand, GC frees what
// it named.) A file that is called like an address and is not ours is never touched; the address counts as taken, so
// "touch /run/cni-chain/pool/NETWORK/10.0.0.9" keeps 10.0.0.9 from being leased.
//
// The bits only say where to look. A bit is set after its address was taken and cleared before it is given back: a
// set bit is right unless somebody removed files by hand, and an address that turns out taken sets its bit. Nobody
// reads the whole directory but GC, List, and a search that finds everything taken, which makes the bits anew before it
// says so. That is why an address costs the same with 10 leases and with 60,000.
//
// After the last lease there is the position file and nothing else.
//
// # The same attachment twice
//
// Allocate for an owner that holds addresses already returns them and says so (Lease.Existing). A lease is no sign of a
// live attachment: it may be what a killed ADD left, which must not keep the next one from working. Whether the
// attachment lives, the container's interface tells, which this package does not look at. A caller that undoes its work
// after an error must not release a lease that existed before.
//
// # Processes
//
// All functions that change a pool hold the lock "pool-NAME" of package lock. Even without it (another mount namespace,
// say) no address can be leased twice, for link(2) is exclusive.
package pool
