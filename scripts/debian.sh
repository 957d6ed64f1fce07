# shellcheck shell=bash
# Sourced by the other scripts: installing packages, and reading suites of Debian other than the
# one this machine runs. No address is written down here; the machine's own sources have one.

# What the scripts make for this machine, and keep between checkouts of the project.
cache=${ERLANG_PYTHON_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/erlang_python}

keyring=/usr/share/keyrings/debian-archive-keyring.gpg

have() { command -v "$1" >/dev/null 2>&1; }

# Root, or the right to become root without surprises.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  else
    sudo "$@"
  fi
}

may_install() {
  have apt-get || return 1
  [ "$(id -u)" -eq 0 ] && return
  # Without a terminal nobody can type a password.
  have sudo && { [ -t 0 ] || sudo -n true 2>/dev/null; }
}

apt_install() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
    -o DPkg::Lock::Timeout=600 "$@"
}

# install_packages PACKAGE...
install_packages() {
  echo "Installing $*"
  # The lists of a fresh machine are empty or old, so a first failure is no news.
  apt_install "$@" >/dev/null 2>&1 && return
  as_root apt-get update -qq || true
  apt_install "$@" >/dev/null
}

# Those of the packages that are not installed.
missing_packages() {
  local package
  for package; do
    case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) in
      installed) ;;
      *) echo "$package" ;;
    esac
  done
}

# The address this machine fetches Debian from; nothing where it is not Debian.
debian_mirror() {
  have apt-get || return 0
  # shellcheck disable=SC2016
  apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    awk '$2 ~ /^(bullseye|bookworm|trixie|forky|sid|(old)*stable|testing|unstable)$/ &&
      $3 == "main" && !found { print $1; found = 1 }'
}

# need_debian PACKAGE...: sees to it that this machine can fetch packages of Debian's and has the
# ones named; says what to do instead where it cannot.
need_debian() {
  local missing
  if [ -z "$(debian_mirror)" ]; then
    other_ways "apt on this machine, if there is one, names no Debian mirror to fetch from."
    return 1
  fi

  missing=$(missing_packages debian-archive-keyring "$@" | xargs)
  if [ -z "$missing" ]; then return; fi
  if ! may_install; then
    other_ways "This takes packages that root has to install: apt-get install $missing"
    return 1
  fi
  # shellcheck disable=SC2086
  install_packages $missing
}

other_ways() {
  echo "$1"
  echo "Other ways to get the same Pythons, found without further settings:"
  echo "    uv python install 3.13t 3.14"
  echo "    PYTHON_CONFIGURE_OPTS=--enable-shared pyenv install 3.13t 3.14"
}

# suite_apt SUITE TYPE ARGUMENT...: apt-get for another suite, TYPE being deb or deb-src. Its
# lists, downloads and preferences are its own, so that the machine never hears of that suite.
suite_apt() {
  local suite=$1 type=$2 home=$cache/apt/$1-$2
  shift 2
  mkdir -p "$home/lists/partial" "$home/archives/partial"
  echo "$type [signed-by=$keyring] $(debian_mirror) $suite main" >"$home/sources.list"

  # A mirror may be a snapshot, whose signatures say that they have expired.
  apt-get -qq \
    -o Dir::Etc::SourceList="$home/sources.list" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
    -o Dir::State::Lists="$home/lists" -o Dir::Cache="$home" -o APT::Sandbox::User=root \
    -o Acquire::Check-Valid-Until=false -o Acquire::Languages=none -o Acquire::Retries=3 \
    -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false "$@"
}
