# shellcheck shell=bash
# Waiting for a part of the cluster, with an end.

# wait_for SECONDS WHAT LOG COMMAND…: tries the command until it succeeds. When the time is over, says what did not come,
# where its log is and how that ends.
wait_for() {
  local seconds=$1 what=$2 log=$3 deadline=$((SECONDS + $1))
  shift 3
  until "$@" >/dev/null 2>&1; do
    if [ "$SECONDS" -ge "$deadline" ]; then
      say "$what: not within $seconds s. Read $log, which ends:"
      tail -n 15 "$log" >&2 || true
      return 1
    fi
    sleep 0.5
  done
}
