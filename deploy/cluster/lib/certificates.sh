# shellcheck shell=bash
# The cluster's certificate authorities, certificates and kubeconfig files, all under $PKI and gone with the cluster.

make_key() {
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$PKI/$1.key" 2>/dev/null
}

make_authority() {
  make_key "$1"
  openssl req -x509 -new -key "$PKI/$1.key" -subj "/CN=$2" -days 3650 -out "$PKI/$1.crt"
}

# make_certificate NAME AUTHORITY SUBJECT [SUBJECT_ALT_NAMES]
make_certificate() {
  local name=$1 authority=$2 subject=$3 names=${4:-} extensions
  extensions=$'keyUsage=digitalSignature\nextendedKeyUsage=serverAuth,clientAuth'
  [ -z "$names" ] || extensions+=$'\n'"subjectAltName=$names"
  make_key "$name"
  openssl req -new -key "$PKI/$name.key" -subj "$subject" |
    openssl x509 -req -CA "$PKI/$authority.crt" -CAkey "$PKI/$authority.key" -set_serial "0x$(openssl rand -hex 8)" -days 3650 \
      -extfile <(printf '%s\n' "$extensions") -out "$PKI/$name.crt" 2>/dev/null
}

# make_kubeconfig FILE CERTIFICATE
make_kubeconfig() {
  cat >"$1" <<YAML
apiVersion: v1
kind: Config
clusters:
- name: ringmaster
  cluster: {server: "$API_SERVER", certificate-authority: "$PKI/ca.crt"}
users:
- name: $2
  user: {client-certificate: "$PKI/$2.crt", client-key: "$PKI/$2.key"}
contexts:
- name: ringmaster
  context: {cluster: ringmaster, user: $2}
current-context: ringmaster
YAML
  chmod 600 "$1"
}

make_certificates() {
  local node
  (umask 077 && mkdir -p "$PKI")
  make_authority ca ringmaster-cluster
  # An authority of its own, for whoever holds one of its certificates may call the API in anybody's name.
  make_authority front-proxy-ca ringmaster-cluster-front-proxy
  make_key service-accounts
  openssl pkey -in "$PKI/service-accounts.key" -pubout -out "$PKI/service-accounts.pub"

  make_certificate kube-apiserver ca /CN=kube-apiserver \
    "IP:$CONTROL_ADDRESS,IP:127.0.0.1,IP:$SERVICES.0.1,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.$CLUSTER_DOMAIN"
  make_certificate kubelet-client ca /O=system:masters/CN=kube-apiserver-kubelet-client
  make_certificate front-proxy-client front-proxy-ca /CN=front-proxy-client
  make_certificate admin ca /O=system:masters/CN=admin
  make_certificate kube-controller-manager ca /CN=system:kube-controller-manager
  make_certificate kube-scheduler ca /CN=system:kube-scheduler
  make_certificate kube-proxy ca /CN=system:kube-proxy
  for node in $(nodes); do
    make_certificate "$node" ca "/O=system:nodes/CN=system:node:$node" "DNS:$node,IP:$(machine_address "$node")"
  done

  make_kubeconfig "$KUBECONFIG_ADMIN" admin
  for name in kube-controller-manager kube-scheduler kube-proxy $(nodes); do
    make_kubeconfig "$PKI/$name.kubeconfig" "$name"
  done
}
