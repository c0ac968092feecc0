// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package testnet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"
)

// Patience is how long Dial, Ask and Fetch wait when their context has no deadline. Nothing here takes long but what
// never comes: a test that expects silence passes a context with a shorter one.
const Patience = 5 * time.Second

// resend is how long Ask waits before it sends a UDP packet again.
const resend = 250 * time.Millisecond

// questions numbers what Ask sends, so that an answer to an earlier question is told apart.
var questions atomic.Uint64

// Dial connects from the namespace. The address is an IP address and a port, as a name would be looked up elsewhere.
// The connection has the context's deadline.
func (n *NS) Dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	if _, err := netip.ParseAddrPort(address); err != nil {
		return nil, fmt.Errorf("dial from namespace %q: %w", n.Name, err)
	}
	ctx, cancel := patient(ctx)
	defer cancel()
	var dialer net.Dialer
	dialer.SetMultipathTCP(false)
	err = n.Do(func() (err error) {
		conn, err = dialer.DialContext(ctx, network, address)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("dial from namespace %q: %w", n.Name, err)
	}
	deadline, _ := ctx.Deadline()
	return conn, conn.SetDeadline(deadline)
}

// Ask asks a server that Serve has started, from the namespace. The network is as for Dial.
func (n *NS) Ask(ctx context.Context, network, address string) (Answer, error) {
	ctx, cancel := patient(ctx)
	defer cancel()
	conn, err := n.Dial(ctx, network, address)
	if err != nil {
		return Answer{}, err
	}
	defer conn.Close()
	answer, err := AskOver(ctx, conn)
	if err != nil {
		return Answer{}, fmt.Errorf("ask from namespace %q: %w", n.Name, err)
	}
	return answer, nil
}

// MustAsk is Ask with the usual patience, and an error ends the test.
func (n *NS) MustAsk(t T, network, address string) Answer {
	t.Helper()
	answer, err := n.Ask(context.Background(), network, address)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return answer
}

// AskOver asks over a connection from Dial. Over UDP it may be done again: the packets are one flow to the kernel.
func AskOver(ctx context.Context, conn net.Conn) (Answer, error) {
	ctx, cancel := patient(ctx)
	defer cancel()
	end, _ := ctx.Deadline()
	question := fmt.Sprintf("question %d", questions.Add(1))
	if _, ok := conn.(*net.UDPConn); ok {
		return askPacket(conn, question, end)
	}
	if err := conn.SetDeadline(end); err != nil {
		return Answer{}, err
	}
	if _, err := conn.Write([]byte(question + "\n")); err != nil {
		return Answer{}, err
	}
	var answer Answer
	if err := json.NewDecoder(conn).Decode(&answer); err != nil {
		return Answer{}, fmt.Errorf("read answer from %s: %w", conn.RemoteAddr(), err)
	}
	if answer.Echo != question {
		return Answer{}, fmt.Errorf("read answer from %s: it echoes %q, not %q", conn.RemoteAddr(), answer.Echo, question)
	}
	return answer, nil
}

// askPacket sends the question until it is answered or the time is up.
func askPacket(conn net.Conn, question string, end time.Time) (Answer, error) {
	if err := conn.SetWriteDeadline(end); err != nil { // that of Dial may have passed
		return Answer{}, err
	}
	buffer := make([]byte, 2*maxMessage)
	for {
		if _, err := conn.Write([]byte(question)); err != nil {
			return Answer{}, err
		}
		wait := time.Now().Add(resend)
		if wait.After(end) {
			wait = end
		}
		if err := conn.SetReadDeadline(wait); err != nil {
			return Answer{}, err
		}
		for {
			n, err := conn.Read(buffer)
			if errors.Is(err, os.ErrDeadlineExceeded) && time.Now().Before(end) {
				break
			}
			if err != nil {
				return Answer{}, err
			}
			var answer Answer
			if err := json.Unmarshal(buffer[:n], &answer); err != nil {
				return Answer{}, fmt.Errorf("read answer from %s: %w", conn.RemoteAddr(), err)
			}
			if answer.Echo == question {
				return answer, nil
			}
		}
	}
}

// patient gives the context a deadline if it has none.
func patient(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, Patience)
}
