// SPDX-FileCopyrightText: The cni-chain authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"path/filepath"
	"slices"
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
	dir := filepath.Join(r.tree, "kubernetes", name)
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if resources.Size() != 1 {
		t.Fatalf("%s has %d resources", name, resources.Size())
	}
	text, err := resources.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	var set apps.DaemonSet
	if err := yaml.UnmarshalStrict(text, &set); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, text)
	}
	return set
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
