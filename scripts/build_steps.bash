# build_steps.bash: configure and build, as scripts/test and scripts/demo do it. Sourced in the top folder, with $logs set.

# One compiler per core, as long as each has 1.5 GB of memory.
build_jobs() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/^MemAvailable:/ { print int($2 / 1500000) }' /proc/meminfo 2>/dev/null)
  memory=${memory:-1}
  ((memory >= 1)) || memory=1
  echo $((memory < cores ? memory : cores))
}

# Else ccache does not keep what was compiled with a precompiled header. No source of ours says when it was compiled.
export CCACHE_SLOPPINESS=${CCACHE_SLOPPINESS:-pch_defines,time_macros}

# configure PRESET
configure() {
  local launcher=
  echo "configuring $1"
  if command -v ccache >/dev/null; then launcher=ccache; fi
  if ! cmake --preset "$1" -DCMAKE_CXX_COMPILER_LAUNCHER="$launcher" >"$logs/$1.configure.log" 2>&1; then
    tail -n 40 "$logs/$1.configure.log"
    echo "configuring $1 FAILED; the whole output is in $logs/$1.configure.log"
    return 1
  fi
}

# Of ninja's output, shows how far it is: on a terminal in one line that moves, elsewhere about every tenth of the way.
build_progress() {
  local line done total shown=0 tenth
  while IFS= read -r line; do
    [[ $line =~ ^\[([0-9]+)/([0-9]+)\] ]] || continue
    done=${BASH_REMATCH[1]} total=${BASH_REMATCH[2]}
    if [[ -t 1 ]]; then
      printf '\r  %d of %d steps' "$done" "$total"
    else
      tenth=$((10 * done / total))
      if ((tenth > shown)); then echo "  $done of $total steps" && shown=$tenth; fi
    fi
  done
  [[ ! -t 1 ]] || printf '\r%40s\r' ''
}

# build PRESET TARGET...: shows all errors, not only the first.
build() {
  local preset=$1 log=$logs/$1.build.log start=$SECONDS
  shift
  echo "building $preset: $*"
  if ! cmake --build "build/$preset" -j "${DISTRI_JOBS:-$(build_jobs)}" --target "$@" -- -k 0 2>&1 | tee "$log" | build_progress; then
    grep -vE '^\[[0-9]+/[0-9]+\] (Building|Linking)' "$log" | head -n 200
    echo "building $preset FAILED; the whole output is in $log"
    return 1
  fi
  echo "built $preset in $((SECONDS - start)) s"
}
