// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// everything has a field of each kind that a link's configuration may have.
type everything struct {
	Text     string            `json:"text"`
	Flag     bool              `json:"flag"`
	On       bool              `json:"on"` // true before decoding
	Int      int               `json:"int"`
	Small    int8              `json:"small"`
	Unsigned uint16            `json:"unsigned"`
	Real     float64           `json:"real"`
	List     []string          `json:"list"`
	Numbers  [2]int            `json:"numbers"`
	Bytes    []byte            `json:"bytes"`
	Nested   []inner           `json:"nested"`
	Deep     [][]inner         `json:"deep"`
	Pointer  *int              `json:"pointer"`
	Inner    *inner            `json:"inner"`
	Set      *inner            `json:"set"` // points to something before decoding
	Map      map[string]inner  `json:"map"`
	Words    map[string]string `json:"words"`
	Any      any               `json:"any"`
	Raw      json.RawMessage   `json:"raw"`
	Addr     netip.Addr        `json:"addr"`
	Upper    upper             `json:"upper"`
	Untagged string
	Left     string `json:"-"`
	//lint:ignore SA5008 the name is "-", as encoding/json has it
	Dash    string                       `json:"-,"`
	Number  json.Number                  `json:"number"`
	Given   []inner                      `json:"given"` // has an element before decoding
	Runtime struct{ Nested []inner }     `json:"runtimeConfig"`
	Args    struct{ CNI map[string]any } `json:"args"`
	embedded
	Under `json:"under"`
	Away  `json:"-"`
	Word
}

type embedded struct {
	Promoted string `json:"promoted"`
}

// Under has a name where it is embedded, Away is left out, and Word is no struct.
type (
	Under struct {
		Below string `json:"below"`
	}
	Away struct {
		Hidden string `json:"hidden"`
	}
	Word string
)

type inner struct {
	Name string `json:"name"`
	N    *int   `json:"n,omitempty"`
}

// upper decodes itself.
type upper string

func (u *upper) UnmarshalJSON(data []byte) error {
	var text string
	err := json.Unmarshal(data, &text)
	*u = upper(strings.ToUpper(text))
	return err
}

func before() everything {
	return everything{On: true, List: []string{"a", "b"}, Set: &inner{Name: "was"}, Given: []inner{{Name: "was"}}}
}

// FuzzFill: what is filled in here is what encoding/json fills in, where it does not fit, too; and the document stays.
func FuzzFill(f *testing.F) {
	for _, doc := range []string{
		`{"text":"a\u00e9\ud800","flag":true,"on":false,"int":-5,"small":127,"unsigned":65535,"real":1e3,"list":["x"],
		  "numbers":[1],"bytes":"AAEC","nested":[{"name":"a","n":1},{}],"deep":[[{"name":"b"}],[]],"pointer":0,
		  "inner":{"n":3},"set":{"n":4},"map":{"k":{"name":"v"}},"words":{"a":"b"},"any":[1,{"x":null}],"raw":{"a":[1 ,2]},
		  "addr":"10.0.0.1","upper":"abc","Untagged":"u","-":"no","runtimeConfig":{"nested":[{"NAME":"r"}]},
		  "args":{"cni":{"ips":["1"]}},"promoted":"p"}`,
		`{"text":null,"flag":null,"on":null,"int":null,"list":null,"nested":null,"pointer":null,"inner":null,"set":null,
		  "map":null,"any":null,"raw":null,"addr":null,"upper":null,"runtimeConfig":null}`,
		`{"TEXT":"fold","Text":"again","list":[],"list":["y"],"set":{"name":"x"},"set":{}}`,
		`{"small":128}`, `{"unsigned":-1}`, `{"int":1.0}`, `{"int":"1"}`, `{"text":1}`, `{"list":["a",1]}`, `{"list":"a"}`,
		`{"nested":{"name":"a"}}`, `{"inner":[]}`, `{"addr":"x"}`, `{"upper":1}`, `{"bytes":[1,2]}`, `{"numbers":[1,2,3]}`,
		`{"runtimeConfig":{"nested":[],"nested":[{}]}}`, `{"flag":"true"}`, `[]`, `null`, `{"unknown":{"a":"}"}}`,
		`{"number":"x"}`, `{"number":"1"}`, `{"number":1e3}`, `{"given":[{"n":1},null,{}]}`, `{"-":"x","Word":"x"}`,
		`{"under":{"below":"x"},"below":"y","hidden":"z"}`, `{"int":1,"text":5,"on":false,"upper":1,"flag":true}`,
		`{"raw":{},"any":[],"raw":{"longer":"than before"}}`, `{"given":[{"name":5,"n":1}],"map":{"a":{"name":5,"n":1}}}`,
	} {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if !json.Valid(data) {
			return
		}
		was := string(data)
		got, want := before(), before()
		err, wantErr := fill(data, &got), json.Unmarshal(data, &want)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("error %v, encoding/json says %v", err, wantErr)
		}
		allow := cmp.Options{cmp.AllowUnexported(everything{}), cmpopts.EquateComparable(netip.Addr{})}
		if diff := cmp.Diff(want, got, allow); diff != "" {
			t.Errorf("-encoding/json +here:\n%s", diff)
		}
		if string(data) != was {
			t.Errorf("the document is now %s", data)
		}
	})
}

// TestFillByItself: the usual values are not left to encoding/json as a whole, so that the fuzzing compares something.
func TestFillByItself(t *testing.T) {
	doc := `{"text":"a","flag":true,"int":-5,"list":["x"],"nested":[{"name":"a","n":1}],"inner":{"n":3},"raw":{},
		"addr":"10.0.0.1","upper":"abc","runtimeConfig":{"nested":[{"name":"r"}]},"promoted":"p","prevResult":{"a":1}}`
	w := &walker{scan: scan{data: []byte(doc)}}
	var e everything
	if w.fill(&e, protocolKeys); w.misfit || len(w.unknown) > 0 || e.Runtime.Nested[0].Name != "r" {
		t.Errorf("misfit %v, unknown %v, filled %+v", w.misfit, w.unknown, e)
	}
}

// TestOddFields: what only encoding/json knows is left to it.
func TestOddFields(t *testing.T) {
	type quoted struct {
		N int `json:"n,string"`
	}
	type twice struct {
		A string `json:"a"`
		B string `json:"A"`
	}
	type Behind struct {
		Name string `json:"name"`
	}
	type pointer struct {
		*Behind
	}
	for doc, types := range map[string][2]any{
		`{"n":"5"}`:    {&quoted{}, &quoted{}},
		`{"A":"x"}`:    {&twice{}, &twice{}},
		`{"name":"x"}`: {&pointer{}, &pointer{}},
	} {
		if err := fill([]byte(doc), types[0]); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(doc), types[1]); err != nil || !reflect.DeepEqual(types[0], types[1]) {
			t.Errorf("%s: got %+v, want %+v (%v)", doc, types[0], types[1], err)
		}
	}
}
