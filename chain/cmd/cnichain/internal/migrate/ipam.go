// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package migrate

import "github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/jsontext"

// hostLocalDir is where host-local keeps its leases when nobody says otherwise (containernetworking/plugins,
// plugins/ipam/host-local/backend/disk).
const hostLocalDir = "/var/lib/cni/networks"

// hostLocal is what host-local becomes: ip-pool with the same ranges. The directory of leases is not kept, because a
// pool is kept in another form, but what is leased there is taken over.
func (m *migration) hostLocal(path string, ipam object) object {
	s := &sorter{m: m, path: path, from: m.schemas.Plugin("host-local")}
	pool := object{{Key: "type", Value: "ip-pool"}}
	from := hostLocalDir
	for _, member := range ipam {
		name, known := s.key(member.Key)
		switch {
		case !known || name == "type":
		case name == "dataDir":
			if dir, ok := member.Value.(string); ok && dir != "" {
				from = dir
			}
		case name == "ranges":
			pool.Set(name, m.ranges(path, member.Value))
		default:
			pool.Set(name, member.Value)
		}
	}
	pool = append(pool, jsontext.Member{Key: "importFrom", Value: from})
	m.changes(path, "host-local becomes ip-pool, which forgets its leases with a reboot and takes over those in %s, once", from)
	return pool
}

// ranges are the range sets with their keys in our case.
func (m *migration) ranges(path string, value any) any {
	sets, _ := value.([]any)
	for _, set := range sets {
		list, _ := set.([]any)
		for i, r := range list {
			if given, ok := r.(object); ok {
				list[i] = m.addressRange(path+".ranges", given)
			}
		}
	}
	return value
}

func (m *migration) addressRange(path string, given object) (out object) {
	s := &sorter{m: m, path: path, from: m.schemas.Plugin("host-local")}
	for _, member := range given {
		if name, known := s.key(member.Key); known {
			out = append(out, jsontext.Member{Key: name, Value: member.Value})
		}
	}
	return out
}
