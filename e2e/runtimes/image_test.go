// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package runtimes

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// image is the name of the only image: busybox, which pauses, or serves if it is told to.
const image = "localhost/busybox:e2e"

// writeImage writes the image, made of busyboxRoot, as docker save would.
func writeImage(t *testing.T, path string) {
	t.Helper()
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	must(t, "pack the root", w.AddFS(os.DirFS(busyboxRoot(t))))
	must(t, "end the layer", w.Close())
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{"Cmd": []string{"/bin/busybox", "sleep", "86400"}, "WorkingDir": "/"},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{fmt.Sprintf("sha256:%x", sha256.Sum256(layer.Bytes()))}},
	})
	must(t, "write its configuration", err)
	manifest, err := json.Marshal([]any{map[string]any{
		"Config": "config.json", "RepoTags": []string{image}, "Layers": []string{"layer.tar"},
	}})
	must(t, "write its manifest", err)
	dir := t.TempDir()
	files := map[string][]byte{"config.json": config, "layer.tar": layer.Bytes(), "manifest.json": manifest}
	for name, data := range files {
		must(t, "write "+name, os.WriteFile(filepath.Join(dir, name), data, 0o644))
	}
	var archive bytes.Buffer
	w = tar.NewWriter(&archive)
	must(t, "pack the image", w.AddFS(os.DirFS(dir)))
	must(t, "end the image", w.Close())
	must(t, "write the image", os.WriteFile(path, archive.Bytes(), 0o644))
}
