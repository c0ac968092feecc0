// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// scan goes through a document once, without reflection. valid has been through it before, so its syntax is right and
// its depth limited; a [json.Decoder] would look at every token again, which takes five times as long, and a process
// that lives for two milliseconds feels what encoding/json prepares for each type (docs/benchmarks.md).
type scan struct {
	data []byte
	at   int
}

// next is the next byte that is no white space, or 0 at the end.
func (s *scan) next() byte {
	for ; s.at < len(s.data); s.at++ {
		if c := s.data[s.at]; c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return c
		}
	}
	return 0
}

// more passes a comma and says whether there is another element; if not, it passes the end.
func (s *scan) more(end byte) bool {
	c := s.next()
	if c == ',' {
		s.at++
		c = s.next()
	}
	if c == end {
		s.at++
	}
	return c != end && c != 0
}

// object calls f for each member, which passes the value, and says whether the value is an object and f was always
// true.
func (s *scan) object(f func(key string) bool) bool {
	if s.next() != '{' {
		return false
	}
	s.at++
	for s.more('}') {
		key := s.text()
		s.next()
		s.at++ // the colon
		if !f(key) {
			return false
		}
	}
	return true
}

// list calls f for each element, as object does for members.
func (s *scan) list(f func() bool) bool {
	if s.next() != '[' {
		return false
	}
	s.at++
	for s.more(']') {
		if !f() {
			return false
		}
	}
	return true
}

// string reads a string and says whether the value is one.
func (s *scan) string(into *string) bool {
	if s.next() != '"' {
		return false
	}
	*into = s.text()
	return true
}

// strings reads a list of strings that is not yet there.
func (s *scan) strings(into *[]string) bool {
	return *into == nil && s.list(func() bool {
		var text string
		ok := s.string(&text)
		*into = append(*into, text)
		return ok
	})
}

// int reads a whole number and says whether the value is one.
func (s *scan) int(into *int) bool {
	s.next()
	n, err := strconv.Atoi(string(s.raw()))
	*into = n
	return err == nil
}

// text passes a string and returns it.
func (s *scan) text() (text string) {
	inside, plain := s.quoted()
	if plain && utf8.Valid(inside) {
		return string(inside)
	}
	_ = json.Unmarshal(s.data[s.at-len(inside)-2:s.at], &text) // it has been read before
	return text
}

// quoted passes a string and returns what is between its quotes, and whether that is the text as it stands.
func (s *scan) quoted() (inside []byte, plain bool) {
	start := s.at
	plain = true
	for s.at++; s.at < len(s.data) && s.data[s.at] != '"'; s.at++ {
		if s.data[s.at] == '\\' {
			s.at++
			plain = false
		}
	}
	s.at = min(s.at+1, len(s.data))
	return s.data[min(start+1, s.at-1) : s.at-1], plain
}

// raw passes a value and returns it.
func (s *scan) raw() []byte {
	s.next()
	start := s.at
	for depth := 0; s.next() != 0; {
		switch s.data[s.at] {
		case '"':
			s.quoted()
		case '{', '[':
			depth++
			s.at++
		case '}', ']':
			depth--
			s.at++
		case ',', ':':
			s.at++
			continue
		default:
			s.word()
		}
		if depth == 0 {
			break
		}
	}
	return s.data[start:s.at]
}

// word passes a number, true, false or null.
func (s *scan) word() {
	for s.at < len(s.data) {
		switch s.data[s.at] {
		case ',', ']', '}', ':', ' ', '\t', '\r', '\n':
			return
		}
		s.at++
	}
}
