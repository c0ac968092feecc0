// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package chain_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/google/go-cmp/cmp"

	"github.com/cni-chain/cni-chain/chain"
	"github.com/cni-chain/cni-chain/chain/chaintest"
)

type request = chain.Request[conf]

// TestUnknownFieldsOfPrevResultStay: what a link does not understand it passes on (spec, section 2).
func TestUnknownFieldsOfPrevResultStay(t *testing.T) {
	prev := `{"cniVersion":"%[1]s","vendor":{"a":1},
		"interfaces":[{"name":"br0","color":"red"},{"name":"eth0","sandbox":"/s","mac":"02:00:00:00:00:01"}],
		"ips":[{"version":"4","address":"10.0.0.2/24","interface":1,"lease":"x"}],
		"routes":[{"dst":"0.0.0.0/0","gw":"10.0.0.1","note":[1]}],"dns":{"nameservers":["10.0.0.1"],"zone":"z"}}`
	for _, version := range chaintest.Versions {
		t.Run(version, func(t *testing.T) {
			prev := fmt.Sprintf(prev, version)
			link := files(chain.Anywhere)
			link.Add = func(_ context.Context, r *request) error {
				r.Result.Interfaces = append([]*current.Interface{{Name: "new0"}}, r.Result.Interfaces...)
				*r.Result.IPs[0].Interface = 2
				return nil
			}
			o := chaintest.Run(t, link, call("ADD", fmt.Sprintf(`{"cniVersion":%q,"name":"n","prevResult":%s}`, version, prev)))
			var got, want map[string]any
			o.Result(t, &got)
			if err := json.Unmarshal([]byte(prev), &want); err != nil {
				t.Fatal(err)
			}
			want["interfaces"] = append([]any{map[string]any{"name": "new0"}}, want["interfaces"].([]any)...)
			ip := want["ips"].([]any)[0].(map[string]any)
			ip["interface"] = float64(2)
			if version >= "1.0.0" {
				delete(ip, "version")
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestNewFieldsAreDroppedFromOldVersions: mtu is of 1.1 and does not appear in 0.4.0.
func TestNewFieldsAreDroppedFromOldVersions(t *testing.T) {
	link := files(chain.Anywhere)
	link.Add = func(_ context.Context, r *request) error {
		r.Result.Interfaces = []*current.Interface{{Name: "eth0", Mtu: 1400}}
		return nil
	}
	for version, want := range map[string]bool{"0.4.0": false, "1.1.0": true} {
		var got map[string]any
		chaintest.Run(t, link, call("ADD", fmt.Sprintf(`{"cniVersion":%q,"name":"n"}`, version))).Result(t, &got)
		if _, has := got["interfaces"].([]any)[0].(map[string]any)["mtu"]; has != want {
			t.Errorf("%s: mtu there: %v", version, has)
		}
	}
}

// TestRemovedStaysRemoved: a link may take addresses out of the result.
func TestRemovedStaysRemoved(t *testing.T) {
	link := files(chain.Later)
	link.Add = func(_ context.Context, r *request) error {
		r.Result.IPs = nil
		return nil
	}
	var got map[string]any
	chaintest.Run(t, link, call("ADD", `{"cniVersion":"1.1.0","name":"n","prevResult":{"ips":[{"address":"10.0.0.1/8"}]}}`)).Result(t, &got)
	if _, there := got["ips"]; there {
		t.Errorf("ips came back: %v", got)
	}
}

// TestPrevIsNotTheResult: changing Result leaves Prev alone.
func TestPrevIsNotTheResult(t *testing.T) {
	link := files(chain.Later)
	link.Add = func(_ context.Context, r *request) error {
		r.Result.Interfaces[0].Name = "changed"
		if r.Prev.Interfaces[0].Name != "eth0" {
			t.Error("Prev changed with Result")
		}
		return nil
	}
	chaintest.Run(t, link, call("ADD", `{"cniVersion":"1.1.0","name":"n","prevResult":{"interfaces":[{"name":"eth0"}]}}`)).OK(t)
}
