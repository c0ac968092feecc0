// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Draw draws the topology as text, without colours or trailing spaces, each line ended by a newline:
//
//	   ┌─ outside ─┐
//	   └────┬──────┘
//	┌───────┴─ host ──────────────┐
//	│      out0                   │
//	│  ════╤═════════════╤══════  │
//	└──────┬─────────────┬────────┘
//	  ┌────┴─ blue ─┐  ┌─┴── green ─┐
//
// Above the host are the spaces with a cable to it, below it those behind a bridge.
func (t *Topology) Draw() string {
	above, below := t.neighbours()
	c := &canvas{}
	width := max(minWidth, rowWidth(above, t.Host), rowWidth(below, t.Host))
	y := 0
	if len(above) > 0 {
		y = c.boxes(above, 0, true) + 1
	}
	y = c.host(t.Host, above, below, y, width)
	if len(below) > 0 {
		c.boxes(below, y+1, false)
	}
	return c.String()
}

const (
	minWidth = 62
	// gap is between two boxes side by side; cable where the cable meets a box, from its left.
	gap, cable = 2, 5
)

// neighbour is a space and the host's end of the cable to it.
type neighbour struct {
	space *Space
	end   *Interface
	lines []string
	x, w  int
}

// neighbours sorts the spaces by whether their cable ends on a bridge, and places each row from the left.
func (t *Topology) neighbours() (above, below []*neighbour) {
	for _, end := range t.Host.Interfaces {
		if end.Peer == nil {
			continue
		}
		n := &neighbour{space: end.Peer, end: end, lines: describe(end.Peer)}
		if end.Master == "" {
			above = append(above, n)
		} else {
			below = append(below, n)
		}
	}
	for _, row := range [][]*neighbour{above, below} {
		slices.SortStableFunc(row, func(a, b *neighbour) int {
			return slices.Index(t.Spaces, a.space) - slices.Index(t.Spaces, b.space)
		})
		x := 2
		for _, n := range row {
			n.x, n.w = x, max(widest(n.lines)+4, widest([]string{n.space.Name})+cable+6, widest([]string{n.end.Name})+6)
			x += n.w + gap
		}
	}
	return above, below
}

// describe lists what stands in the box of a space.
func describe(s *Space) []string {
	var lines []string
	for _, i := range s.Interfaces {
		lines = append(lines, strings.TrimSpace(i.Name+"  "+strings.Join(i.Addresses, " ")))
	}
	return append(lines, s.Notes...)
}

func rowWidth(row []*neighbour, host *Space) int {
	width := widest(host.Notes) + 6
	if len(row) > 0 {
		last := row[len(row)-1]
		width = max(width, last.x+last.w+2)
	}
	return width
}

// boxes draws a row of boxes from line y on, with their cables at the bottom or at the top, and returns the line of
// their bottom.
func (c *canvas) boxes(row []*neighbour, y int, cableBelow bool) int {
	bottom := y
	for _, n := range row {
		bottom = max(bottom, y+len(n.lines)+1)
	}
	for _, n := range row {
		titleAt := n.x + cable + 2
		if cableBelow {
			titleAt = n.x + 2
		}
		c.box(n.x, y, n.w, bottom-y+1, titleAt, n.space.Name)
		for i, line := range n.lines {
			c.text(n.x+2, y+1+i, line)
		}
		if cableBelow {
			c.put(n.x+cable, bottom, '┬')
		} else {
			c.put(n.x+cable, y, '┴')
			c.put(n.x+cable, y-1, '┬')
		}
	}
	return bottom
}

// host draws the host's box from line y on and returns the line of its bottom.
func (c *canvas) host(h *Space, above, below []*neighbour, y, width int) int {
	top := y
	for _, n := range above {
		c.text(n.x+cable-1, top+1, strings.TrimSpace(n.end.Name+"  "+strings.Join(n.end.Addresses, " ")))
	}
	if len(above) > 0 {
		y++
	}
	for _, note := range h.Notes {
		y++
		c.text(3, y, note)
	}
	for _, bridge := range h.Interfaces {
		if bridge.Kind == "bridge" {
			y = c.bridge(bridge, below, y+3, width)
		}
	}
	bottom := y + 1
	titleAt := 2
	if len(above) > 0 {
		titleAt = above[len(above)-1].x + cable + 2
	}
	c.box(0, top, width, bottom-top+1, titleAt, "host")
	for _, n := range above {
		c.put(n.x+cable, top, '┴')
	}
	for _, n := range below {
		c.put(n.x+cable, bottom, '┬')
	}
	return bottom
}

// bridge draws a bridge as a bus with its ports below, at line y, and returns the last line.
func (c *canvas) bridge(b *Interface, below []*neighbour, y, width int) int {
	c.text(3, y-1, strings.TrimSpace(b.Name+"  "+strings.Join(b.Addresses, " "))+"  (bridge)")
	for x := 3; x < width-3; x++ {
		c.put(x, y, '═')
	}
	for _, n := range below {
		if n.end.Master != b.Name {
			c.put(n.x+cable, y+1, '│')
			continue
		}
		c.put(n.x+cable, y, '╤')
		c.text(n.x+cable-1, y+1, n.end.Name)
	}
	return y + 1
}

// canvas is a grid of characters that grows.
type canvas struct{ rows [][]rune }

func (c *canvas) put(x, y int, r rune) {
	for len(c.rows) <= y {
		c.rows = append(c.rows, nil)
	}
	for len(c.rows[y]) <= x {
		c.rows[y] = append(c.rows[y], ' ')
	}
	c.rows[y][x] = r
}

func (c *canvas) text(x, y int, text string) {
	for _, r := range text {
		c.put(x, y, r)
		x++
	}
}

// box draws a frame with a title; what is in it stays.
func (c *canvas) box(x, y, w, h, titleAt int, title string) {
	for i := x + 1; i < x+w-1; i++ {
		c.put(i, y, '─')
		c.put(i, y+h-1, '─')
	}
	for i := y + 1; i < y+h-1; i++ {
		c.put(x, i, '│')
		c.put(x+w-1, i, '│')
	}
	c.put(x, y, '┌')
	c.put(x+w-1, y, '┐')
	c.put(x, y+h-1, '└')
	c.put(x+w-1, y+h-1, '┘')
	c.text(titleAt, y, " "+title+" ")
}

func (c *canvas) String() string {
	var text strings.Builder
	for _, row := range c.rows {
		text.WriteString(strings.TrimRight(string(row), " ") + "\n")
	}
	return text.String()
}

func widest(lines []string) int {
	width := 0
	for _, line := range lines {
		width = max(width, utf8.RuneCountInString(line))
	}
	return width
}
