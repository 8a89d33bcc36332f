# shellcheck shell=bash
# What the scripts tell their user.

say() {
  printf '%s\n' "$*" >&2
}

# Ends the script with a sentence that says what would be right.
fail() {
  say "$*"
  exit 1
}
