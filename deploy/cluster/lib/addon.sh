# shellcheck shell=bash
# Programs that run in the cluster and come as a Go module with their own manifests.

kubectl() {
  "$BIN/kubectl" --kubeconfig "$KUBECONFIG_ADMIN" "$@"
}

# module_folder BINARIES MODULE: where the Go module's files are.
module_folder() {
  go list -C "$HERE/binaries/$1" -mod=mod -m -f '{{.Dir}}' "$2"
}

# load_program IMAGE PROGRAM: into every node that runs.
load_program() {
  local archive node
  archive=$(make_image "$1" "$BIN/$2")
  for node in $(nodes); do
    [ -z "$(machine_pid "$node")" ] || load_image "$node" "$archive" >/dev/null
  done
}

# apply_kustomization FOLDER: with a kustomization on standard input that finds the folder's files under base/.
apply_kustomization() {
  local work
  work=$(mktemp -d)
  cp -r "$1" "$work/base"
  cat >"$work/kustomization.yaml"
  # On the server's side, for a big definition does not fit into the annotation that the client's side keeps.
  kubectl apply --server-side --force-conflicts -k "$work" >/dev/null
  rm -rf "$work"
}
