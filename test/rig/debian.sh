# Debian's packages for what the tests need, fetched by an apt of our own: nothing is installed, and
# the machine's apt is only asked where its mirror is. Sourced, by scripts that set
#
#   APT             folder for that apt: lists, packages, configuration; may be removed afterwards
#   DEBIAN_MIRROR   take the packages from here (default: what the machine's apt is set up with)

KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

debian_mirror() {
  local codename
  if [ -n "${DEBIAN_MIRROR:-}" ]; then echo "$DEBIAN_MIRROR"; return; fi
  # Other distributions' mirrors have packages of their own in suites of their own.
  [ "$(. /etc/os-release 2>/dev/null && echo "${ID:-}")" = debian ] || return 0
  codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-sid}")
  # shellcheck disable=SC2016 # $(…) is apt's own placeholder
  apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
    awk -v c="$codename" '$2 == "main" && $3 !~ /security/ { if ($1 == c) { print $3; found = 1; exit } other = $3 }
                          END { if (!found && other) print other }'
}

# set_up_apt MIRROR 'deb SUITE'… : its sources, lists and cache are in $APT, and
# the hooks of the machine's configuration are left out. Only how it reaches the
# network (proxies and the like) is taken over.
set_up_apt() {
  local mirror=$1 signed='' source
  shift
  [ ! -r "$KEYRING" ] || signed="[signed-by=$KEYRING] "
  rm -rf "$APT"
  mkdir -p "$APT"/{parts,sources,preferences,lists/partial,cache/archives/partial}
  for source in "$@"; do echo "${source% *} $signed$mirror ${source#* } main"; done >"$APT/sources.list"
  {
    apt-config dump | grep '^Acquire::' | grep -vE '^Acquire::(Languages|IndexTargets)' || true
    cat <<CONF
Dir::Etc::parts "$APT/parts";
Dir::Etc::main "$APT/none";
Dir::Etc::sourcelist "$APT/sources.list";
Dir::Etc::sourceparts "$APT/sources";
Dir::Etc::preferences "$APT/none";
Dir::Etc::preferencesparts "$APT/preferences";
Dir::State::lists "$APT/lists";
Dir::Cache "$APT/cache";
APT::Sandbox::User "root";
APT::Default-Release "";
Acquire::Languages "none";
Acquire::Retries "2";
CONF
  } >"$APT/apt.conf"
}

private_apt() { APT_CONFIG=$APT/apt.conf "$@"; }

# What apt had to say of a suite whose lists are not there.
update_trouble() {
  grep -E '^[WE]:' "$APT/update.log" | grep -m1 "$1" || grep -m1 '^E:' "$APT/update.log" || echo 'not listed there'
}
