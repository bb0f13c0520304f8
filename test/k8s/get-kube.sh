#!/usr/bin/env bash
# Builds real kube-apiserver, kube-scheduler and kube-controller-manager for
# `make test-k8s` into the project's own cache:
#
#   .cache/k8s/1.20.2/{kube-apiserver,kube-scheduler,kube-controller-manager}
#
# Usage: test/k8s/get-kube.sh            builds what is missing
#        test/k8s/get-kube.sh --check    says what is missing, and fails if anything is
#
# Debian packages no control plane, but bookworm carries the whole source of
# Kubernetes 1.20.2, with all that it vendors, and a Go that compiles it. Both are
# unpacked into .cache/k8s/build, which is removed at the end: 2.5 GB meanwhile,
# 250 MB afterwards, about eight minutes on two cores. Needs no root and changes
# nothing outside .cache; needs apt and dpkg-source (package dpkg-dev).
#
# Environment:
#   K8S_BIN         a folder that has the three programs, used in place of the cache
#   DEBIAN_MIRROR   take Debian's packages from here (default: what apt is set up with)
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
SUITE=bookworm
VERSION=1.20.2
GO=golang-1.19
PROGRAMS=(kube-apiserver kube-scheduler kube-controller-manager)
BIN=${K8S_BIN:-$ROOT/.cache/k8s/$VERSION}
BUILD=$ROOT/.cache/k8s/build
APT=$BUILD/apt
TREE=$BUILD/gopath/src/k8s.io/kubernetes # the source builds inside a GOPATH only
# shellcheck source=../rig/debian.sh
. "$ROOT/test/rig/debian.sh"

say() { echo "get-kube: $*"; }
die() {
  echo "get-kube: $*" >&2
  exit 1
}

missing() {
  local program
  for program in "${PROGRAMS[@]}"; do
    [ -x "$BIN/$program" ] || echo "$program"
  done
}

# ------------------------------------------------------------------- from Debian
fetch() {
  local mirror
  command -v apt-get >/dev/null || die "apt is needed; or put the programs into a folder and set K8S_BIN"
  command -v dpkg-source >/dev/null || die "dpkg-source is needed: apt-get install dpkg-dev"
  mirror=$(debian_mirror) || mirror=
  [ -n "$mirror" ] || die "no Debian mirror in this machine's apt setup (DEBIAN_MIRROR names one)"
  rm -rf "$BUILD"
  set_up_apt "${mirror%/}" "deb $SUITE" "deb-src $SUITE"
  say "reading the package lists of $SUITE"
  private_apt apt-get update -q >"$APT/update.log" 2>&1 || true
  say "fetching $GO and the source of Kubernetes"
  # Without versions: a private apt of one suite knows only that suite's.
  (cd "$APT" && private_apt apt-get download -q "$GO-go" "$GO-src") >"$APT/download.log" 2>&1 ||
    die "no $GO in Debian's $SUITE: $(update_trouble "$SUITE")"
  (cd "$APT" && private_apt apt-get source -q --download-only kubernetes) >"$APT/source.log" 2>&1 ||
    die "no source of Kubernetes in Debian's $SUITE: $(tail -n1 "$APT/source.log")"
}

unpack() {
  local deb dsc
  for deb in "$APT/$GO"-*.deb; do dpkg-deb -x "$deb" "$BUILD/go"; done
  dsc=$(echo "$APT"/kubernetes_*.dsc)
  # 1.20.5+really1.20.2-1.1+deb12u1
  [[ $dsc =~ really$VERSION- ]] || die "$SUITE has another version by now: $(basename "$dsc")"
  mkdir -p "$(dirname "$TREE")"
  dpkg-source --no-copy -x "$dsc" "$TREE" >"$BUILD/unpack.log" 2>&1 || die "$(tail -n1 "$BUILD/unpack.log")"
}

# ------------------------------------------------------------------------- build
set_up_go() {
  GOROOT=$(echo "$BUILD"/go/usr/lib/go-*)
  export GOROOT GOPATH=$BUILD/gopath GOCACHE=$BUILD/gocache
  export GO111MODULE=off GOFLAGS='' CGO_ENABLED=0 GOTOOLCHAIN=local PATH=$GOROOT/bin:$PATH
}

# Folders of Go packages that ask to be described in the OpenAPI schema. Those under
# vendor/k8s.io are links, which grep follows only where they are named.
described() {
  grep -rl --include='*.go' '+k8s:openapi-gen=' cmd pkg plugin vendor/k8s.io/*/ |
    grep -vE '^vendor/k8s.io/(code-generator|sample-apiserver)/|/_examples/|/testdata/|_test\.go$' |
    xargs -n1 dirname | LC_ALL=C sort -u
}

# The one generated file that the source does not carry: Makefile.generated_files
# makes it the same way.
generate_openapi() {
  local inputs
  go build -o "$BUILD/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
  inputs=$(described | sed 's#^#k8s.io/kubernetes/#' | paste -sd, -)
  "$BUILD/openapi-gen" --logtostderr -i "$inputs" -p k8s.io/kubernetes/pkg/generated/openapi \
    -O zz_generated.openapi -h hack/boilerplate/boilerplate.generatego.txt -r "$BUILD/violations"
}

# What the programs say of themselves; without it an apiserver calls itself v0.0.0.
version_flags() {
  local package date
  date=$(date -u -d "@$(stat -c %Y debian/changelog)" +%Y-%m-%dT%H:%M:%SZ)
  printf -- '-s -w'
  for package in component-base/version client-go/pkg/version; do
    package=k8s.io/kubernetes/vendor/k8s.io/$package
    printf -- ' -X %s.%s' "$package" "gitVersion=v$VERSION" "$package" gitMajor=1 \
      "$package" gitMinor=20 "$package" gitTreeState=archive "$package" "buildDate=$date"
  done
}

build() {
  local program flags
  cd "$TREE"
  set_up_go
  say "generating the OpenAPI definitions"
  generate_openapi >>"$BUILD/build.log" 2>&1 || die "$(tail -n5 "$BUILD/build.log")"
  flags=$(version_flags)
  mkdir -p "$BIN"
  for program in $(missing); do # one after the other: they share nearly all packages
    say "building $program"
    go build -ldflags "$flags" -o "$BUILD/$program" "./cmd/$program" >>"$BUILD/build.log" 2>&1 ||
      die "$(tail -n5 "$BUILD/build.log")"
    [ "$("$BUILD/$program" --version)" = "Kubernetes v$VERSION" ] || die "$program does not run here"
    mv "$BUILD/$program" "$BIN/$program"
  done
}

# -------------------------------------------------------------------------- main
if [ -z "$(missing)" ]; then
  [ "${1:-}" = --check ] || say "$VERSION: available ($BIN)"
elif [ "${1:-}" = --check ]; then
  say "not run: no $(missing | paste -sd, - | sed 's/,/, /g') in $BIN"
  say "'make k8s' builds them (eight minutes), or K8S_BIN names a folder that has them"
  exit 1
elif [ -n "${K8S_BIN:-}" ]; then
  die "no $(missing | paste -sd, - | sed 's/,/, /g') in K8S_BIN=$K8S_BIN"
else
  fetch
  unpack
  build
  cd "$ROOT"
  rm -rf "$BUILD"
  say "$VERSION: available ($BIN)"
fi
