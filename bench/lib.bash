# What the side_by_side scripts share: options, servers that are started and stopped, figures, medians and ratios. A script defines usage,
# sources this file, sets the defaults of its own options, and calls parse_arguments and begin.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$root/build/release
script=$(basename "$0")
out='' data='' skip=''
files=''  # the folder that is removed in the end

die() { echo "$script: $1" >&2; exit 2; }

# parse_arguments "NAME..." ARGUMENT...: each --NAME VALUE into the variable of that name, with '_' for '-'.
parse_arguments() {
  local names=" $1 " name
  shift
  while [ $# -gt 0 ]; do
    if [ "$1" = --help ]; then usage; exit 0; fi
    name=${1#--}
    [[ "$1" == --?* && "$names" == *" $name "* ]] || die "unknown option $1; --help shows them"
    [ $# -ge 2 ] || die "$1 needs a value"
    declare -g "${name//-/_}=$2"
    shift 2
  done
}

# begin OUT PROGRAM...: programs of this build are there; raw output goes to $out (unless that is set, bench-out/OUT in the build directory);
# servers keep their files in a new folder of $data (unless that is set, of that for temporary files), which is $data from then on. In the
# end it is removed, and every process that `run` has started is stopped.
begin() {
  local program
  bin=$build/bin
  : "${out:=$build/bench-out/$1}"
  for program in "${@:2}"; do [ -x "$bin/$program" ] || die "$bin/$program is not built"; done
  mkdir -p "$out" "${data:=${TMPDIR:-/tmp}}"
  out=$(cd "$out" && pwd)
  files=$(mktemp -d "$data/$script.XXXXXX")
  data=$files
  : > "$out/figures.txt"
}

# with NAME PROGRAM...: is it wanted (not in --skip), and here?
with() {
  local name=$1 program
  shift
  [[ ",$skip," != *",$name,"* ]] || return 1
  for program in "$@"; do
    command -v "$program" > /dev/null || { echo "$name is left out: $program is missing (scripts/setup --bench installs it)"; return 1; }
  done
}

pids=()
leave() {
  local code=$? pid
  for pid in "${pids[@]}"; do kill "$pid" 2> /dev/null || true; done
  for pid in "${pids[@]}"; do
    timeout 20 tail --pid="$pid" -f /dev/null || kill -KILL "$pid" 2> /dev/null || true
  done
  wait 2> /dev/null || true
  [ -z "$files" ] || rm -rf "$files"
  exit "$code"
}
trap leave EXIT
trap 'exit 130' INT TERM

# Before the command of a server, and of a load generator: nothing, or taskset and its arguments.
on_server_core=() on_generator_core=()

run() { # run NAME COMMAND...: in the background, output to NAME.log
  "${on_server_core[@]}" "${@:2}" > "$out/$1.log" 2>&1 &
  pids+=($!)
}
wait_for() { # wait_for WHAT COMMAND...
  local what=$1 end=$((SECONDS + 30))
  shift
  until "$@" > /dev/null 2>&1; do
    [ $SECONDS -lt $end ] || die "$what did not answer within 30 s; see $out"
    sleep 0.1
  done
}
next_port=17000
free_port() { # a port that nothing listens at, not in the kernel's range of outgoing connections, into $port
  for port in $(seq "$next_port" $((next_port + 400))); do
    next_port=$((port + 1))
    (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null || return 0
  done
  die "no free ports"
}

start_distri() { # start_distri NAME COUNT OPTION...: its addresses into $nodes; {i} in an option becomes the node's number
  local name=$1 count=$2 i others
  local -a addresses=() list
  shift 2
  for i in $(seq "$count"); do free_port; addresses+=("127.0.0.1:$port"); done
  nodes=$(IFS=,; echo "${addresses[*]}")
  for i in $(seq "$count"); do
    list=("${addresses[$((i - 1))]}")
    for others in "${addresses[@]}"; do [ "$others" = "${list[0]}" ] || list+=("$others"); done
    run "$name-$i" "$bin/distri-example" --mode server --ips "$(IFS=,; echo "${list[*]}")" "${@//\{i\}/$i}"
  done
  for i in "${addresses[@]}"; do wait_for "$name at $i" "$bin/distri-example" --mode client --report --ips "$i"; done
}

start_redis() { # start_redis OPTION...: into $redis_port
  free_port
  redis_port=$port
  mkdir "$data/redis"
  run redis redis-server --port "$redis_port" --bind 127.0.0.1 --save '' --daemonize no --dir "$data/redis" "$@"
  wait_for Redis redis-cli -p "$redis_port" ping
}

# figures.txt: lines of "name rate p50 p99 p99.9 share", requests a second, microseconds, and the generator's share of a core; null: not known.
json_number() { sed -n "s/.*\"$2\": *\([0-9.e+-]*\).*/\1/p" "$1" | head -n 1; }
note() { # note NAME JSON: figures that one of our load generators has written
  echo "$1 $(json_number "$2" ops_per_s) $(json_number "$2" p50) $(json_number "$2" p99) $(json_number "$2" p999) $(json_number "$2" client_cpu_share)" \
    >> "$out/figures.txt"
}
# load NAME ROUND PROGRAM ARGUMENT...: one measurement.
load() {
  local name=$1 raw=$out/$1-$2
  "${on_generator_core[@]}" "$bin/$3" "${@:4}" --json "$raw.json" > "$raw.log" 2>&1 || die "$name failed: $(tail -n 1 "$raw.log")"
  note "$name" "$raw.json"
}
# load_redis NAME ROUND OPERATION ARGUMENT...: one measurement by redis-benchmark.
load_redis() {
  local raw=$out/$1-$2.csv
  "${on_generator_core[@]}" redis-benchmark -p "$redis_port" -t "${3,,}" "${@:4}" --csv > "$raw" 2> "${raw%.csv}.log" || die "$1 failed"
  awk -F, -v name="$1" -v operation="$3" '{gsub(/"/, "")} $1 == operation {print name, $2, $5 * 1000, $7 * 1000, "null", "null"}' \
    "$raw" >> "$out/figures.txt"
}

median() { # median NAME COLUMN
  awk -v name="$1" -v column="$2" '$1 == name && $column != "null" {print $column}' "$out/figures.txt" | sort -g |
    awk '{v[NR] = $1} END {if (NR == 0) {print "null"; exit} print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'
}
ratio() { awk -v a="$1" -v b="$2" 'BEGIN {if (b > 0) printf "%.2f", a / b; else printf "null"}'; }
best() { # best COLUMN DIRECTION NAME...: the best median; DIRECTION r: the highest, '': the lowest
  local column=$1 direction=$2 name
  shift 2
  for name in "$@"; do median "$name" "$column"; done | sort "-g$direction" | head -n 1
}

# print_figures UNIT NAME...: a table of medians, and the same as JSON objects, separated by commas, in $results
print_figures() {
  local name rate p50 p99 p999 cpu unit=$1
  shift
  results=''
  printf '%-32s %10s %9s %9s %9s %10s\n' '' "$unit" p50 p99 p99.9 generator
  for name in "$@"; do
    rate=$(median "$name" 2) p50=$(median "$name" 3) p99=$(median "$name" 4) p999=$(median "$name" 5) cpu=$(median "$name" 6)
    printf '%-32s %10.0f %9.0f %9.0f %9s %10s\n' "$name" "$rate" "$p50" "$p99" "${p999/null/-}" \
      "$(awk -v c="$cpu" 'BEGIN {print c == "null" ? "-" : sprintf("%.0f%%", 100 * c)}')"
    results+="${results:+,}
  {\"name\": \"$name\", \"per_s\": $rate, \"p50_us\": $p50, \"p99_us\": $p99, \"p999_us\": $p999, \"generator_cpu_share\": $cpu}"
  done
}
