// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"

	"github.com/cni-chain/cni-chain/chain"
)

// Bounds of what the kernel takes: ETH_MIN_MTU and ETH_MAX_MTU of linux/if_ether.h for a veth, VLAN_VID_MASK - 1 of
// linux/if_vlan.h for a VLAN.
const (
	minMTU  = 68
	maxMTU  = 65535
	maxVLAN = 4094
)

// MTU is the JSON text of the key mtu: a number, or "auto". It is looked at in Validate, so that a wrong one does not
// keep DEL from reading the rest.
type MTU string

// mtuAuto is the JSON text that asks for the MTU of the way out.
const mtuAuto MTU = `"auto"`

// UnmarshalJSON keeps the text.
func (m *MTU) UnmarshalJSON(data []byte) error {
	if string(data) != "null" {
		*m = MTU(data)
	}
	return nil
}

// MarshalJSON gives the text back.
func (m MTU) MarshalJSON() ([]byte, error) {
	if m == "" {
		return []byte("0"), nil
	}
	return []byte(m), nil
}

// bytes is the number, 0 where none is given; an error is about the text.
func (m MTU) bytes() (int, error) {
	if m == "" || m == mtuAuto {
		return 0, nil
	}
	n, err := strconv.Atoi(string(m))
	if err != nil || n != 0 && (n < minMTU || n > maxMTU) {
		return 0, chain.Invalid("mtu", m, `a number of bytes from %d to %d, or "auto"`, minMTU, maxMTU)
	}
	return n, nil
}

// Trunk is one VLAN, by id, or a range of them, by minID and maxID, or both.
type Trunk struct {
	ID    *int `json:"id,omitempty"`
	MinID *int `json:"minID,omitempty"`
	MaxID *int `json:"maxID,omitempty"`
}

// Validate says all that is wrong with the configuration.
func (c *Config) Validate() error {
	_, mtuErr := c.MTU.bytes()
	errs := []error{mtuErr, validName("bridge", c.Bridge), c.validVLANs()}
	if c.Uplink != "" {
		errs = append(errs, validName("uplink", c.Uplink))
	}
	if c.Uplink != "" && c.Uplink == c.Bridge {
		errs = append(errs, chain.Invalid("uplink", c.Uplink, "that is the bridge itself"))
	}
	if c.HairpinMode && c.PromiscMode {
		errs = append(errs, chain.Invalid("promiscMode", true, "not together with hairpinMode: both let the container reach "+
			"itself, and with both its frames come back twice"))
	}
	_, runtimeErr := parseMAC("runtimeConfig.mac", c.RuntimeConfig.MAC)
	_, argsErr := parseMAC("args.cni.mac", c.Args.CNI.MAC)
	return errors.Join(append(errs, runtimeErr, argsErr)...)
}

// validName holds a name to what an interface can be called, and to what is no word of the kernel's: parameters of all
// interfaces are at net/ipv6/conf/all.
func validName(path, name string) error {
	if !chain.ValidIfName(name) {
		return chain.Invalid(path, name, "no interface can have this name: at most 15 bytes, no '/', ':' or white space")
	}
	if name == "all" || name == "default" {
		return chain.Invalid(path, name, "the kernel uses this word for all interfaces")
	}
	return nil
}

func (c *Config) validVLANs() error {
	var errs []error
	if c.Vlan < 0 || c.Vlan > maxVLAN {
		errs = append(errs, chain.Invalid("vlan", c.Vlan, "a VLAN is a number from 1 to %d, 0 is none", maxVLAN))
	}
	for i, t := range c.VlanTrunk {
		errs = append(errs, t.validate(fmt.Sprintf("vlanTrunk[%d]", i)))
	}
	return errors.Join(errs...)
}

func (t Trunk) validate(path string) error {
	var errs []error
	for _, n := range []struct {
		key string
		id  *int
	}{{"id", t.ID}, {"minID", t.MinID}, {"maxID", t.MaxID}} {
		if n.id != nil && (*n.id < 1 || *n.id > maxVLAN) {
			errs = append(errs, chain.Invalid(path+"."+n.key, *n.id, "a VLAN is a number from 1 to %d", maxVLAN))
		}
	}
	switch {
	case (t.MinID == nil) != (t.MaxID == nil):
		errs = append(errs, chain.Invalid(path, t.text(), "minID and maxID come together"))
	case t.MinID != nil && *t.MaxID < *t.MinID:
		errs = append(errs, chain.Invalid(path, t.text(), "maxID is less than minID"))
	case t.MinID == nil && t.ID == nil:
		errs = append(errs, chain.Invalid(path, t.text(), "give id, or minID and maxID"))
	}
	return errors.Join(errs...)
}

// jsonText is a value to show as it was written.
type jsonText string

func (t Trunk) text() jsonText {
	data, _ := json.Marshal(t) // numbers only
	return jsonText(data)
}

// filters says whether the configuration needs a bridge that knows VLANs; an empty list does (upstream's bridge).
func (c *Config) filters() bool { return c.Vlan != 0 || c.VlanTrunk != nil }

// mac is the MAC that the container's interface is to have, nil when nobody asks for one.
func (c *Config) mac(args map[string]string) (net.HardwareAddr, error) {
	for _, source := range []struct{ path, mac string }{
		{"runtimeConfig.mac", c.RuntimeConfig.MAC}, {"args.cni.mac", c.Args.CNI.MAC}, {"CNI_ARGS: MAC", args["MAC"]},
	} {
		if source.mac != "" {
			return parseMAC(source.path, source.mac)
		}
	}
	return nil, nil
}

// parseMAC reads an Ethernet address that an interface can have; "" is nil.
func parseMAC(path, text string) (net.HardwareAddr, error) {
	if text == "" {
		return nil, nil
	}
	mac, err := net.ParseMAC(text)
	switch {
	case err != nil || len(mac) != 6:
		return nil, chain.Invalid(path, text, "a MAC is six bytes like 02:42:ac:11:00:02")
	case mac[0]&1 != 0:
		return nil, chain.Invalid(path, text, "the MAC of a group, which no interface can have: the first byte is to be even")
	case slices.Max(mac) == 0:
		return nil, chain.Invalid(path, text, "no interface can have a MAC of zeros")
	}
	return mac, nil
}

// misplaced refuses keys of upstream's bridge that belong to another link here. The frame lets them pass, because every
// plugin may have them.
func misplaced(config []byte) error {
	var keys struct {
		IPAM json.RawMessage `json:"ipam"`
		DNS  json.RawMessage `json:"dns"`
	}
	if err := chain.Unmarshal(config, &keys); err != nil {
		return fmt.Errorf("decode the configuration: %w", err)
	}
	var errs []error
	for _, key := range []struct{ name, link, value string }{
		{"ipam", "ip-config", string(keys.IPAM)}, {"dns", "resolv-conf", string(keys.DNS)},
	} {
		if !slices.Contains([]string{"", "null", "{}"}, key.value) {
			errs = append(errs, chain.Invalid(key.name, jsonText(key.value), "this link makes the interface only: the key "+
				"belongs to the link %s, which comes after it in \"plugins\"", key.link))
		}
	}
	return errors.Join(errs...)
}
