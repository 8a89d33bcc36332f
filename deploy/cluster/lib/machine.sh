# shellcheck shell=bash
# A machine is a set of namespaces (network, mounts, processes, host name, cgroups) on this host. Its first process is
# `init/<role>`; when that is killed the kernel kills every process in it, containers included, which is what losing a
# machine is like. Its disk is $STATE/machines/<name>, and outlives it until `down`.

machine_folder() {
  echo "$STATE/machines/$1"
}

# The process id of a machine's init as the host counts, or nothing when the machine is not running.
machine_pid() {
  local record pid began
  record=$(machine_folder "$1")/pid
  [ -f "$record" ] || return 0
  read -r pid began <"$record"
  # The start time tells our process from another that got the same number later.
  [ "$(process_start "$pid")" != "$began" ] || echo "$pid"
}

# When a process began, in clock ticks since boot. The name in the second field may hold blanks: it is cut off first.
process_start() {
  local stat
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
  # shellcheck disable=SC2086
  set -- ${stat##*) }
  echo "${20}"
}

# The mount points of all cgroup v1 hierarchies.
cgroup_hierarchies() {
  awk '$3 == "cgroup" { print $2 }' /proc/self/mounts
}

make_cgroups() {
  local hierarchy
  for hierarchy in $(cgroup_hierarchies); do
    mkdir -p "$hierarchy/$CGROUP/$1"
    [ -f "$hierarchy/cpuset.cpus" ] || continue
    # A new cpuset is empty and takes no process until it is told its processors and memory.
    for part in "$hierarchy/$CGROUP" "$hierarchy/$CGROUP/$1"; do
      cat "$hierarchy/cpuset.cpus" >"$part/cpuset.cpus"
      cat "$hierarchy/cpuset.mems" >"$part/cpuset.mems"
    done
  done
}

# A cgroup is busy for a moment after its last process was killed.
remove_cgroups() {
  local hierarchy deadline=$((SECONDS + 10))
  for hierarchy in $(cgroup_hierarchies); do
    while [ -d "$hierarchy/$1" ]; do
      find "$hierarchy/$1" -depth -type d -exec rmdir {} + 2>/dev/null || true
      [ -d "$hierarchy/$1" ] || break
      [ "$SECONDS" -lt "$deadline" ] || fail "The cgroup $hierarchy/$1 still holds processes: $(find "$hierarchy/$1" -name cgroup.procs -exec cat {} + | tr '\n' ' ')."
      sleep 0.1
    done
  done
}

start_machine() {
  local name=$1 folder hierarchy
  folder=$(machine_folder "$name")
  mkdir -p "$folder/log"
  add_machine_to_network "$name"
  make_cgroups "$name"
  (
    for hierarchy in $(cgroup_hierarchies); do
      echo "$BASHPID" >"$hierarchy/$CGROUP/$name/cgroup.procs"
    done
    cd /
    # In a session of its own, so that the end of a terminal does not end the cluster. The child of unshare is init.
    exec setsid nsenter --net="/run/netns/$PREFIX-$name" \
      unshare --mount --propagation private --pid --mount-proc --fork --kill-child --uts --ipc --cgroup \
      "$HERE/init/${name%%-*}" "$name" </dev/null >"$folder/log/init.log" 2>&1
  ) &
  record_machine "$name" $!
}

# record_machine NAME PROCESS: the process becomes unshare, whose only child is the init.
record_machine() {
  local name=$1 parent=$2 pid='' command='' deadline=$((SECONDS + 10))
  until [ -n "$pid" ]; do
    if [ ! -d "/proc/$parent" ] || [ "$SECONDS" -ge "$deadline" ]; then
      fail "The machine $name did not start: read $(machine_folder "$name")/log/init.log."
    fi
    sleep 0.05
    # Before that it is a shell with short-lived children of its own.
    { read -r command <"/proc/$parent/comm"; } 2>/dev/null || true
    [ "$command" != unshare ] || read -r pid <"/proc/$parent/task/$parent/children" || true
  done
  echo "$pid $(process_start "$pid")" >"$(machine_folder "$name")/pid"
}

# Kills a machine as a power cut does. Returns when nothing of it is left but its disk.
kill_machine() {
  local name=$1 pid
  pid=$(machine_pid "$name")
  if [ -n "$pid" ]; then
    kill -KILL "$pid"
    # Init goes last: the kernel reaps it when every other process of its namespace is gone.
    while [ -n "$(machine_pid "$name")" ]; do sleep 0.05; done
  fi
  rm -f "$(machine_folder "$name")/pid"
  remove_machine_from_network "$name"
  remove_cgroups "$CGROUP/$name"
}

# Runs a command inside of a machine.
in_machine() {
  local name=$1 pid
  shift
  pid=$(machine_pid "$name")
  [ -n "$pid" ] || fail "The machine $name is not running."
  nsenter --target "$pid" --mount --net --pid --uts --ipc --cgroup -- "$@"
}

machines() {
  [ ! -d "$STATE/machines" ] || ls "$STATE/machines"
}

nodes() {
  machines | grep '^node-' || true
}
