# shellcheck shell=bash
# Container images FROM scratch around one static program: no registry is needed, neither for a base nor to keep them.

# make_image NAME PROGRAM…: an archive of the image in $IMAGES, whose path is printed. The programs are in its root; the first
# is its entry point. Nothing is done when no program has changed since.
make_image() {
  local name=$1 archive container storage program fresh=1
  shift
  archive=$IMAGES/$(basename "${name%:*}").tar
  for program in "$@"; do
    [ "$archive" -nt "$program" ] || fresh=0
  done
  if [ "$fresh" = 0 ]; then
    storage=$(mktemp -d)
    mkdir -p "$IMAGES"
    # Storage of its own, so that nothing is left in the user's.
    image_builder() { buildah --root "$storage/root" --runroot "$storage/run" --storage-driver vfs "$@"; }
    container=$(image_builder from scratch)
    image_builder copy --quiet "$container" "$@" / >/dev/null
    image_builder config --entrypoint "[\"/$(basename "$1")\"]" --cmd '' --user 65532:65532 "$container"
    image_builder commit --quiet "$container" "$name" >/dev/null
    rm -f "$archive.new"
    image_builder push --quiet "$name" "docker-archive:$archive.new:$name" >/dev/null
    image_builder rm "$container" >/dev/null
    rm -rf "$storage"
    mv "$archive.new" "$archive"
  fi
  echo "$archive"
}

# load_image NODE ARCHIVE: into the node's containerd, under the names that the archive gives.
load_image() {
  in_machine "$1" ctr --namespace k8s.io images import - <"$2"
}
