#!/bin/sh
# The Debian 12 packages Tocsin is built from, in one place: config/quickstart,
# tests/run and docker/Dockerfile all ask here.
#
#   config/packages.sh list GROUP...      prints the packages of the groups
#   config/packages.sh missing GROUP...   prints those that are not installed
#   config/packages.sh install GROUP...   installs what is missing (root or sudo)
#
# Groups: runtime (to run the binary), build (to compile it), demo (what the
# quickstart's script itself calls), test (what tests/run adds), bench (what
# tests/bench measures against), node (only when no Node.js 18 or newer is on the PATH; npm fetches
# the console's chart library during the build, and what the tests need).
set -eu

packages_of() {
    case $1 in
    runtime)
        echo ca-certificates tzdata redis-server redis-tools libwebsockets17 libwebsockets-evlib-uv \
            libmicrohttpd12 libuv1 libhiredis0.14 libnghttp2-14 libssl3 libgnutls30 libcjson1 \
            libinih1 libcurl4 libunistring2
        ;;
    build)
        echo gcc libc6-dev cmake ninja-build pkg-config libwebsockets-dev \
            libwebsockets-evlib-uv libmicrohttpd-dev libuv1-dev libhiredis-dev \
            libnghttp2-dev libssl-dev libgnutls28-dev libcjson-dev libinih-dev libcurl4-openssl-dev \
            libunistring-dev libcmocka-dev
        ;;
    demo) echo curl jq ;;
    bench) echo chromium curl procps redis-tools nghttp2-client nginx-light libnginx-mod-nchan ;;
    test)
        echo clang-14 clang-format-14 git procps openssl chromium fonts-dejavu-core nginx-light \
            haproxy
        ;;
    node)
        major=$(node --version 2>/dev/null | sed -n 's/^v\([0-9]*\)\..*/\1/p')
        [ "${major:-0}" -ge 18 ] || echo nodejs
        command -v npm >/dev/null 2>&1 || echo npm
        ;;
    *)
        echo "packages.sh: unknown group '$1'" >&2
        return 2
        ;;
    esac
}

list() {
    for group in "$@"; do packages_of "$group"; done | tr -s ' ' '\n' | sort -u
}

missing() {
    list "$@" | while read -r package; do
        [ -n "$package" ] || continue
        status=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
        [ "$status" = "install ok installed" ] || echo "$package"
    done
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1; then
        sudo "$@"
    else
        echo "packages.sh: '$*' needs root, and there is no sudo" >&2
        return 1
    fi
}

install_missing() {
    wanted=$(missing "$@")
    [ -n "$wanted" ] || return 0
    # shellcheck disable=SC2086 # the list is words
    echo "installing:" $wanted >&2
    export DEBIAN_FRONTEND=noninteractive
    as_root apt-get -q update >&2
    # No recommended extras, and no service may start: the packaged redis-server
    # would otherwise take port 6379 at once.
    policy=/usr/sbin/policy-rc.d
    made_policy=
    if [ ! -e $policy ]; then
        as_root sh -c "printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy"
        made_policy=1
    fi
    result=0
    # shellcheck disable=SC2086 # the list is words
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends \
        $wanted </dev/null >&2 || result=$?
    [ -z "$made_policy" ] || as_root rm -f $policy
    return $result
}

[ $# -ge 2 ] || {
    sed -n '2,13s/^# \{0,1\}//p' "$0" >&2
    exit 2
}
command=$1
shift
case $command in
list) list "$@" ;;
missing) missing "$@" ;;
install) install_missing "$@" ;;
*)
    echo "packages.sh: unknown command '$command'" >&2
    exit 2
    ;;
esac
