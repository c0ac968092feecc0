// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cni-chain/cni-chain/shared/nlsock"
)

// noteLines cuts a note into comments.
func noteLines(note string) []string {
	var lines []string
	prefix := notePrefix
	for {
		n := min(len(note), maxComment-len(prefix))
		lines = append(lines, prefix+note[:n])
		note = note[n:]
		if note == "" {
			return lines
		}
		prefix = moreNotePrefix
	}
}

// keyLines writes the keys of elements as comments: one line a key, but ports of the same protocol and address share
// lines, and neighbours among them are a range.
func keyLines(s *Set, elems []Element) []string {
	var lines []string
	if s.Key[len(s.Key)-1].number != InetService.number {
		for _, e := range elems {
			lines = append(lines, s.Name+" "+s.Text(e.Key))
		}
		return lines
	}
	end := portEnd(s)
	ports := map[string][]uint16{}
	var order []string // the keys without their ports
	for _, e := range elems {
		before, port := string(e.Key[:len(e.Key)-end]), binary.BigEndian.Uint16(e.Key[len(e.Key)-end:])
		if ports[before] == nil {
			order = append(order, before)
		}
		ports[before] = append(ports[before], port)
	}
	for _, before := range order {
		prefix := s.Name + " "
		if before != "" {
			prefix += text(s.Key[:len(s.Key)-1], []byte(before)) + " . "
		}
		lines = append(lines, portLines(prefix, ports[before])...)
	}
	return lines
}

func portLines(prefix string, ports []uint16) []string {
	slices.Sort(ports)
	var lines []string
	line := prefix
	for i := 0; i < len(ports); {
		j := i
		for j+1 < len(ports) && ports[j+1] == ports[j]+1 {
			j++
		}
		item := strconv.Itoa(int(ports[i]))
		if j > i {
			item += "-" + strconv.Itoa(int(ports[j]))
		}
		if line != prefix {
			item = "," + item
		}
		if len(line)+len(item) > maxComment {
			lines = append(lines, line)
			line, item = prefix, strings.TrimPrefix(item, ",")
		}
		line += item
		i = j + 1
	}
	return append(lines, line)
}

// parseKeys reads what keyLines has written behind the set's name.
func parseKeys(s *Set, keys string) ([]Element, error) {
	if s.Key[len(s.Key)-1].number != InetService.number {
		key, err := s.ParseKey(keys)
		return []Element{{Key: key}}, err
	}
	at := strings.LastIndex(keys, " . ")
	prefix := ""
	if at >= 0 {
		prefix, keys = keys[:at+3], keys[at+3:]
	}
	var elems []Element
	for _, item := range strings.Split(keys, ",") {
		from, to, isRange := strings.Cut(item, "-")
		if !isRange {
			to = from
		}
		first, err1 := strconv.ParseUint(from, 10, 16)
		last, err2 := strconv.ParseUint(to, 10, 16)
		if err1 != nil || err2 != nil || last < first {
			return nil, fmt.Errorf("read ports %q of set %s: not a number or a range", item, s.Name)
		}
		key, err := s.ParseKey(prefix + from)
		if err != nil {
			return nil, err
		}
		for port := first; port <= last; port++ {
			binary.BigEndian.PutUint16(key[len(key)-portEnd(s):], uint16(port))
			elems = append(elems, Element{Key: slices.Clone(key)})
		}
	}
	return elems, nil
}

// portEnd is how far from the key's end its port starts: padded to a register in a concatenation, else alone.
func portEnd(s *Set) int {
	if len(s.Key) == 1 {
		return InetService.size
	}
	return nlsock.Align(InetService.size)
}
