// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package picture

import (
	"strings"
	"unicode/utf8"
)

// layout gives everything its place. The host's panel begins at x 0.
func (s *svg) layout() {
	x := 96.0 // beside the host's title
	for _, m := range s.above {
		c := s.newCard(m, -1)
		c.x = x
		x += max(c.w, chipWidth(label(m.end))) + cardGap
		s.top = append(s.top, c)
		s.hostY = max(s.hostY, c.h+above)
	}
	s.width = max(460, x)
	for _, c := range s.top {
		c.y = s.hostY - above - c.h
	}
	for i, g := range s.groups {
		s.shelf = append(s.shelf, s.newGroup(g, i))
	}
	s.width = max(s.width, s.widestShelf()+2*margin)
	y := s.placeChips(s.hostY + 46)
	s.height = s.placeGroups(y)
}

// widestShelf is the width of the groups, as many side by side as fit.
func (s *svg) widestShelf() float64 {
	x, widest := 0.0, 0.0
	for _, g := range s.shelf {
		if x > 0 && x+g.w > max(maxContent, s.width-2*margin) {
			x = 0
		}
		x += g.w
		widest = max(widest, x)
		x += groupGap
	}
	return widest
}

func chipWidth(text string) float64 {
	return float64(utf8.RuneCountInString(text))*charWidth + 2*10
}

// placeChips sets the host's lines in rows from y on, and returns where they end.
func (s *svg) placeChips(y float64) float64 {
	for _, i := range s.devices {
		s.chips = append(s.chips, &chip{text: device(i), mark: s.marks[i]})
	}
	for _, g := range s.idle {
		s.chips = append(s.chips, &chip{text: g.title(), mark: s.marks[g.bus]})
	}
	for _, note := range s.host.Notes {
		s.chips = append(s.chips, &chip{key: note.Kind, text: note.Text})
	}
	x := float64(margin)
	for _, c := range s.chips {
		c.w = min(chipWidth(strings.TrimSpace(c.key+" "+c.text)), s.width-2*margin)
		if x > margin && x+c.w > s.width-margin {
			x, y = margin, y+chipHeight+8
		}
		c.x, c.y = x, y
		x += c.w + 8
	}
	if len(s.chips) > 0 {
		y += chipHeight + 16
	}
	return y
}

// placeGroups sets the groups in rows from y on, and returns the height of the whole.
func (s *svg) placeGroups(y float64) float64 {
	x, bottom := float64(margin), y
	for _, g := range s.shelf {
		if x > margin && x+g.w > s.width-margin {
			x, y = margin, bottom+groupGap-10
		}
		g.move(x, y)
		x += g.w + groupGap
		bottom = max(bottom, y+g.h)
	}
	if len(s.shelf) > 0 {
		bottom += margin
	}
	return bottom
}

// newGroup arranges a group from 0, 0: title, bus, cards in rows.
func (s *svg) newGroup(g group, color int) *svgGroup {
	placed := &svgGroup{group: g, color: color % len(palette)}
	title := chipWidth(g.title())
	if g.bus == nil {
		title = chipWidth(label(g.members[0].end))
	}
	x, y, bottom := float64(trunk), 22.0, 0.0
	line := busLine{y: y, to: title}
	for _, m := range g.members {
		c := s.newCard(m, placed.color)
		// The end's name stands beside its cable.
		if m.end != nil && g.bus != nil {
			c.w = max(c.w, plug+8+float64(utf8.RuneCountInString(m.end.Name))*charWidth)
		}
		if x > trunk && x+c.w > maxContent {
			placed.lines = append(placed.lines, line)
			x, y = trunk, bottom+18
			line = busLine{y: y}
		}
		c.x, c.y = x, y+busHeight+drop
		x += c.w + cardGap
		line.to = max(line.to, x-cardGap)
		bottom = max(bottom, c.y+c.h)
		placed.cards = append(placed.cards, c)
		placed.w = max(placed.w, line.to)
	}
	placed.lines = append(placed.lines, line)
	placed.h = bottom
	return placed
}

// move puts a group that was arranged from 0, 0 to its place.
func (g *svgGroup) move(x, y float64) {
	g.x, g.y = x, y
	for i := range g.lines {
		l := &g.lines[i]
		l.y, l.from, l.to = l.y+y, l.from+x, l.to+x
	}
	for _, c := range g.cards {
		c.x, c.y = c.x+x, c.y+y
	}
}
