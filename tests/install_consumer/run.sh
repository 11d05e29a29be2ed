#!/bin/bash
# run.sh BUILD_DIR CMAKE CXX BUILD_TYPE: installs the build into a temporary prefix, then builds and runs consumer/ against it twice:
# through find_package(distri) and through pkg-config.
set -euo pipefail
build=$1 cmake=$2 cxx=$3 build_type=$4
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
launcher=$(command -v ccache || true)

echo "-- install into a temporary prefix"
"$cmake" --install "$build" --prefix "$work/prefix" >"$work/install.log" || { cat "$work/install.log"; exit 1; }
if find "$work/prefix" -type l -print | grep . || grep -rlF -e "$build" "$work/prefix" --include='*.cmake' --include='*.pc'; then
  echo "the files above are links or name the build tree: the installed package would break without it"
  exit 1
fi

echo "-- find_package(distri)"
"$cmake" -S "$here/consumer" -B "$work/build" -G Ninja -DCMAKE_PREFIX_PATH="$work/prefix" -DCMAKE_CXX_COMPILER="$cxx" \
  -DCMAKE_CXX_COMPILER_LAUNCHER="$launcher" -DCMAKE_BUILD_TYPE="$build_type" >"$work/configure.log" 2>&1 ||
  { cat "$work/configure.log"; exit 1; }
"$cmake" --build "$work/build"
"$work/build/consumer"

echo "-- pkg-config"
pc=$(find "$work/prefix" -name distri.pc)
export PKG_CONFIG_PATH=${pc%/*}
# shellcheck disable=SC2046  # the flags are many words
$launcher "$cxx" $(pkg-config --cflags distri) -c "$here/consumer/main.cpp" -o "$work/main.o"
# shellcheck disable=SC2046
"$cxx" "$work/main.o" -o "$work/consumer" $(pkg-config --libs --static distri)
"$work/consumer"

for program in distri-example distri-bench; do
  if [[ -x $build/bin/$program ]]; then
    echo "-- installed $program starts"
    "$work/prefix/bin/$program" --help >/dev/null
  fi
done
