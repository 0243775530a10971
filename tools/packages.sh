#!/usr/bin/env bash
# The one list of Debian packages, and how to install those that are missing. To be sourced:
#   . tools/packages.sh && ensure_packages build test web

# To build and run a node.
build_packages=(
  g++ cmake ninja-build ccache mold git python3 ca-certificates
  libcaf-dev libboost1.81-dev libboost-url1.81-dev libboost-json1.81-dev librocksdb-dev
  libprotobuf-dev protobuf-compiler libssl-dev libspdlog-dev libfmt-dev libtomlplusplus-dev libcli11-dev
  prometheus-cpp-dev libxxhash-dev libjemalloc-dev
)
# To test it. `prometheus` is for promtool; chromium for the end-to-end tests.
test_packages=(
  libgtest-dev libgmock-dev librapidcheck-dev libbenchmark-dev
  clang libclang-rt-14-dev clang-format clang-tidy
  fiu-utils xfsprogs e2fsprogs openssl prometheus chromium shellcheck procps
)
# To look at what has been written, before a push.
check_packages=(clang-format clang-tidy shellcheck)

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo > /dev/null; then
    sudo "$@"
  else
    echo "needs root: run as root, or install sudo, or install these yourself: $*" >&2
    return 1
  fi
}

# The packages of the arguments that are not installed, one a line.
missing_packages() {
  local package
  for package in "$@"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2> /dev/null)" = installed ] || echo "$package"
  done
}

install_packages() {
  echo "Installing: $*"
  # Tests need tools, not the services some of them come with: nothing is started while we install.
  local policy=/usr/sbin/policy-rc.d ours="" status=0
  if [ ! -e "$policy" ]; then
    ours=yes
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" > /dev/null && as_root chmod 755 "$policy"
  fi
  as_root apt-get update -qq || echo "apt-get update failed; going on with the lists that are here" >&2
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" > /dev/null || status=$?
  if [ -n "$ours" ]; then as_root rm -f "$policy"; fi
  return "$status"
}

# Groups: build, test, check, web (Node and npm, Debian's only where there are none: they conflict with others).
ensure_packages() {
  local group wanted=() missing
  for group in "$@"; do
    case "$group" in
      build) wanted+=("${build_packages[@]}") ;;
      test) wanted+=("${test_packages[@]}") ;;
      check) wanted+=("${check_packages[@]}") ;;
      web)
        command -v node > /dev/null || wanted+=(nodejs)
        command -v npm > /dev/null || wanted+=(npm)
        ;;
      *) echo "no such group of packages: $group" >&2; return 2 ;;
    esac
  done
  if ! command -v dpkg-query > /dev/null || ! command -v apt-get > /dev/null; then
    echo "This script installs packages on Debian 12 only." >&2
    return 1
  fi
  mapfile -t missing < <(missing_packages "${wanted[@]}")
  [ "${#missing[@]}" -eq 0 ] || install_packages "${missing[@]}"
}
