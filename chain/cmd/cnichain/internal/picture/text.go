// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package picture

import (
	"strings"
	"unicode/utf8"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/topology"
)

// Text draws the topology with frames, without colours or trailing spaces, each line ended by a newline:
//
//	   ┌─ outside ─┐
//	   └────┬──────┘
//	┌───────┴─ host ──────────────┐
//	│      out0                   │
//	│  ════╤═════════════╤══════  │
//	└──────┬─────────────┬────────┘
//	  ┌────┴─ blue ─┐  ┌─┴── green ─┐
//
// Above the host are the spaces that its default route leads to, below it all others. ok is false when it is wider than
// width, 0 for any width: then Tree is easier to read.
func Text(t *topology.Topology, width int) (text string, ok bool) {
	p := arrange(t)
	above, below := boxesOf(p.above), []*box{}
	x := 0
	for _, g := range p.groups {
		row := boxesOf(g.members)
		shift(row, x)
		x = max(row[len(row)-1].right(), row[0].x+1+utf8.RuneCountInString(g.title())) + gap
		below = append(below, row...)
	}
	c := &canvas{}
	hostWidth := max(minWidth, widest(p.hostLines())+6, rowWidth(above), rowWidth(below), x)
	y := 0
	if len(above) > 0 {
		y = c.boxes(above, 0, true) + 1
	}
	y = c.host(p, above, below, y, hostWidth)
	if len(below) > 0 {
		c.boxes(below, y+1, false)
	}
	return c.String(), width == 0 || c.width() <= width
}

const (
	minWidth = 62
	// gap is between two boxes side by side; cable where the cable meets a box, from its left.
	gap, cable = 2, 5
)

// box is a member as it is drawn.
type box struct {
	member
	text []string
	x, w int
}

func (b *box) right() int { return b.x + b.w }

// boxesOf places a row from the left.
func boxesOf(members []member) []*box {
	var row []*box
	x := 2
	for _, m := range members {
		b := &box{member: m, text: m.lines(), x: x}
		b.w = max(widest(b.text)+4, utf8.RuneCountInString(m.space.Name)+cable+6)
		if m.end != nil {
			b.w = max(b.w, utf8.RuneCountInString(label(m.end))+4)
		}
		x += b.w + gap
		row = append(row, b)
	}
	return row
}

func shift(row []*box, x int) {
	for _, b := range row {
		if x > 0 {
			b.x += x - gap
		}
	}
}

func rowWidth(row []*box) int {
	if len(row) == 0 {
		return 0
	}
	return row[len(row)-1].right() + 2
}

// hostLines are the lines in the host's box that belong to no cable.
func (p plan) hostLines() []string {
	var lines []string
	for _, i := range p.devices {
		lines = append(lines, device(i))
	}
	for _, g := range p.idle {
		lines = append(lines, g.title())
	}
	for _, note := range p.host.Notes {
		lines = append(lines, note.String())
	}
	return lines
}

// boxes draws a row of boxes from line y on, with their cables at the bottom or at the top, and returns the line of
// their bottom.
func (c *canvas) boxes(row []*box, y int, cableBelow bool) int {
	bottom := y
	for _, b := range row {
		bottom = max(bottom, y+len(b.text)+1)
	}
	for _, b := range row {
		titleAt := b.x + cable + 2
		if cableBelow {
			titleAt = b.x + 2
		}
		c.box(b.x, y, b.w, bottom-y+1, titleAt, b.space.Name)
		for i, line := range b.text {
			c.text(b.x+2, y+1+i, line)
		}
		if cableBelow {
			c.put(b.x+cable, bottom, '┬')
		} else {
			c.put(b.x+cable, y, '┴')
			c.put(b.x+cable, y-1, '┬')
		}
	}
	return bottom
}

// host draws the host's box from line y on and returns the line of its bottom.
func (c *canvas) host(p plan, above, below []*box, y, width int) int {
	top, titleAt := y, 2
	for _, b := range above {
		c.text(b.x+cable-1, top+1, label(b.end))
		y, titleAt = top+1, b.x+cable+2
	}
	for _, line := range p.hostLines() {
		y++
		c.text(3, y, line)
	}
	if len(p.groups) > 0 {
		c.buses(p.groups, below, y+2, width)
		y += 4
	}
	c.box(0, top, width, y+1-top+1, titleAt, "host")
	for _, b := range above {
		c.put(b.x+cable, top, '┴')
	}
	return y + 1
}

// buses draws the groups side by side from line y on: what it is, the bus, the ends on the host.
func (c *canvas) buses(groups []group, below []*box, y, width int) {
	for i, g := range groups {
		row := below[:len(g.members)]
		below = below[len(g.members):]
		from, to := max(3, row[0].x+1), row[len(row)-1].right()-1
		if i == len(groups)-1 {
			to = width - 3 // up to the frame
		}
		if g.bus != nil {
			c.text(from, y, g.title())
			for x := from; x < to; x++ {
				c.put(x, y+1, '═')
			}
		}
		for _, b := range row {
			c.end(b, g.bus != nil, y)
		}
	}
}

// end draws the end of a member's cable on the host, below a bus or alone.
func (c *canvas) end(b *box, bus bool, y int) {
	x := b.x + cable
	switch {
	case b.end == nil:
		c.put(x, y+1, '╤')
		c.put(x, y+2, '│')
	case bus:
		c.put(x, y+1, '╤')
		c.text(x-1, y+2, b.end.Name)
	default:
		c.text(x-1, y+2, label(b.end))
	}
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

func (c *canvas) width() int {
	width := 0
	for _, row := range c.rows {
		width = max(width, len(row))
	}
	return width
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
