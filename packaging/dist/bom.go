// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package dist

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// bom is the bill of materials: what each program is made of, by what Go has written into it (CycloneDX 1.6, JSON).
func (r *release) bom(bin string, all licences) ([]byte, error) {
	bom := cdx.NewBOM()
	whole := r.library(all, r.programs[0].info.Main)
	whole.Type, whole.Licenses = cdx.ComponentTypeApplication, spdx("Apache-2.0")
	bom.Metadata = &cdx.Metadata{Timestamp: r.date.UTC().Format(time.RFC3339), Component: &whole}
	std := cdx.Component{
		BOMRef: "pkg:golang/std@" + strings.TrimPrefix(r.goVersion(), "go"), Type: cdx.ComponentTypeLibrary, Name: "std",
		Version: r.goVersion(), Licenses: spdx("BSD-3-Clause"),
	}
	std.PackageURL = std.BOMRef
	components := []cdx.Component{std}
	for _, m := range r.modules() {
		components = append(components, r.library(all, *m))
	}
	var parts []string
	var dependencies []cdx.Dependency
	for _, p := range r.programs {
		component, err := r.component(bin, p)
		if err != nil {
			return nil, err
		}
		components, parts = append(components, component), append(parts, component.BOMRef)
		needs := []string{std.BOMRef}
		for _, m := range p.info.Deps {
			needs = append(needs, packageURL(*m))
		}
		dependencies = append(dependencies, cdx.Dependency{Ref: component.BOMRef, Dependencies: &needs})
	}
	dependencies = append([]cdx.Dependency{{Ref: whole.BOMRef, Dependencies: &parts}}, dependencies...)
	bom.Components, bom.Dependencies = &components, &dependencies
	var text bytes.Buffer
	err := cdx.NewBOMEncoder(&text, cdx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, cdx.SpecVersion1_6)
	return text.Bytes(), err
}

// component is one program of ours, as a file.
func (r *release) component(bin string, p program) (cdx.Component, error) {
	hash := sha256.New()
	if err := copyFrom(hash, filepath.Join(bin, p.name)); err != nil {
		return cdx.Component{}, err
	}
	return cdx.Component{
		BOMRef: "bin/" + p.name, Type: cdx.ComponentTypeApplication, Name: p.name, Version: r.version,
		Licenses: spdx("Apache-2.0"),
		Hashes:   &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: fmt.Sprintf("%x", hash.Sum(nil))}},
	}, nil
}

// library is a module. Its hash is that of go.sum (h1: a SHA-256 over its files), as cyclonedx-gomod has it.
func (r *release) library(all licences, m debug.Module) cdx.Component {
	url := packageURL(m)
	c := cdx.Component{BOMRef: url, Type: cdx.ComponentTypeLibrary, Name: m.Path, Version: m.Version, PackageURL: url}
	if sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(m.Sum, "h1:")); err == nil && len(sum) == sha256.Size {
		c.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: fmt.Sprintf("%x", sum)}}
	}
	for _, l := range all {
		if l.module == m.Path && l.id != "" {
			c.Licenses = spdx(l.id)
		}
	}
	return c
}

func spdx(id string) *cdx.Licenses {
	return &cdx.Licenses{{License: &cdx.License{ID: id}}}
}

// packageURL names a module as tools that look for vulnerabilities do.
func packageURL(m debug.Module) string {
	if m.Replace != nil {
		m = *m.Replace
	}
	return "pkg:golang/" + m.Path + "@" + strings.ReplaceAll(m.Version, "+", "%2B")
}
