// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package testnet

import (
	"encoding/binary"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// The arrays of settings in an interface's attributes: linux/if_link.h.
const (
	iflaInetConf  = 1
	iflaInet6Conf = 2
)

// Names of an interface's IPv4 and IPv6 sysctls in the order of IPV4_DEVCONF_* (linux/ip.h, from 1 on) and DEVCONF_*
// (linux/ipv6.h, from 0 on), spelled as in /proc/sys/net.
var (
	ipv4Settings = []string{
		"forwarding", "mc_forwarding", "proxy_arp", "accept_redirects", "secure_redirects", "send_redirects",
		"shared_media", "rp_filter", "accept_source_route", "bootp_relay", "log_martians", "tag", "arp_filter",
		"medium_id", "disable_xfrm", "disable_policy", "force_igmp_version", "arp_announce", "arp_ignore",
		"promote_secondaries", "arp_accept", "arp_notify", "accept_local", "src_valid_mark", "proxy_arp_pvlan",
		"route_localnet", "igmpv2_unsolicited_report_interval", "igmpv3_unsolicited_report_interval",
		"ignore_routes_with_linkdown", "drop_unicast_in_l2_multicast", "drop_gratuitous_arp", "bc_forwarding",
		"arp_evict_nocarrier",
	}
	ipv6Settings = []string{
		"forwarding", "hop_limit", "mtu", "accept_ra", "accept_redirects", "autoconf", "dad_transmits",
		"router_solicitations", "router_solicitation_interval", "router_solicitation_delay", "use_tempaddr",
		"temp_valid_lft", "temp_prefered_lft", "regen_max_retry", "max_desync_factor", "max_addresses",
		"force_mld_version", "accept_ra_defrtr", "accept_ra_pinfo", "accept_ra_rtr_pref", "router_probe_interval",
		"accept_ra_rt_info_max_plen", "proxy_ndp", "optimistic_dad", "accept_source_route", "mc_forwarding",
		"disable_ipv6", "accept_dad", "force_tllao", "ndisc_notify", "mldv1_unsolicited_report_interval",
		"mldv2_unsolicited_report_interval", "suppress_frag_ndisc", "accept_ra_from_local", "use_optimistic",
		"accept_ra_mtu", "stable_secret", "use_oif_addrs_only", "accept_ra_min_hop_limit",
		"ignore_routes_with_linkdown", "drop_unicast_in_l2_multicast", "drop_unsolicited_na", "keep_addr_on_down",
		"router_solicitation_max_interval", "seg6_enabled", "seg6_require_hmac", "enhanced_dad", "addr_gen_mode",
		"disable_policy", "accept_ra_rt_info_min_plen", "ndisc_tclass", "rpl_seg_enabled", "ra_defrtr_metric",
		"ioam6_enabled", "ioam6_id", "ioam6_id_wide", "ndisc_evict_nocarrier", "accept_untracked_na",
		"accept_ra_min_lft",
	}
)

// addLinkSysctls adds an interface's sysctls as they are in its attributes: a hundred files less to read. Times are in
// the kernel's units here, not in those of the files.
func (c *collector) addLinkSysctls(link string, attrs attributes) {
	spec := attrs.nested(unix.IFLA_AF_SPEC)
	c.addSettings("ipv4/conf/"+link, ipv4Settings, spec.nested(unix.AF_INET).get(iflaInetConf))
	c.addSettings("ipv6/conf/"+link, ipv6Settings, spec.nested(unix.AF_INET6).get(iflaInet6Conf))
}

// addSettings adds an array of settings. Those of a newer kernel have their number for a name.
func (c *collector) addSettings(dir string, names []string, values []byte) {
	for i := 0; len(values) >= 4; i, values = i+1, values[4:] {
		name := fmt.Sprintf("%s/#%d", dir, i)
		if i < len(names) {
			name = dir + "/" + names[i]
		}
		value := strconv.Itoa(int(int32(binary.NativeEndian.Uint32(values))))
		c.add(Object{Section: Sysctls, Key: name, Fields: []Field{{"value", value}}})
	}
}
