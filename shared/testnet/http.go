// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package testnet

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
)

// maxPage is the longest page that Fetch reads, in bytes.
const maxPage = 1 << 20

// ServeHTTP starts an HTTP server in the namespace, until stop is called. The address is as for net.Listen.
func (n *NS) ServeHTTP(address string, handler http.Handler) (stop func(), err error) {
	listener, err := n.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: serverPatience}
	go func() { _ = server.Serve(listener) }() // until it is closed
	return func() { _ = server.Close() }, nil
}

// Fetch gets a page by HTTP from the namespace. The URL's host is an IP address; a status other than 200 is an error.
func (n *NS) Fetch(ctx context.Context, url string) (page string, err error) {
	ctx, cancel := patient(ctx)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return n.Dial(ctx, network, address)
		},
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxPage))
	if err != nil {
		return "", fmt.Errorf("read %s: %w", url, err)
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("get %s: %s", url, response.Status)
	}
	return string(body), nil
}
