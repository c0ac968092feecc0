// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/shared/resolv"
)

// The words of merge.
const (
	mergeReplace = "replace"
	mergeAppend  = "append"
)

// WriteTo is a list of places, in JSON also a single string.
type WriteTo []string

// UnmarshalJSON takes a string or a list of strings.
func (w *WriteTo) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*w = WriteTo{one}
		return nil
	}
	var list []string
	if err := json.Unmarshal(data, &list); err != nil {
		return chain.Errorf(chain.CodeDecoding, "writeTo: a string or a list of strings is needed, got %s", data)
	}
	*w = list
	return nil
}

// Validate judges each value as what it is: nothing that passes can add a line to a file or a directory to a path.
func (c *Config) Validate() error {
	errs := []error{
		checkConfig("dns", "nameservers", "search", ofConfig(c.DNS)),
		checkConfig("runtimeConfig.dns", "servers", "searches", ofRuntime(c.RuntimeConfig.DNS)),
		c.WriteTo.validate(),
	}
	for i, server := range c.Fallback {
		if err := resolv.CheckServer(server); err != nil {
			errs = append(errs, chain.Errorf(chain.CodeConfig, "fallback[%d]: %w", i, err))
		}
	}
	if c.ResolvConf != "" && !filepath.IsAbs(c.ResolvConf) {
		errs = append(errs, chain.Invalid("resolvConf", c.ResolvConf, "an absolute path"))
	}
	if c.Merge != mergeReplace && c.Merge != mergeAppend {
		errs = append(errs, chain.Invalid("merge", c.Merge, "%q or %q", mergeReplace, mergeAppend))
	}
	return errors.Join(errs...)
}

func (w WriteTo) validate() error {
	if len(w) == 0 {
		return chain.Invalid("writeTo", []string(w), "at least one place; %q for none", toNone)
	}
	if len(w) > 1 && slices.Contains(w, toNone) {
		return chain.Invalid("writeTo", []string(w), "%q goes with no other place", toNone)
	}
	var errs []error
	for i, to := range w {
		switch to {
		case toAuto, toNetNS, toRootFS, toNone:
			continue
		}
		if err := checkPattern(to); err != nil {
			errs = append(errs, chain.Invalid(fmt.Sprintf("writeTo[%d]", i), to, "%v", err))
		}
	}
	return errors.Join(errs...)
}
