# shellcheck shell=bash
# Waiting for a part of the cluster, with an end.

# wait_for SECONDS WHAT MACHINE/COMPONENT COMMAND…: tries the command until it succeeds. When the time is over, says what did
# not come, and how the log of the component ends that is most likely to tell why.
wait_for() {
  local seconds=$1 what=$2 component=$3 deadline=$((SECONDS + $1))
  shift 3
  until "$@" >/dev/null 2>&1; do
    if [ "$SECONDS" -ge "$deadline" ]; then
      say "$what: not within $seconds s. Read the log $component.log, which ends:"
      tail -n 15 "$STATE/machines/${component%/*}/log/${component#*/}.log" >&2 || true
      return 1
    fi
    sleep 0.5
  done
}
