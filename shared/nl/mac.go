// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package nl

import (
	"encoding/binary"
	"math/rand/v2"
	"net"
)

// RandomMAC makes a unicast, locally administered MAC. It is no secret: the random numbers are those that the process
// got from the kernel at its start.
func RandomMAC() net.HardwareAddr {
	mac := net.HardwareAddr(binary.BigEndian.AppendUint64(nil, rand.Uint64())[2:])
	mac[0] = mac[0]&^1 | 2
	return mac
}
