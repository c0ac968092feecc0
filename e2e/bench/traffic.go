// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// parallel attaches o.Live containers, o.Jobs at a time, and detaches them likewise. Rate is ADDs a second.
func (w *world) parallel(o order) (r report, err error) {
	var all []*container
	for i := range o.Live {
		c, err := w.container(0, fmt.Sprintf("parallel%d", i), mappings(30000+i, o.Ports, "tcp"))
		if err != nil {
			return r, err
		}
		all = append(all, c)
	}
	took := make([]time.Duration, len(all))
	start := time.Now()
	err = each(all, o.Jobs, func(i int) (err error) { took[i], err = all[i].add(); return err })
	r.Rate = float64(len(all)) / time.Since(start).Seconds()
	slices.Sort(took)
	r.P50 = took[len(took)/2]
	start = time.Now()
	err = errors.Join(err, each(all, o.Jobs, func(i int) error { _, err := all[i].del(); return err }))
	r.Del = time.Since(start) / time.Duration(len(all))
	for _, c := range all {
		err = errors.Join(err, c.ns.Close())
	}
	return r, err
}

func each(all []*container, jobs int, do func(i int) error) error {
	var wait sync.WaitGroup
	var next atomic.Int64
	errs := make(chan error, len(all))
	for range jobs {
		wait.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(all); i = int(next.Add(1)) - 1 {
				if err := do(i); err != nil {
					errs <- err
				}
			}
		})
	}
	wait.Wait()
	close(errs)
	return <-errs
}

// serve attaches a container with o.Ports mapped ports and a server on the first that closes each connection.
func (w *world) serve(o order) error {
	c, err := w.container(0, "server", mappings(10000, o.Ports, "tcp"))
	if err != nil {
		return err
	}
	if _, err := c.add(); err != nil {
		return err
	}
	w.served = c
	listener, err := c.ns.Listen("tcp", ":80")
	if err != nil {
		return err
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	return nil
}

// connect opens connections from outside, one after the other, and returns how many came about in a second.
func (w *world) connect(o order) (r report, err error) {
	address := net.JoinHostPort(w.outside.HostV4.String(), "10000")
	if o.Straight {
		address = net.JoinHostPort(w.served.ip, "80")
	}
	err = w.outside.Do(func() error {
		count, start := 0, time.Now()
		for time.Since(start) < o.For {
			if err := connectOnce(address); err != nil {
				return err
			}
			count++
		}
		r.Rate = float64(count) / time.Since(start).Seconds()
		return nil
	})
	return r, err
}

// connectOnce opens a connection and waits until the server has closed it. It is reset rather than closed, so that no
// port of the client stays in TIME_WAIT.
func connectOnce(address string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.(*net.TCPConn).SetLinger(0); err != nil {
		return err
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		return fmt.Errorf("the server did not close the connection: %v", err)
	}
	return nil
}
