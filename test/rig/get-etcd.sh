#!/usr/bin/env bash
# Brings real etcd binaries into the project's own cache, for tests and bench:
#
#   .cache/etcd/<version>/{etcd,etcdctl,etcdutl}        (3.4 has no etcdutl)
#
# Usage: test/rig/get-etcd.sh [VERSION…]                default: the three below
#
# Needs no root and changes nothing outside .cache. For each version it tries,
# in this order: the cache, the PATH, Debian's packages (unpacked, not
# installed), etcd's own release archive with a pinned checksum. What cannot be
# had is said and left out; the run fails only when it leaves the cache without
# any whole etcd >= 3.5, because the tests need one.
#
# Environment:
#   DEBIAN_MIRROR   take Debian's packages from here (default: what apt is set up with)
#   ETCD_RELEASES   take release archives from here  (default: GitHub)
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
until [ -e "$ROOT/package.json" ]; do
  [ "$ROOT" != / ] || { echo "get-etcd: no package.json above this script" >&2; exit 1; }
  ROOT=$(dirname "$ROOT")
done
CACHE=$ROOT/.cache/etcd
APT=$ROOT/.cache/apt
# shellcheck source=debian.sh
. "$ROOT/test/rig/debian.sh"
ETCD_RELEASES=${ETCD_RELEASES:-https://github.com/etcd-io/etcd/releases/download}

# 3.4.23 is a source with every watch fault that was ever fixed in 3.4 since;
# 3.5.16 is the first 3.5 without them; the newest 3.5 shows what comes next.
WANTED=("$@")
[ $# -gt 0 ] || WANTED=(3.4.23 3.5.16 3.5.30)

say() { echo "get-etcd: $*"; }
warn() { echo "get-etcd: $*" >&2; }

# The Debian suite that carries a version. A suite moves on by itself: what it
# has by then is taken, under its real number.
suite_of() {
  case $1 in
    3.4.23) echo bookworm ;;
    3.5.16) echo trixie ;;
    3.5.30) echo sid ;;
  esac
}

# sha256 of etcd-v<version>-linux-<arch>.tar.gz. Only sums that are known to be
# the published ones stand here; without one, an archive is not used.
sum_of() {
  case $1-$2 in
    3.5.16-amd64) echo b414b27a5ad05f7cb01395c447c85d3227e3fb1c176e51757a283b817f645ccc ;;
    3.5.16-arm64) echo 8e68c55e6d72b791a9e98591c755af36f6f55aa9eca63767822cd8a3817fdb23 ;;
    3.5.30-amd64) echo a495115162845640be08c6cda069ff961260dbced53207c5a83b1b006ff2ea8e ;;
    3.5.30-arm64) echo 4d19473d2567a58e1dbf556e0813b91d506666e58d23bfd5370660c67639eb5e ;;
  esac
}

# ------------------------------------------------------------------ the cache
at_least_35() { [ "$(printf '%s\n' 3.5 "$1" | sort -V | head -n1)" = 3.5 ]; }

version_of() { "$1" --version 2>/dev/null | sed -n 's/^etcd Version: //p'; }

# whole DIR VERSION: the server runs here and says so, and its tools are there.
whole() {
  [ -x "$1/etcd" ] && [ -x "$1/etcdctl" ] || return 1
  ! at_least_35 "$2" || [ -x "$1/etcdutl" ] || return 1
  [ "$(version_of "$1/etcd")" = "$2" ]
}

# <wanted>.is holds the version that a suite had instead of the wanted one.
have() {
  local v=$1
  [ ! -r "$CACHE/$v.is" ] || v=$(<"$CACHE/$v.is")
  whole "$CACHE/$v" "$v"
}

# keep DIR WANTED FROM: publishes a folder of binaries under its real version.
keep() {
  local v
  v=$(version_of "$1/etcd") || v=
  if [ -z "$v" ] || ! whole "$1" "$v"; then
    warn "$2: what came from $3 does not run here"
    return 1
  fi
  rm -rf "${CACHE:?}/$v"
  mv "$1" "$CACHE/$v"
  if [ "$v" = "$2" ]; then
    rm -f "$CACHE/$2.is"
    say "$v: from $3"
  else
    echo "$v" >"$CACHE/$2.is"
    say "$v: from $3, in place of $2"
  fi
}

# ------------------------------------------------------------------- the PATH
from_path() {
  local want=$1 etcd tool dir=$CACHE/.new-$1
  etcd=$(command -v etcd) || return 1
  [ "$(version_of "$etcd")" = "$want" ] || return 1
  rm -rf "$dir" && mkdir -p "$dir"
  ln -s "$etcd" "$dir/etcd"
  for tool in etcdctl etcdutl; do
    if command -v "$tool" >/dev/null; then ln -s "$(command -v "$tool")" "$dir/$tool"; fi
  done
  keep "$dir" "$want" "the PATH" || { rm -rf "$dir"; return 1; }
}

# ------------------------------------------------------------ Debian packages
# from_debian WANTED… : one update for all their suites, then each by itself.
from_debian() {
  local mirror want suites=()
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 0
  for want in "$@"; do
    if [ -n "$(suite_of "$want")" ]; then suites+=("deb $(suite_of "$want")"); fi
  done
  [ ${#suites[@]} -gt 0 ] || return 0
  mirror=$(debian_mirror) || mirror=
  if [ -z "$mirror" ]; then
    warn "no Debian mirror in this machine's apt setup (DEBIAN_MIRROR names one)"
    return 0
  fi
  set_up_apt "${mirror%/}" "${suites[@]}"
  say "reading the package lists of ${suites[*]#deb }"
  private_apt apt-get update -q >"$APT/update.log" 2>&1 || true
  for want in "$@"; do one_debian "$want" || true; done
  rm -rf "$APT"
}

one_debian() {
  local want=$1 suite package version deb dir
  suite=$(suite_of "$want")
  [ -n "$suite" ] || return 1
  dir=$CACHE/.new-$want
  rm -rf "$dir" && mkdir -p "$dir/deb" "$dir/root" "$dir/bin"
  for package in etcd-server etcd-client; do
    version=$(private_apt apt-cache madison "$package" |
      awk -F' *[|] *' -v s=" $suite/main " 'index($3, s) { print $2; exit }')
    if [ -z "$version" ]; then
      warn "$want: no $package in Debian's $suite: $(update_trouble "$suite")"
      rm -rf "$dir"
      return 1
    fi
    (cd "$dir/deb" && private_apt apt-get download -q "$package=$version") >"$APT/download.log" 2>&1 || true
    deb=$(find "$dir/deb" -name "${package}_*.deb")
    if [ -z "$deb" ] || ! dpkg-deb -x "$deb" "$dir/root"; then
      warn "$want: $package $version of $suite did not arrive: $(grep -m1 '^E' "$APT/download.log" || true)"
      rm -rf "$dir"
      return 1
    fi
  done
  mv "$dir"/root/usr/bin/etcd* "$dir/bin/"
  keep "$dir/bin" "$want" "Debian's $suite" || true
  rm -rf "$dir"
}

# ----------------------------------------------------- etcd's release archives
from_release() {
  local want=$1 os arch sum name dir
  os=$(uname -s | tr '[:upper:]' '[:lower:]')
  case $(uname -m) in x86_64) arch=amd64 ;; aarch64 | arm64) arch=arm64 ;; *) arch=$(uname -m) ;; esac
  sum=$(if [ "$os" = linux ]; then sum_of "$want" "$arch"; fi)
  if [ -z "$sum" ]; then
    warn "$want: no checksum is pinned here for its $os-$arch release archive, so it is not used"
    return 1
  fi
  command -v curl >/dev/null || { warn "$want: curl is needed for the release archive"; return 1; }
  name=etcd-v$want-linux-$arch
  dir=$CACHE/.new-$want
  rm -rf "$dir" && mkdir -p "$dir/bin"
  say "$want: fetching $name.tar.gz"
  if ! curl -fsSL --retry 2 --connect-timeout 15 -o "$dir/archive" "$ETCD_RELEASES/v$want/$name.tar.gz" 2>"$dir/log"; then
    warn "$want: the release archive cannot be reached: $(tail -n1 "$dir/log")"
  elif ! echo "$sum  $dir/archive" | sha256sum --check --status; then
    warn "$want: the release archive is not the one whose checksum is pinned here; not used"
  elif ! tar -xzf "$dir/archive" -C "$dir/bin" --strip-components=1 --no-same-owner \
    "$name/etcd" "$name/etcdctl" "$name/etcdutl"; then
    warn "$want: the release archive cannot be unpacked"
  elif keep "$dir/bin" "$want" "etcd's release archive"; then
    rm -rf "$dir"
    return 0
  fi
  rm -rf "$dir"
  return 1
}

# ----------------------------------------------------------------------- main
missing_of() {
  local want
  for want in "$@"; do have "$want" || echo "$want"; done
}

mkdir -p "$CACHE"
mapfile -t missing < <(missing_of "${WANTED[@]}")
if [ ${#missing[@]} -gt 0 ]; then
  # Two runs at once (say, of two test targets) would share .cache/apt.
  exec 9>"$ROOT/.cache/get-etcd.lock"
  if command -v flock >/dev/null; then flock 9; fi
  for want in $(missing_of "${missing[@]}"); do from_path "$want" || true; done
  mapfile -t missing < <(missing_of "${missing[@]}")
  [ ${#missing[@]} -eq 0 ] || from_debian "${missing[@]}"
  for want in $(missing_of "${missing[@]}"); do
    from_release "$want" || warn "$want: not available, left out"
  done
fi

list() { # the versions in the cache, oldest first
  local dir v
  for dir in "$CACHE"/[0-9]*/; do
    v=$(basename "$dir")
    if whole "$CACHE/$v" "$v"; then echo "$v"; fi
  done | sort -V
}

mapfile -t there < <(list)
newest=$(list | tail -n1)
if [ -z "$newest" ] || ! at_least_35 "$newest"; then # last resort: whatever the machine has
  found=$(if command -v etcd >/dev/null; then version_of etcd; fi)
  if [ -n "$found" ] && at_least_35 "$found" && from_path "$found"; then
    mapfile -t there < <(list)
    newest=$found
  fi
fi
for v in "${there[@]}"; do
  say "$v: available ($(cd "$CACHE/$v" && echo etcd*))"
done
if [ -z "$newest" ] || ! at_least_35 "$newest"; then
  warn "no etcd >= 3.5 with etcdctl and etcdutl could be had; put one on the PATH"
  exit 1
fi
