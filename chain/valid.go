// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package chain

import "strings"

// maxDepth is how deep objects and lists are nested in each other at most, as in encoding/json.
const maxDepth = 10_000

// valid is json.Valid (RFC 8259): the whole is one value, with white space around it.
func valid(data []byte) bool {
	s := scan{data: data}
	return s.validValue(0) && s.next() == 0 && s.at == len(data)
}

// validValue passes a value if it is valid.
func (s *scan) validValue(depth int) bool {
	switch c := s.next(); {
	case c == '{':
		return depth < maxDepth && s.validObject(depth+1)
	case c == '[':
		return depth < maxDepth && s.validList(depth+1)
	case c == '"':
		return s.validString()
	case c == '-' || c >= '0' && c <= '9':
		return s.validNumber()
	}
	return s.skip("true") || s.skip("false") || s.skip("null")
}

func (s *scan) validObject(depth int) bool {
	s.at++
	if s.next() == '}' {
		s.at++
		return true
	}
	for {
		if s.next() != '"' || !s.validString() || s.next() != ':' {
			return false
		}
		s.at++
		if !s.validValue(depth) {
			return false
		}
		c := s.next()
		s.at++
		if c != ',' {
			return c == '}'
		}
	}
}

func (s *scan) validList(depth int) bool {
	s.at++
	if s.next() == ']' {
		s.at++
		return true
	}
	for s.validValue(depth) {
		c := s.next()
		s.at++
		if c != ',' {
			return c == ']'
		}
	}
	return false
}

// validString passes a string. What is not UTF-8 is for whoever reads it, as in encoding/json.
func (s *scan) validString() bool {
	for s.at++; s.at < len(s.data); s.at++ {
		switch c := s.data[s.at]; {
		case c == '"':
			s.at++
			return true
		case c < ' ':
			return false
		case c == '\\' && !s.validEscape():
			return false
		}
	}
	return false
}

// validEscape goes from the backslash to the last character of the escape.
func (s *scan) validEscape() bool {
	s.at++
	switch {
	case s.at >= len(s.data):
		return false
	case s.data[s.at] != 'u':
		return strings.IndexByte(`"\/bfnrt`, s.data[s.at]) >= 0
	}
	for range 4 {
		s.at++
		if s.at >= len(s.data) || strings.IndexByte("0123456789abcdefABCDEF", s.data[s.at]) < 0 {
			return false
		}
	}
	return true
}

func (s *scan) validNumber() bool {
	s.skip("-")
	if !s.skip("0") && !s.digits() {
		return false
	}
	if s.skip(".") && !s.digits() {
		return false
	}
	if s.skip("e") || s.skip("E") {
		_ = s.skip("+") || s.skip("-")
		return s.digits()
	}
	return true
}

// digits passes one or more of them.
func (s *scan) digits() bool {
	start := s.at
	for s.at < len(s.data) && s.data[s.at] >= '0' && s.data[s.at] <= '9' {
		s.at++
	}
	return s.at > start
}

// skip passes the word if it comes next.
func (s *scan) skip(word string) bool {
	if len(s.data)-s.at < len(word) || string(s.data[s.at:s.at+len(word)]) != word {
		return false
	}
	s.at += len(word)
	return true
}
