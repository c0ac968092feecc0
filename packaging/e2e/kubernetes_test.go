// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// daemonSet builds a kustomization of the archive; it is nothing but a DaemonSet, and has no key that there is not.
func daemonSet(t *testing.T, r release, name string) apps.DaemonSet {
	t.Helper()
	var set apps.DaemonSet
	kustomize(t, filepath.Join(r.tree, "kubernetes", name), map[string]any{"DaemonSet": &set})
	return set
}

// kustomize builds a kustomization, and reads its resources by their kinds, one of each.
func kustomize(t *testing.T, dir string, into map[string]any) {
	t.Helper()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	must(t, "kustomize build", err)
	if built.Size() != len(into) {
		t.Errorf("%s has %d resources, want %d", dir, built.Size(), len(into))
	}
	for _, resource := range built.Resources() {
		text, err := resource.AsYAML()
		must(t, "write the resource", err)
		if err := yaml.UnmarshalStrict(text, into[resource.GetKind()]); err != nil {
			t.Fatalf("%s: %v\n%s", dir, err, text)
		}
	}
}

// TestPageKustomization: the kustomization that docs/installing.md tells to write has its image in both containers, and
// its conflists where the pod reads them.
func TestPageKustomization(t *testing.T) {
	first, _, _ := made(t)
	_, text, _ := strings.Cut(string(read(t, first.tree, "docs/installing.md")), "```yaml\n")
	text, _, found := strings.Cut(text, "```\n")
	if !found {
		t.Fatal("there is none on the page")
	}
	dir := t.TempDir()
	must(t, "write it", os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o600))
	run(t, "cp", "-r", first.tree, filepath.Join(dir, "cni-chain-VERSION-linux-amd64"))
	run(t, "cp", filepath.Join(first.tree, "conflists/bridge.conflist"), filepath.Join(dir, "podnet.conflist"))
	var set apps.DaemonSet
	var conflists core.ConfigMap
	kustomize(t, dir, map[string]any{"DaemonSet": &set, "ConfigMap": &conflists})
	pod := set.Spec.Template.Spec
	for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
		if c.Image != "registry.example/cni-chain:VERSION" {
			t.Errorf("%s is of the image %s", c.Name, c.Image)
		}
	}
	volumes := pod.Volumes[slices.IndexFunc(pod.Volumes, func(v core.Volume) bool { return v.ConfigMap != nil }):]
	if volumes[0].ConfigMap.Name != conflists.Name || conflists.Data["podnet.conflist"] == "" {
		t.Errorf("the pod mounts %s, the conflists are in %s", volumes[0].ConfigMap.Name, conflists.Name)
	}
}

// TestDaemonSet: the pod has the least privileges, and the variants differ in nothing but what they are for.
func TestDaemonSet(t *testing.T) {
	first, _, _ := made(t)
	base := daemonSet(t, first, "base")
	pod := base.Spec.Template.Spec
	if pod.HostNetwork || pod.HostPID || pod.HostIPC || pod.ServiceAccountName != "" || *pod.AutomountServiceAccountToken {
		t.Error("the pod has more of the host or the cluster than its directories")
	}
	if pod.SecurityContext.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault {
		t.Error("no seccomp profile")
	}
	var paths []string
	for _, v := range pod.Volumes {
		if v.HostPath != nil {
			paths = append(paths, v.HostPath.Path)
		}
	}
	if diff := cmp.Diff([]string{"/opt/cni/bin", "/etc/cni/net.d"}, paths); diff != "" {
		t.Errorf("it mounts of the host:\n%s", diff)
	}
	for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
		confined(t, c)
	}
	stay := pod.Containers[0]
	if len(stay.VolumeMounts) > 0 || !*stay.SecurityContext.RunAsNonRoot || len(pod.Containers) != 1 {
		t.Error("the container that stays is not without everything")
	}
	everywhere := []core.Toleration{{Operator: core.TolerationOpExists}}
	if diff := cmp.Diff(everywhere, pod.Tolerations); diff != "" || pod.PriorityClassName != "system-node-critical" {
		t.Errorf("it does not run on every node: priority %q, tolerations\n%s", pod.PriorityClassName, diff)
	}
	if base.Namespace != "kube-system" || base.Spec.UpdateStrategy.Type != apps.RollingUpdateDaemonSetStrategyType {
		t.Errorf("namespace %s, update strategy %s", base.Namespace, base.Spec.UpdateStrategy.Type)
	}
	if !cmp.Equal(base.Spec.Selector.MatchLabels, base.Spec.Template.Labels) {
		t.Error("the selector does not select the pods")
	}
	firstNetwork, uninstall := daemonSet(t, first, "first-network"), daemonSet(t, first, "uninstall")
	if !firstNetwork.Spec.Template.Spec.HostNetwork {
		t.Error("first-network is not on the host's network")
	}
	firstNetwork.Spec.Template.Spec.HostNetwork = false
	uninstall.Spec.Template.Spec.InitContainers[0].Args = pod.InitContainers[0].Args
	for name, variant := range map[string]apps.DaemonSet{"first-network": firstNetwork, "uninstall": uninstall} {
		if diff := cmp.Diff(base, variant); diff != "" {
			t.Errorf("%s differs otherwise:\n%s", name, diff)
		}
	}
}

func confined(t *testing.T, c core.Container) {
	t.Helper()
	s := c.SecurityContext
	if *s.Privileged || *s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem || s.RunAsUser == nil {
		t.Errorf("%s is not confined: %+v", c.Name, s)
	}
	if diff := cmp.Diff(&core.Capabilities{Drop: []core.Capability{"ALL"}}, s.Capabilities); diff != "" {
		t.Errorf("%s has capabilities:\n%s", c.Name, diff)
	}
	if c.Resources.Limits.Memory().IsZero() || len(c.Command) > 0 {
		t.Errorf("%s has no limit, or not the image's own program", c.Name)
	}
}
