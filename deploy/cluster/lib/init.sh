# shellcheck shell=bash
# What the first process of every machine does: makes the machine's own view of the host, then keeps programs running.

# Only in this machine's mount namespace.
make_view() {
  local folder=$1 hierarchies hierarchy

  hierarchies=$(awk '$3 == "cgroup" { print $2, $4 }' /proc/self/mounts)
  # sysfs shows the devices of the network namespace that mounts it; a cgroup mount starts at this machine's own cgroup.
  mount -t sysfs sysfs /sys
  mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
  while read -r hierarchy options; do
    mkdir -p "$hierarchy"
    case $options in
      *name=*) mount -t cgroup -o "none,name=${options##*name=}" cgroup "$hierarchy" ;;
      *) mount -t cgroup -o "${options##*,}" cgroup "$hierarchy" ;;
    esac
  done <<<"$hierarchies"

  # What is lost when a machine stops, sockets and the namespaces of pods among it, is in /run; the rest is on its disk.
  mount -t tmpfs -o mode=755 run /run
  mkdir -p /run/netns "$folder/lib" "$folder/log"
  mount --bind "$folder/lib" /var/lib
  mount --bind "$folder/log" /var/log
  mount --make-rshared /
}

# Shows a kernel setting with another value than it has. For settings of the whole host that a program insists on.
pretend() {
  local file
  file=/run/pretended/$1
  mkdir -p "$(dirname "$file")"
  echo "$2" >"$file"
  mount --bind "$file" "/proc/sys/$1"
}

# Runs a program in the background, and again whenever it ends, as a service manager would.
keep_running() {
  local name=$1
  shift
  (
    while :; do
      status=0
      "$@" >>"/var/log/$name.log" 2>&1 || status=$?
      echo "$name ended with status $status; it is started again" >>"/var/log/$name.log"
      sleep 1
    done
  ) &
}
