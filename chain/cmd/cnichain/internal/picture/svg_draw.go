// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package picture

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/topology"
)

// palette are the colours of groups, for light screens and for dark ones.
var palette = [][2]string{
	{"#0969da", "#4493f8"}, {"#8250df", "#ab7df8"}, {"#0a7a7a", "#39b5b5"}, {"#bc4c00", "#db6d28"}, {"#bf3989", "#db61a2"},
}

// The colours of everything else, likewise.
var colours = [][3]string{
	{"ink", "#1f2328", "#e6edf3"}, {"dim", "#59636e", "#9198a1"}, {"panel", "#f6f8fa", "#151b23"},
	{"card", "#ffffff", "#0d1117"}, {"edge", "#d1d9e0", "#3d444d"}, {"new", "#1a7f37", "#3fb950"}, {"gone", "#cf222e", "#f85149"},
}

// style is the sheet of a picture. Its classes begin with "nt", as a page may have several pictures and text of its own.
func style() string {
	var light, dark, groups strings.Builder
	for _, c := range colours {
		fmt.Fprintf(&light, "--nt-%s:%s;", c[0], c[1])
		fmt.Fprintf(&dark, "--nt-%s:%s;", c[0], c[2])
	}
	for i, c := range palette {
		fmt.Fprintf(&light, "--nt-%d:%s;", i, c[0])
		fmt.Fprintf(&dark, "--nt-%d:%s;", i, c[1])
		fmt.Fprintf(&groups, ".nt .g%d{stroke:var(--nt-%d)}.nt .f%d{fill:var(--nt-%d)}\n", i, i, i, i)
	}
	return ".nt{" + light.String() + "}\n" +
		"@media (prefers-color-scheme:dark){.nt{" + dark.String() + "}}\n" +
		`.nt text{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:12px;fill:var(--nt-ink)}
.nt .title{font-family:ui-sans-serif,system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;font-weight:600;font-size:13px}
.nt .dim{fill:var(--nt-dim)}
.nt .panel{fill:var(--nt-panel);stroke:var(--nt-edge)}
.nt .card{fill:var(--nt-card);stroke:var(--nt-edge)}
.nt .again{stroke-dasharray:4 3}
.nt .wire{stroke:var(--nt-dim);stroke-width:1.5;fill:none}
.nt .trunk{stroke-width:3;fill:none}
.nt .dot{fill:var(--nt-card);stroke-width:2}
` + groups.String() + `.nt .new{fill:var(--nt-new);font-weight:600}
.nt .wire.new{fill:none;stroke:var(--nt-new);stroke-width:2.5}
.nt .gone{fill:var(--nt-gone);text-decoration:line-through}
.nt .wire.gone{fill:none;stroke:var(--nt-gone);stroke-dasharray:4 3}
`
}

func (s *svg) put(format string, args ...any) {
	fmt.Fprintf(&s.b, format+"\n", args...)
}

// document draws all that was laid out.
func (s *svg) document(t *topology.Topology) string {
	const edge = 8 // around it, on whatever page it is
	for _, c := range s.top {
		s.width = max(s.width, c.x+c.w)
	}
	s.put(`<svg xmlns="http://www.w3.org/2000/svg" class="nt" role="img" width="%s" height="%s" viewBox="%d %d %s %s">`,
		number(s.width+2*edge), number(s.height+2*edge), -edge, -edge, number(s.width+2*edge), number(s.height+2*edge))
	s.put("<title>%s</title>", escape(describe(t)))
	s.put("<style>%s</style>", style())
	s.put(`<rect class="panel" x="0" y="%s" width="%s" height="%s" rx="12"/>`, number(s.hostY), number(s.width),
		number(s.height-s.hostY))
	s.text("title", margin, s.hostY+28, s.host.Name)
	for _, c := range s.top {
		s.uplink(c)
	}
	for _, c := range s.chips {
		s.chip(*c)
	}
	for _, g := range s.shelf {
		s.group(g)
	}
	s.put("</svg>")
	return s.b.String()
}

// describe is the picture for those who do not see it.
func describe(t *topology.Topology) string {
	var names []string
	for _, space := range t.Spaces {
		names = append(names, space.Name)
	}
	if len(names) == 0 {
		return "The networks of " + t.Host.Name
	}
	return "The networks of " + t.Host.Name + ", with " + strings.Join(names, ", ")
}

// uplink is a card above the host, its cable, and its end on the host.
func (s *svg) uplink(c *card) {
	x := c.x + plug
	s.wire(x, c.y+c.h, x, s.hostY+14, s.marks[c.inside])
	s.card(c)
	s.chip(chip{text: label(c.end), x: c.x, y: s.hostY + 14, w: chipWidth(label(c.end)), mark: s.marks[c.end]})
}

func (s *svg) chip(c chip) {
	s.put(`<rect class="card" x="%s" y="%s" width="%s" height="%d" rx="12"/>`, number(c.x), number(c.y), number(c.w),
		chipHeight)
	x := c.x + 10
	if c.key != "" {
		s.text("dim", x, c.y+16, c.key)
		x += float64(utf8.RuneCountInString(c.key)+1) * charWidth
	}
	s.text(c.mark, x, c.y+16, cut(c.text, c.x+c.w-10-x, charWidth))
}

// group draws the title, the bus and its continuations, the cables and the cards.
func (s *svg) group(g *svgGroup) {
	first, last := g.lines[0], g.lines[len(g.lines)-1]
	if g.bus == nil {
		end := g.members[0].end
		s.text(s.marks[end], g.x+trunk, g.y+12, label(end))
	} else {
		s.busTitle(g)
		if last.y > first.y {
			s.put(`<path class="trunk g%d" d="M%s %sV%sH%s"/>`, g.color, number(g.x+1.5), number(first.y+busHeight/2),
				number(last.y+busHeight/2), number(g.x+4))
		}
		for _, l := range g.lines {
			s.put(`<rect class="f%d" x="%s" y="%s" width="%s" height="%d" rx="3"/>`, g.color, number(l.from), number(l.y),
				number(l.to-l.from), busHeight)
		}
	}
	for _, c := range g.cards {
		s.cable(g, c)
		s.card(c)
	}
}

// busTitle is the name of the bus in its colour, what else there is of it, and whether it is new.
func (s *svg) busTitle(g *svgGroup) {
	mark := ""
	if m := s.marks[g.bus]; m != "" {
		mark = `<tspan class="` + m + `" dx="8">` + m + `</tspan>`
	}
	s.put(`<text x="%s" y="%s"><tspan class="title f%d">%s</tspan><tspan class="dim" dx="8">%s</tspan>%s</text>`, number(g.x),
		number(g.y+12), g.color, escape(g.bus.Name), escape(strings.TrimPrefix(g.title(), g.bus.Name+"  ")), mark)
}

// cable joins a card to the bus above it.
func (s *svg) cable(g *svgGroup, c *card) {
	x, y := c.x+plug, c.y-drop
	if g.bus == nil {
		y -= busHeight
	}
	s.wire(x, y, x, c.y, s.marks[c.inside])
	if c.end != nil && g.bus != nil {
		s.text(strings.TrimSpace("dim "+s.marks[c.end]), x+8, y+24, c.end.Name)
	}
	s.put(`<circle class="dot g%d" cx="%s" cy="%s" r="4"/>`, c.color, number(x), number(y+1))
}

func (s *svg) wire(x1, y1, x2, y2 float64, mark string) {
	s.put(`<path class="%s" d="M%s %sL%s %s"/>`, strings.TrimSpace("wire "+mark), number(x1), number(y1), number(x2),
		number(y2))
}

func (s *svg) card(c *card) {
	class := "card"
	if c.again {
		class += " again"
	}
	s.put(`<g><title>%s</title>`, escape(strings.Join(append([]string{c.title}, c.lines()...), "\n")))
	s.put(`<rect class="%s" x="%s" y="%s" width="%s" height="%s" rx="8"/>`, class, number(c.x), number(c.y), number(c.w),
		number(c.h))
	if c.color >= 0 {
		s.put(`<rect class="f%d" x="%s" y="%s" width="3" height="%s" rx="1.5"/>`, c.color, number(c.x), number(c.y+12),
			number(c.h-24))
	}
	s.text("title", c.x+padding, c.y+21, cut(c.title, c.w-2*padding, titleChar))
	keys := c.keyWidth()
	for i, r := range c.rows {
		y := c.y + titleSpace + float64(i)*rowHeight + 12
		if r.key != "" {
			s.text("dim", c.x+padding, y, r.key)
		}
		s.text(r.mark, c.x+padding+keys, y, cut(r.value, c.w-2*padding-keys, charWidth))
	}
	s.put("</g>")
}

// text writes a line; without a class it is ink.
func (s *svg) text(class string, x, y float64, text string) {
	if class != "" {
		class = ` class="` + class + `"`
	}
	s.put(`<text%s x="%s" y="%s">%s</text>`, class, number(x), number(y), escape(text))
}
