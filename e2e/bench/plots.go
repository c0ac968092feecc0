// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"image/color"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// colours of the contenders, told apart also by those who see no red or green (Okabe and Ito).
var colours = map[string]color.Color{
	ours:       color.RGBA{0x00, 0x72, 0xb2, 0xff},
	bare:       color.RGBA{0xe6, 0x9f, 0x00, 0xff},
	byIPTables: color.RGBA{0xd5, 0x5e, 0x00, 0xff},
	byNFTables: color.RGBA{0xcc, 0x79, 0xa7, 0xff},
	floor:      color.RGBA{0x77, 0x77, 0x77, 0xff},
}

// plots draws ADD and DEL against live attachments and against ports.
func plots(dir string, r *results) error {
	live := func(c cycleResult) float64 { return float64(c.Live) }
	ports := func(c cycleResult) float64 { return float64(c.Ports) }
	add := func(c cycleResult) float64 { return ms(c.Add) }
	del := func(c cycleResult) float64 { return ms(c.Del) }
	var grown, tcp []cycleResult
	for _, g := range r.Growth {
		grown = append(grown, g.Full)
	}
	for _, c := range r.Ports {
		if c.Proto == "tcp" {
			tcp = append(tcp, c)
		}
	}
	for _, p := range []struct {
		file, title, x string
		list           []cycleResult
		at, value      func(cycleResult) float64
		log            bool
	}{
		{"bench-add-live.svg", "ADD, one port", "live attachments", grown, live, add, false},
		{"bench-del-live.svg", "DEL, one port", "live attachments", grown, live, del, false},
		{"bench-add-ports.svg", "ADD", "TCP ports of one attachment", tcp, ports, add, true},
		{"bench-del-ports.svg", "DEL", "TCP ports of one attachment", tcp, ports, del, true},
	} {
		if err := draw(filepath.Join(dir, p.file), p.title, p.x, p.list, p.at, p.value, p.log); err != nil {
			return err
		}
	}
	return nil
}

func draw(file, title, x string, list []cycleResult, at, value func(cycleResult) float64, log bool) error {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, "ms, median"
	p.Legend.Top, p.Legend.Left = true, true
	p.BackgroundColor = color.White
	p.Add(plotter.NewGrid())
	if log {
		p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
		p.X.Tick.Marker, p.Y.Tick.Marker = plot.LogTicks{Prec: -1}, plot.LogTicks{Prec: -1}
	} else {
		p.Y.Min = 0
	}
	for _, name := range []string{byNFTables, byIPTables, bare, ours, floor} {
		var points plotter.XYs
		for _, c := range list {
			if c.Who == name {
				points = append(points, plotter.XY{X: at(c), Y: value(c)})
			}
		}
		if len(points) == 0 {
			continue
		}
		line, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return err
		}
		line.Color, line.Width, dots.Color = colours[name], vg.Points(1.5), colours[name]
		p.Add(line, dots)
		p.Legend.Add(name, line, dots)
	}
	return p.Save(16*vg.Centimeter, 10*vg.Centimeter, file)
}
