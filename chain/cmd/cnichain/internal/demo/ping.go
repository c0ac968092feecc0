// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

// ICMP echo over IPv4 (RFC 792).
const (
	echoRequest = 8
	echoReply   = 0
	echoHeader  = 8
)

// patience is how long ping waits for an answer.
const patience = 3 * time.Second

// ping sends echo requests from the namespace, one after another, and returns how long each answer took.
func ping(ctx context.Context, ns *testnet.NS, to netip.Addr, count int) ([]time.Duration, error) {
	var conn net.PacketConn
	err := ns.Do(func() (err error) {
		conn, err = new(net.ListenConfig).ListenPacket(ctx, "ip4:icmp", "0.0.0.0")
		return err
	})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	var times []time.Duration
	for i := range count {
		took, err := echo(conn, to, uint16(os.Getpid()), uint16(i+1))
		if err != nil {
			return nil, fmt.Errorf("%s does not answer: %w", to, err)
		}
		times = append(times, took)
	}
	return times, nil
}

// echo sends one request and waits for its answer.
func echo(conn net.PacketConn, to netip.Addr, id, sequence uint16) (time.Duration, error) {
	request := echoMessage(id, sequence, "cni-chain")
	start := time.Now()
	if err := conn.SetDeadline(start.Add(patience)); err != nil {
		return 0, err
	}
	if _, err := conn.WriteTo(request, &net.IPAddr{IP: to.AsSlice()}); err != nil {
		return 0, err
	}
	buffer := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(buffer)
		if err != nil {
			return 0, err
		}
		if from.String() == to.String() && answers(buffer[:n], request) {
			return time.Since(start), nil
		}
	}
}

// answers says whether a message is the reply to the request: the same identifier, sequence number and data.
func answers(message, request []byte) bool {
	return len(message) == len(request) && message[0] == echoReply && string(message[4:]) == string(request[4:])
}

func echoMessage(id, sequence uint16, data string) []byte {
	message := make([]byte, echoHeader, echoHeader+len(data))
	message[0] = echoRequest
	binary.BigEndian.PutUint16(message[4:], id)
	binary.BigEndian.PutUint16(message[6:], sequence)
	message = append(message, data...)
	binary.BigEndian.PutUint16(message[2:], checksum(message))
	return message
}

// checksum is that of the Internet protocols (RFC 1071), over a message whose own checksum is 0.
func checksum(message []byte) uint16 {
	var sum uint32
	for i, b := range message {
		if i%2 == 0 {
			sum += uint32(b) << 8
		} else {
			sum += uint32(b)
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
