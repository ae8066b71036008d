#!/usr/bin/env bash
# Installs what is missing to build, run and test pli: install-deps.sh [demo|test|bench|fuzz]
#
# On Debian and Ubuntu through apt, as root or with sudo, saying so. When nothing is missing it does nothing and needs
# no network. On other systems it prints what to install.
set -euo pipefail

purpose="${1:-demo}"
case "$purpose" in demo | test | bench | fuzz) ;; *)
    echo "usage: $0 [demo|test|bench|fuzz]" >&2
    exit 2
    ;;
esac

missing=()

need() { # need COMMAND PACKAGE...: the packages are missing if the command is
    local command="$1"
    shift
    command -v "$command" >/dev/null 2>&1 || missing+=("$@")
}

has_postgres() { # server programs are on PATH or where the distributions put them
    command -v initdb >/dev/null 2>&1 && command -v postgres >/dev/null 2>&1 && return 0
    compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || compgen -G '/usr/pgsql-*/bin/initdb' >/dev/null
}

need_library() { # need_library PKG_CONFIG_NAME PACKAGE...: what building against it takes, pkg-config included
    local library="$1"
    shift
    command -v pkg-config >/dev/null 2>&1 || missing+=(pkg-config)
    pkg-config --exists "$library" 2>/dev/null || missing+=("$@")
}

need cc gcc libc6-dev
need_library openssl libssl-dev
[ "$purpose" = fuzz ] && need c++ g++
has_postgres || missing+=(postgresql)
if [ "$purpose" = test ]; then
    need python3 python3
    # Without Net::SSLeay swaks cannot do TLS.
    need swaks swaks libnet-ssleay-perl
    need mbsync isync
    need curl curl
    # The other side of the tests of certificates and of signed lists.
    need openssl openssl
    need xmlsec1 xmlsec1
fi

[ "${#missing[@]}" -eq 0 ] && exit 0

echo "missing for 'make $purpose': ${missing[*]}"
if ! command -v apt-get >/dev/null 2>&1; then
    echo "This is not Debian or Ubuntu. Please install: a C compiler, pkg-config, OpenSSL 3 with its headers" >&2
    echo "(openssl-devel), the PostgreSQL server programs (14 or newer; initdb and postgres), and for 'make test'" >&2
    echo "python3, swaks with TLS support, mbsync (isync), curl, and the programs openssl and xmlsec1." >&2
    exit 1
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        echo "Please run as root: apt-get install --no-install-recommends ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi

apt() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y "$@"
}

conf=/etc/postgresql-common/createcluster.conf

# Debian's postgresql package makes a cluster that listens on port 5432 and starts with the machine. pli runs private
# clusters of its own, so that one would only be in the way: postgresql-common goes first, its
# setting says "no cluster" while the server package is installed, and is then put back as it was.
install_postgresql() {
    apt install --no-install-recommends postgresql-common
    "${as_root[@]}" cp --preserve "$conf" "$conf.before-pli"
    trap '"${as_root[@]}" mv "$conf.before-pli" "$conf"' EXIT
    "${as_root[@]}" sed -i -E 's/^#?create_main_cluster *=.*/create_main_cluster = false/' "$conf"
    apt install --no-install-recommends postgresql
}

echo "installing with apt-get (${as_root[*]:-as root}): ${missing[*]}"
apt update
others=()
for package in "${missing[@]}"; do
    [ "$package" = postgresql ] || others+=("$package")
done
[ "${#others[@]}" -eq 0 ] || apt install --no-install-recommends "${others[@]}"
case " ${missing[*]} " in *" postgresql "*) install_postgresql ;; esac
