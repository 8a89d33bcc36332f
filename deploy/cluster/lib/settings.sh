# shellcheck shell=bash disable=SC2034
# Where the cluster lives and how its parts are called and numbered.

CACHE=${RM_CLUSTER_CACHE:-$HOME/.cache/ringmaster-cluster}
BIN=$CACHE/bin
IMAGES=$CACHE/images

# Everything of one running cluster is in here; `down` takes it away.
STATE=${RM_CLUSTER_STATE:-${TMPDIR:-/tmp}/ringmaster-cluster}
PKI=$STATE/pki
KUBECONFIG_ADMIN=$STATE/admin.kubeconfig

# Interfaces, network namespaces and cgroups carry this name, so that `down` can find what is ours.
PREFIX=rm-cluster
CGROUP=ringmaster-cluster

# Machines are at NET.x: the host itself at .1, the control plane at .10, node N at .(10 + N).
NET=10.77.0
PODS=10.78
SERVICES=10.79
HOST_ADDRESS=$NET.1
CONTROL_ADDRESS=$NET.10
API_SERVER=https://$CONTROL_ADDRESS:6443
CLUSTER_DOMAIN=cluster.local
CLUSTER_DNS=$SERVICES.0.10

PAUSE_IMAGE=localhost/ringmaster-cluster/pause:1
COREDNS_IMAGE=localhost/ringmaster-cluster/coredns:1

# For trying the cluster out: a shell and an HTTP server in one static program.
BUSYBOX=/bin/busybox
BUSYBOX_IMAGE=localhost/ringmaster-cluster/busybox:1

# Folders of each node's disk, /var/lib/volumes/<number>, that are offered as persistent volumes.
VOLUMES_PER_NODE=12

machine_address() {
  case $1 in
    control) echo "$CONTROL_ADDRESS" ;;
    node-*) echo "$NET.$((10 + ${1#node-}))" ;;
  esac
}

# The pods of node N are at PODS.N.0/24.
pod_subnet() {
  echo "$PODS.${1#node-}.0/24"
}
