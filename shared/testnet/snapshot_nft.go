// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package testnet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// sizeofNfgenmsg is the size of struct nfgenmsg, which starts messages: linux/netfilter/nfnetlink.h.
const sizeofNfgenmsg = 4

// Attributes that golang.org/x/sys does not name: linux/netfilter/nf_tables.h.
const (
	nftaTableUserdata       = 6
	nftaChainUserdata       = 12
	nftaObjUserdata         = 8
	nftaSetElemKeyEnd       = 10
	nftaFlowtableTable      = 1
	nftaFlowtableName       = 2
	setElemIntervalEnd      = 1 // NFT_SET_ELEM_INTERVAL_END
	setElemCatchall         = 2 // NFT_SET_ELEM_CATCHALL
	setAnonymous            = 1 // NFT_SET_ANONYMOUS
	setCommentType     byte = 7 // NFTNL_UDATA_SET_COMMENT in libnftnl/udata.h; 0 for everything else
)

// setFlags are the names of NFT_SET_* from bit 0 on.
var setFlags = []string{"anonymous", "constant", "interval", "map", "timeout", "eval", "object", "concat", "expr"}

// ruleset is what the chains and rules of one namespace need to be shown.
type ruleset struct {
	c *collector
	// anonymous are the elements of sets without a lasting name, by family, table and name. They are shown in place.
	anonymous map[string][]string
	// chains are the chains seen, and rules the text of their rules in order, by the chain's key.
	chains []Object
	rules  map[string][]string
}

// collectNFT lists nftables as the kernel has it.
func (c *collector) collectNFT() error {
	r := &ruleset{c: c, anonymous: map[string][]string{}, rules: map[string][]string{}}
	tables, err := r.each(unix.NFT_MSG_GETTABLE, r.addTable)
	if err != nil || tables == 0 {
		return err
	}
	for _, part := range []struct {
		message uint16
		add     adder
	}{
		{unix.NFT_MSG_GETSET, r.addSet},
		{unix.NFT_MSG_GETCHAIN, r.addChain},
		{unix.NFT_MSG_GETRULE, r.addRule},
		{unix.NFT_MSG_GETOBJ, r.addObject},
		{unix.NFT_MSG_GETFLOWTABLE, r.addFlowtable},
	} {
		if _, err := r.each(part.message, part.add); err != nil {
			return err
		}
	}
	for _, chain := range r.chains {
		chain.order = r.rules[chain.Key]
		c.add(chain)
	}
	return nil
}

// adder adds one object to the snapshot.
type adder func(family string, attrs attributes) error

// each calls add for every object of a kind, of all families, and returns how many there are.
func (r *ruleset) each(message uint16, add adder) (int, error) {
	return r.eachOf(unix.AF_UNSPEC, message, add)
}

// eachOf is each for the objects of one family that the attributes in filter ask for.
func (r *ruleset) eachOf(family byte, message uint16, add adder, filter ...[]byte) (int, error) {
	request := append([][]byte{{family, unix.NFNETLINK_V0, 0, 0}}, filter...)
	answers, err := r.c.netfilter.dump(unix.NETLINK_NETFILTER, unix.NFNL_SUBSYS_NFTABLES<<8|message, request...)
	if err != nil {
		return 0, err
	}
	for _, body := range answers {
		if len(body) < sizeofNfgenmsg {
			continue
		}
		if err := add(familyName(body[0]), parseAttributes(body, sizeofNfgenmsg)); err != nil {
			return 0, err
		}
	}
	return len(answers), nil
}

// families are the names of NFPROTO_*, as nft(8) has them.
var families = map[string]byte{"inet": 1, "ip": 2, "arp": 3, "netdev": 5, "bridge": 7, "ip6": 10}

func familyName(number byte) string {
	for name, value := range families {
		if value == number {
			return name
		}
	}
	return fmt.Sprint(number)
}

func (r *ruleset) addTable(family string, attrs attributes) error {
	r.c.add(Object{
		Section: NFT, Key: joinWords([]string{"table", family, attrs.str(unix.NFTA_TABLE_NAME)}),
		Fields: fields("flags", nonZero(bigNumber(attrs.get(unix.NFTA_TABLE_FLAGS))),
			"comment", comment(attrs.get(nftaTableUserdata), 0)),
	})
	return nil
}

func (r *ruleset) addChain(family string, attrs attributes) error {
	key := joinWords([]string{"chain", family, attrs.str(unix.NFTA_CHAIN_TABLE), attrs.str(unix.NFTA_CHAIN_NAME)})
	hook := attrs.nested(unix.NFTA_CHAIN_HOOK)
	list := fields("comment", comment(attrs.get(nftaChainUserdata), 0))
	if hook != nil {
		policy := "accept"
		if bigNumber(attrs.get(unix.NFTA_CHAIN_POLICY)) == 0 {
			policy = "drop"
		}
		list = append(list, fields(
			"type", attrs.str(unix.NFTA_CHAIN_TYPE),
			"hook", fmt.Sprint(bigNumber(hook.get(unix.NFTA_HOOK_HOOKNUM))),
			"priority", fmt.Sprint(int32(bigNumber(hook.get(unix.NFTA_HOOK_PRIORITY)))),
			"device", hook.str(unix.NFTA_HOOK_DEV),
			"policy", policy)...)
	}
	r.chains = append(r.chains, Object{Section: NFT, Key: key, Fields: list})
	return nil
}

func (r *ruleset) addRule(family string, attrs attributes) error {
	where := joinWords([]string{family, attrs.str(unix.NFTA_RULE_TABLE), attrs.str(unix.NFTA_RULE_CHAIN)})
	var text []string
	for _, expression := range attrs.nested(unix.NFTA_RULE_EXPRESSIONS) {
		text = append(text, r.expression(joinWords([]string{family, attrs.str(unix.NFTA_RULE_TABLE)}), expression.data))
	}
	if note := comment(attrs.get(unix.NFTA_RULE_USERDATA), 0); note != "" {
		text = append(text, fmt.Sprintf("comment %q", note))
	}
	rule := strings.Join(text, " ")
	r.rules["chain "+where] = append(r.rules["chain "+where], rule)
	r.c.add(Object{Section: NFT, Key: "rule " + where + ": " + rule})
	return nil
}

// addSet adds a set and its elements, or keeps them for the rule that has the set in it.
func (r *ruleset) addSet(family string, attrs attributes) error {
	table, name := attrs.str(unix.NFTA_SET_TABLE), attrs.str(unix.NFTA_SET_NAME)
	where := joinWords([]string{family, table, name})
	flags := uint32(bigNumber(attrs.get(unix.NFTA_SET_FLAGS)))
	keyType := uint32(bigNumber(attrs.get(unix.NFTA_SET_KEY_TYPE)))
	dataType := uint32(bigNumber(attrs.get(unix.NFTA_SET_DATA_TYPE)))
	anonymous := flags&setAnonymous != 0
	if !anonymous {
		r.c.add(Object{Section: NFT, Key: "set " + where, Fields: fields(
			"flags", words(flags, setFlags),
			"key", fmt.Sprint(keyType),
			"data", nonZero(uint64(dataType)),
			"size", nonZero(bigNumber(attrs.nested(unix.NFTA_SET_DESC).get(unix.NFTA_SET_DESC_SIZE))),
			"timeout", nonZero(bigNumber(attrs.get(unix.NFTA_SET_TIMEOUT))),
			"comment", comment(attrs.get(unix.NFTA_SET_USERDATA), setCommentType))})
	}
	elements := func(_ string, list attributes) error {
		for _, element := range list.nested(unix.NFTA_SET_ELEM_LIST_ELEMENTS) {
			key, values := r.element(parseAttributes(element.data, 0), keyType, dataType)
			if anonymous {
				text := Object{Key: key, Fields: values}.String()
				r.anonymous[where] = append(r.anonymous[where], strings.TrimSpace(text))
				continue
			}
			r.c.add(Object{Section: NFT, Key: "element " + where + " " + key, Fields: values})
		}
		return nil
	}
	request := slices.Concat(stringAttribute(unix.NFTA_SET_ELEM_LIST_TABLE, table),
		stringAttribute(unix.NFTA_SET_ELEM_LIST_SET, name))
	_, err := r.eachOf(families[family], unix.NFT_MSG_GETSETELEM, elements, request)
	if errors.Is(err, unix.ENOENT) {
		return nil // deleted in between
	}
	slices.Sort(r.anonymous[where])
	return err
}

// element is one element of a set: its key, and what belongs to it.
func (r *ruleset) element(attrs attributes, keyType, dataType uint32) (key string, list []Field) {
	key = r.data(attrs.nested(unix.NFTA_SET_ELEM_KEY), keyType)
	if end := attrs.nested(nftaSetElemKeyEnd); end != nil {
		key += " - " + r.data(end, keyType)
	}
	flags := bigNumber(attrs.get(unix.NFTA_SET_ELEM_FLAGS))
	if flags&setElemIntervalEnd != 0 {
		key += " (end)"
	}
	if flags&setElemCatchall != 0 {
		key = "*"
	}
	return key, fields(
		"data", r.data(attrs.nested(unix.NFTA_SET_ELEM_DATA), dataType),
		"object", attrs.str(unix.NFTA_SET_ELEM_OBJREF),
		"timeout", nonZero(bigNumber(attrs.get(unix.NFTA_SET_ELEM_TIMEOUT))),
		"comment", comment(attrs.get(unix.NFTA_SET_ELEM_USERDATA), 0))
}

func (r *ruleset) addObject(family string, attrs attributes) error {
	key := joinWords([]string{"object", family, attrs.str(unix.NFTA_OBJ_TABLE), attrs.str(unix.NFTA_OBJ_NAME)})
	r.c.add(Object{Section: NFT, Key: key, Fields: fields(
		"type", fmt.Sprint(bigNumber(attrs.get(unix.NFTA_OBJ_TYPE))),
		"comment", comment(attrs.get(nftaObjUserdata), 0))})
	return nil
}

func (r *ruleset) addFlowtable(family string, attrs attributes) error {
	key := joinWords([]string{"flowtable", family, attrs.str(nftaFlowtableTable), attrs.str(nftaFlowtableName)})
	r.c.add(Object{Section: NFT, Key: key})
	return nil
}

// stringAttribute is a netlink attribute with a text.
func stringAttribute(kind uint16, text string) []byte {
	attr := binary.NativeEndian.AppendUint16(nil, uint16(unix.SizeofNlAttr+len(text)+1))
	attr = binary.NativeEndian.AppendUint16(attr, kind)
	attr = append(append(attr, text...), 0)
	for len(attr)%unix.NLA_ALIGNTO != 0 {
		attr = append(attr, 0)
	}
	return attr
}
