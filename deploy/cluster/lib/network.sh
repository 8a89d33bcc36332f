# shellcheck shell=bash
# One bridge on the host, one network namespace a machine. Of the host's own network nothing is touched: no firewall rule, no
# forwarding, no route but those through the bridge. No machine has a default route, so nothing in the cluster can reach the
# outside.

make_bridge() {
  local node
  ip link add "$PREFIX" type bridge
  ip address add "$HOST_ADDRESS/24" dev "$PREFIX"
  ip link set "$PREFIX" up
  # A load generator on the host can reach pods and Services; and nothing meant for them leaves by the host's default route.
  for node in $(nodes); do
    ip route add "$(pod_subnet "$node")" via "$(machine_address "$node")"
  done
  ip route add "$SERVICES.0.0/16" via "$(machine_address node-1)"
}

remove_bridge() {
  ip link delete "$PREFIX" 2>/dev/null || true
}

# Interface names have 15 letters at most: rmc-control, rmc-node-12.
bridge_port() {
  echo "rmc-$1"
}

add_machine_to_network() {
  local name=$1 namespace=$PREFIX-$1 port other
  port=$(bridge_port "$name")
  ip netns add "$namespace"
  ip link add "$port" type veth peer name eth0 netns "$namespace"
  ip link set "$port" master "$PREFIX" up
  ip -n "$namespace" link set lo up
  ip -n "$namespace" link set eth0 up
  ip -n "$namespace" address add "$(machine_address "$name")/24" dev eth0
  # A Service's address is nobody's: a route must be there for kube-proxy to see a packet of the node itself, or to refuse one.
  ip -n "$namespace" route add "$SERVICES.0.0/16" dev eth0
  for other in $(nodes); do
    [ "$other" = "$name" ] || ip -n "$namespace" route add "$(pod_subnet "$other")" via "$(machine_address "$other")"
  done
}

remove_machine_from_network() {
  # The veth pair is named as well: the kernel takes a namespace down some time after its name is gone.
  ip link delete "$(bridge_port "$1")" 2>/dev/null || true
  ip netns delete "$PREFIX-$1" 2>/dev/null || true
}
