// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package picture

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/topology"
)

// Options say how an SVG is drawn.
type Options struct {
	// Marks are interfaces to stand out: "new" or "gone".
	Marks map[*topology.Interface]string
}

// SVG draws the topology as an image that needs nothing else: no script, no font, no file. It is dark where the
// reader's screen is, and its text can be selected.
//
// The host is a panel; in it each bridge is a bar with its ports below, and each space a card. What a default route of
// the host leads to stands above.
func SVG(t *topology.Topology, o Options) string {
	s := &svg{plan: arrange(t), marks: o.Marks}
	s.layout()
	return s.document(t)
}

// Sizes, in pixels. Text is set in a monospaced font, whose characters are 0.602 of its size wide in all that are
// common; so what fits is known without the font.
const (
	fontSize  = 12
	charWidth = fontSize * 0.602
	titleSize = 13
	titleChar = titleSize * 0.64 // bold, not monospaced: the widest that is likely
	rowHeight = 18

	padding    = 14  // in a card, and in a chip from its sides
	cardGap    = 14  // between cards
	minCard    = 132 // widths of a card
	maxCard    = 290
	margin     = 20 // in the host's panel
	titleSpace = 30 // for a card's title
	chipHeight = 24
	busHeight  = 6
	drop       = 40 // from a bus to the cards
	plug       = 24 // from a card's left to its cable
	groupGap   = 34
	trunk      = 14 // from a group's left to its cards
	maxContent = 960
	above      = 34 // between the host and what is above
)

// svg is a picture on its way.
type svg struct {
	plan
	marks map[*topology.Interface]string
	b     strings.Builder

	top    []*card // above the host
	chips  []*chip
	shelf  []*svgGroup
	hostY  float64
	width  float64 // of the host
	height float64 // of all
}

// card is a space, or one more interface of it.
type card struct {
	member
	x, y, w, h float64
	title      string
	rows       []row
	color      int
}

// row is a line of a card: a word, and what there is to it.
type row struct {
	key, value string
	mark       string
}

// chip is a line of the host.
type chip struct {
	key, text string
	x, y, w   float64
	mark      string
}

// svgGroup is a group with its place.
type svgGroup struct {
	group
	x, y, w, h float64
	color      int
	cards      []*card
	lines      []busLine
}

// busLine is a bus, or its continuation for a further row of cards.
type busLine struct{ y, from, to float64 }

// newCard makes a card as large as its text.
func (s *svg) newCard(m member, color int) *card {
	c := &card{member: m, title: m.space.Name, color: color}
	interfaces := m.space.Interfaces
	if m.again {
		interfaces = []*topology.Interface{m.inside}
	}
	for _, i := range interfaces {
		c.addInterface(i, s.marks[i])
	}
	for _, note := range m.space.Notes {
		if !m.again {
			c.rows = append(c.rows, row{key: note.Kind, value: note.Text})
		}
	}
	most := float64(utf8.RuneCountInString(c.title)) * titleChar
	keys := c.keyWidth()
	for _, r := range c.rows {
		most = max(most, keys+float64(utf8.RuneCountInString(r.value))*charWidth)
	}
	c.w = min(max(most+2*padding, minCard), maxCard)
	c.h = titleSpace + float64(len(c.rows))*rowHeight + 10
	return c
}

func (c *card) addInterface(i *topology.Interface, mark string) {
	addresses := i.Addresses
	if len(addresses) == 0 {
		addresses = []string{strings.TrimSpace(i.Kind + " " + i.Mode)}
	}
	for n, address := range addresses {
		key := i.Name
		if n > 0 {
			key = ""
		}
		c.rows = append(c.rows, row{key, address, mark})
	}
}

// keyWidth is that of the first column.
func (c *card) keyWidth() float64 {
	most := 0
	for _, r := range c.rows {
		most = max(most, utf8.RuneCountInString(r.key))
	}
	if most == 0 {
		return 0
	}
	return float64(most+1) * charWidth
}

// cut shortens a text to a width in characters.
func cut(text string, width float64, char float64) string {
	most := int(width/char + 0.01) // what fits exactly, fits
	if utf8.RuneCountInString(text) <= most || most < 2 {
		return text
	}
	return string([]rune(text)[:most-1]) + "…"
}

// escape makes text safe between tags and in attributes.
func escape(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;").Replace(text)
}

// number writes a length without needless digits.
func number(v float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.1f", v), "0"), ".")
}
