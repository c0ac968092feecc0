// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

// Package chain is the frame of a CNI plugin that does one step: a link of a conflist. It speaks the CNI protocol
// (versions 0.3.0 to 1.1.0) on one side and calls one function per verb on the other, so that a link consists of its
// configuration and its step, and of nothing else. It knows nothing of Linux networking; it is not for plugins that
// want to see the raw protocol, which package skel of containernetworking/cni serves.
//
// # Writing a link
//
// A link is a [Plugin] literal and a main that calls [Plugin.Main]. The example of [Plugin] is a whole one.
//
//   - Say in [Plugin.Place] whether it needs a prevResult. A Later link works on what an earlier one made:
//     [Request.Container] is the container's interface.
//   - Describe the configuration in a struct with json tags. Unknown keys, wrong types and wrong letter case are the
//     frame's business; a method Validate on the pointer says with [Invalid] what else may not be. Capabilities are
//     fields of a struct with the tag "runtimeConfig". A part that is left as json.RawMessage is for [Decode], as
//     strict as the frame, or for [Unmarshal], as lenient as json.Unmarshal and quicker in a process that lives for two
//     milliseconds.
//   - Plan first, change then, each change by [Request.Do] with its undo. When a later step fails, when the result
//     cannot be delivered, on a panic, on SIGTERM and SIGINT while it waits, the frame undoes what was done: a failed
//     ADD leaves the link's part of the world as it was. Whoever waits does it with ctx: signals are heard from the
//     first ctx.Done() on.
//   - Extend [Request.Result]: it starts as a copy of prevResult and is printed in the version that the configuration
//     asks for, with all that the link did not touch.
//   - Del has [Request.Network], [Request.ContainerID] and [Request.IfName], and nothing else to rely on: no namespace,
//     no prevResult, no complete configuration, no first time. Tag what you make with its owner, so that Del can look
//     it up and GC can list it.
//   - Return errors that say what was asked, of which object, what the kernel said and what to try; [Errorf] gives them
//     a CNI code. Without one an error is [CodeStep], or [CodeTryAgain] when the kernel was merely busy.
//
// # What the frame promises the user
//
// Before a link's function runs, the environment, the version, the link's place, the configuration and the namespace
// have been checked; what is wrong is said in one error document with the code of the specification, and nothing has
// changed. stdout carries exactly one JSON document, written last. On DEL and GC the frame is lenient: a configuration
// with unknown keys, a prevResult that cannot be read, or a namespace that is gone must not keep anything on the host.
//
// # Watching a link
//
// Lines go to stderr, or where "log": {"level": "debug", "file": "/var/log/cni.log"} says. At debug each step is a line
// with its duration. The environment variable CNI_CHAIN_LOG, a level or "json", does the same without editing a
// conflist.
//
// # Testing a link
//
// Package chaintest runs a link in process, over golden cases and all versions, and fails each of its steps in turn.
package chain
