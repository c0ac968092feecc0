// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/png"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cni-chain/cni-chain/shared/testnet"
)

// web is all of the web that the browser sees: a proxy that has one page and notes what else the page asks for.
type web struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string
}

const pageAddress = "http://trace.test/"

func newWeb(t *testing.T, page []byte) *web {
	t.Helper()
	w := &web{}
	w.Server = httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if url := r.URL.String(); r.Method == http.MethodGet && url == pageAddress {
			out.Header().Set("Content-Type", "text/html")
			_, _ = out.Write(page)
			return
		}
		if !ofBrowser(r) {
			w.asked = append(w.asked, r.Method+" "+r.URL.String())
		}
		http.NotFound(out, r)
	}))
	t.Cleanup(w.Close)
	return w
}

func (w *web) requests() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.asked)
}

// ownDomains are those of hosts that Chromium itself asks for, whatever page it shows.
var ownDomains = []string{".google.com", ".googleapis.com", ".gvt1.com"}

func ofBrowser(r *http.Request) bool {
	host := r.URL.Hostname()
	return slices.ContainsFunc(ownDomains, func(domain string) bool { return strings.HasSuffix(host, domain) }) ||
		r.URL.String() == pageAddress+"favicon.ico" // asked for with any page
}

// browse opens the page in headless Chromium and returns its stdout and stderr.
func browse(t *testing.T, w *web, args ...string) (stdout, stderr string) {
	t.Helper()
	var program string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		testnet.Lacks(t, "chromium (Debian's package of that name)")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	home := t.TempDir()
	cmd := exec.CommandContext(ctx, program, append([]string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--user-data-dir=" + home, "--hide-scrollbars",
		"--proxy-server=" + w.Listener.Addr().(*net.TCPAddr).String(), "--proxy-bypass-list=<-loopback>",
		"--enable-logging=stderr", "--window-size=1120,2400",
	}, append(args, pageAddress)...)...)
	cmd.Env = append(os.Environ(), "HOME="+home)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, &errs)
	}
	return out.String(), errs.String()
}

// The page of a trace in a browser: nothing is asked for, nothing complained about, and what it draws is to be seen.
func TestTracePageInABrowser(t *testing.T) {
	w := newWeb(t, []byte(read(t, pageOf(t))))
	dom, stderr := browse(t, w, "--dump-dom")
	contains(t, dom, `<section id="topology">`, `<rect class="panel"`, `<section id="waterfall">`, `<div class="row step">`,
		`>veth3d85wr1erec</text>`, "</html>")
	complaints := complaintsOf(stderr)
	shot := filepath.Join(t.TempDir(), "trace.png")
	_, stderr = browse(t, w, "--screenshot="+shot)
	if complaints = append(complaints, complaintsOf(stderr)...); len(complaints) > 0 {
		t.Errorf("the page complains: %q", complaints)
	}
	if asked := w.requests(); len(asked) > 0 {
		t.Errorf("the page asks for %q", asked)
	}
	file, err := os.Open(shot)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	seen, err := png.Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	// The bridge's bar, a step in the waterfall, the verdict: of light screens, which is Chromium's default.
	for name, c := range map[string]color.RGBA{
		"the first bridge or link": {0x09, 0x69, 0xda, 0xff}, "the second": {0x82, 0x50, 0xdf, 0xff}, "success": {0x1a, 0x7f, 0x37, 0xff},
	} {
		if n := count(seen, c); n < 100 {
			t.Errorf("%d pixels of the colour of %s: is the page drawn?", n, name)
		}
	}
}

// complaintsOf are what a page's console says.
func complaintsOf(stderr string) (lines []string) {
	for line := range strings.Lines(stderr) {
		if strings.Contains(line, "CONSOLE") {
			lines = append(lines, line)
		}
	}
	return lines
}

// What TestTracePageInABrowser goes by is seen when it is there.
func TestBrowserTellsOfTrouble(t *testing.T) {
	w := newWeb(t, []byte(`<html><script>nothing.of.that.name()</script><img src="http://elsewhere.test/x.png">`))
	_, stderr := browse(t, w, "--dump-dom")
	if got := complaintsOf(stderr); len(got) != 1 || !strings.Contains(got[0], "nothing is not defined") {
		t.Errorf("complaints: %q\n%s", got, stderr)
	}
	if asked := w.requests(); !slices.Equal(asked, []string{"GET http://elsewhere.test/x.png"}) {
		t.Errorf("asked for %q", asked)
	}
}

func count(i image.Image, c color.RGBA) int {
	n := 0
	for y := i.Bounds().Min.Y; y < i.Bounds().Max.Y; y++ {
		for x := i.Bounds().Min.X; x < i.Bounds().Max.X; x++ {
			if color.RGBAModel.Convert(i.At(x, y)) == c {
				n++
			}
		}
	}
	return n
}
