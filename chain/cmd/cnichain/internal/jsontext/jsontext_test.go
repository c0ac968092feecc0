// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package jsontext

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cni-chain/cni-chain/chain/cmd/cnichain/internal/source"
)

func TestFormatKeepsOrder(t *testing.T) {
	const text = `{"z": 1.50, "a": {"long": ["<one>", "two", "three"], "short": {"x": null}}, "empty": {}, "list": [[{"subnet": "10.0.0.0/8"}]]}`
	doc, err := source.Read("", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	got, err := Format(Of(doc.Root), 40, 1)
	if err != nil {
		t.Fatal(err)
	}
	want := `{
  "z": 1.50,
  "a": {
    "long": ["<one>", "two", "three"],
    "short": {"x": null}
  },
  "empty": {},
  "list": [
    [{"subnet": "10.0.0.0/8"}]
  ]
}
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(text, Line(Of(doc.Root))); diff != "" {
		t.Error(diff)
	}
}

func TestObject(t *testing.T) {
	o := Object{{"a", 1}, {"B", 2}}
	o.Set("b", 3)
	o.Set("c", 4)
	o.Drop("A")
	if diff := cmp.Diff(Object{{"b", 3}, {"c", 4}}, o); diff != "" {
		t.Error(diff)
	}
	if o.Get("C") != 4 || o.Get("a") != nil {
		t.Errorf("%v", o)
	}
}
