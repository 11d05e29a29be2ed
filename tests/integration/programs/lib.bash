# What the tests of the programs share. A test sources this file with the programs' folder as its first argument, in a working folder
# of its own; every process that it started is ended by its own id when it leaves.
set -euo pipefail
shopt -s inherit_errexit

bin=$(cd "$1" && pwd)
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
started=()

leave() {
  local code=$? pid
  for pid in "${started[@]}"; do kill -TERM "$pid" 2> /dev/null || true; done
  for pid in "${started[@]}"; do
    timeout 15 tail --pid="$pid" -f /dev/null || kill -KILL "$pid" 2> /dev/null || true
  done
  wait 2> /dev/null || true
  if [ "$code" -eq 0 ]; then rm -rf "$work"; else echo "failed with $code; output is in $work" >&2; fi
  exit "$code"
}
trap leave EXIT
trap 'exit 130' INT TERM
cd "$work"

die() { echo "FAILED: $*" >&2; exit 1; }

# run_in_background FILE COMMAND...: its output goes to FILE, its process id into $last_pid.
run_in_background() {
  local file=$1
  shift
  # Else whoever waits for a word may find it of an earlier run, before the new process empties the files.
  : > "$file"
  : > "$file.err"
  "$@" > "$file" 2> "$file.err" &
  last_pid=$!
  started+=("$last_pid")
}

# wait_for SECONDS COMMAND...: until it succeeds.
wait_for() {
  local end=$((SECONDS + $1))
  shift
  until "$@" > /dev/null 2>&1; do
    [ $SECONDS -lt $end ] || die "not within the time: $*"
    sleep 0.05
  done
}

# free_ports N: the first of N neighbouring ports that nothing listens at, below the range of outgoing connections.
free_ports() {
  local count=$1 first port taken try
  for try in $(seq 200); do
    first=$((10000 + (RANDOM % 20000)))
    taken=no
    for port in $(seq "$first" $((first + count - 1))); do
      if (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null; then taken=yes; fi
    done
    if [ "$taken" = no ]; then echo "$first"; return; fi
  done
  die "no free ports after $try tries"
}

# expect_refusal PATTERN COMMAND...: exit code 2, nothing on standard output, and one sentence on standard error that matches.
expect_refusal() {
  local pattern=$1 code=0
  shift
  timeout 60 "$@" > refusal.out 2> refusal.err || code=$?
  [ "$code" -eq 2 ] || die "exit code $code instead of 2: $* ($(head -c 500 refusal.err))"
  [ "$(wc -l < refusal.err)" -eq 1 ] || die "not one line on standard error: $*: $(cat refusal.err)"
  grep -Eq -- "$pattern" refusal.err || die "'$(cat refusal.err)' does not match '$pattern': $*"
}

# json FILE EXPRESSION...: see json_check.cpp.
json() { "$bin/json_check" "$@" || die "$*: $(head -c 2000 "$1")"; }

# picture FILE SEED: a small BMP, 16 by 8.
picture() {
  {
    printf 'BM\xb6\x01\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x10\0\0\0\x08\0\0\0\x01\0\x18\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0'
    local i
    for i in $(seq 384); do printf "\\x$(printf '%02x' $(((i * $2) % 256)))"; done
  } > "$1"
}
