# Shared by the benchmarks: builds, starts and ends the servers, does the arithmetic.
# Everything listens on loopback; every process started here is ended by its pid.
set -euo pipefail
BENCH_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BENCH_BUILD=${BENCH_BUILD:-$BENCH_ROOT/build-bench}
BENCH_DIR=$(mktemp -d "${TMPDIR:-/tmp}/tocsin-bench.XXXXXX")
BENCH_PIDS=()

bench_end() {
    local pid
    for pid in "${BENCH_PIDS[@]}"; do
        kill "$pid" 2>/dev/null || continue
        for _ in $(seq 100); do
            kill -0 "$pid" 2>/dev/null || continue 2
            sleep 0.1
        done
        kill -9 "$pid" 2>/dev/null || true
    done
    rm -rf "$BENCH_DIR"
}
trap bench_end EXIT

die() {
    echo "bench: $*" >&2
    exit 1
}

bench_build() {
    cmake -G Ninja -S "$BENCH_ROOT" -B "$BENCH_BUILD" -DCMAKE_BUILD_TYPE=RelWithDebInfo \
        >"$BENCH_DIR/cmake.log" 2>&1 || die "cmake failed: $(tail -5 "$BENCH_DIR/cmake.log")"
    ninja -C "$BENCH_BUILD" tocsin tocsin-load tocsin-bare tocsin-sim >"$BENCH_DIR/build.log" 2>&1 ||
        die "build failed: $(tail -20 "$BENCH_DIR/build.log")"
}

# need_npm FOLDER: the packages that the folder's lock names
need_npm() {
    [ -d "$BENCH_ROOT/$1/node_modules" ] ||
        npm --prefix "$BENCH_ROOT/$1" ci --ignore-scripts --no-audit --no-fund >"$BENCH_DIR/npm.log" 2>&1 ||
        die "npm ci failed: $(tail -5 "$BENCH_DIR/npm.log")"
}

# bench_node NAME [FLAG…]: runs NAME.mjs on a release build, with what it needs from npm
bench_node() {
    local name=$1
    shift
    bench_build
    need_npm tests/bench
    BENCH_NAME=$name TEST_BUILD=$BENCH_BUILD TEST_ARTIFACTS=$BENCH_DIR node "$BENCH_ROOT/tests/bench/$name.mjs" "$@"
}

free_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 10000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    done
    echo "$port"
}

# wait_for WHAT COMMAND…: until the command succeeds, 20 seconds at most
wait_for() {
    local what=$1
    shift
    for _ in $(seq 200); do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.1
    done
    tail -n 20 "$BENCH_DIR"/*.log >&2
    die "$what did not come up"
}

# start NAME COMMAND…: in the background, its output in NAME.log; sets STARTED
start() {
    local name=$1
    shift
    "$@" >"$BENCH_DIR/$name.log" 2>&1 &
    STARTED=$!
    BENCH_PIDS+=("$STARTED")
}

# The server on one core, the clients on the other, for all that is compared: else the scheduler may
# wake the clients on the server's core at each send, and the run measures that.
# pin PID: to the first core
pin() { taskset -pc 0 "$1" >/dev/null; }

stop() {
    kill "$1" 2>/dev/null || true
    for _ in $(seq 100); do
        kill -0 "$1" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -9 "$1" 2>/dev/null || true
}

# start_tocsin WORKERS [FLAG…]: sets PORT, NEWSROOM_PORT, TOCSIN_PID, GATEWAY_PIDS, KEY
start_tocsin() {
    local workers=$1
    shift
    PORT=$(free_port)
    NEWSROOM_PORT=$(free_port)
    local flags=(--serve.state_dir="$BENCH_DIR/state" --newsroom.key_rate_per_min=1000000 --newsroom.key_burst=100000
        --newsroom.duplicate_window_s=0 --newsroom.breaker_alerts=0
        --dispatcher.workers=1 --gateway.workers="$workers" --gateway.per_ip_max=0 --gateway.drain_s=0
        --newsroom.listen=127.0.0.1:"$NEWSROOM_PORT" --gateway.listen=127.0.0.1:"$PORT" "$@")
    start tocsin "$BENCH_BUILD/tocsin" serve "${flags[@]}"
    TOCSIN_PID=$STARTED
    wait_for tocsin curl -sf "http://127.0.0.1:$NEWSROOM_PORT/readyz"
    GATEWAY_PIDS=$(grep 'event=worker_started' "$BENCH_DIR/tocsin.log" | grep 'role=gateway' |
        sed 's/.*pid=\([0-9]*\).*/\1/')
    [ "$workers" != 1 ] || pin "$GATEWAY_PIDS"
    KEY=$("$BENCH_BUILD/tocsin" key create --name bench --all-regions "${flags[@]}" 2>/dev/null)
}

# load ARG…: the load generator against the gateway; newsroom_load posts to the newsroom as well
load() { taskset -c 1 "$BENCH_BUILD/bench/tocsin-load" "$@"; }
newsroom_load() {
    # shellcheck disable=SC2046,SC2086 # several pids
    load --path '/v1/stream?regions=mena&editions=en' $(printf -- '--pid %s ' $GATEWAY_PIDS) \
        --post-port "$NEWSROOM_PORT" --post-path /v1/alerts --post-header "Authorization: Bearer $KEY" \
        --template "$BENCH_DIR/alert.json" "$@"
}

stop_tocsin() {
    stop "$TOCSIN_PID"
    rm -rf "$BENCH_DIR/state"
}

# make_certificate: a self-signed one; sets TLS_FLAGS for start_tocsin, which then sets TLS_PORT
make_certificate() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
        -keyout "$BENCH_DIR/key.pem" -out "$BENCH_DIR/cert.pem" 2>"$BENCH_DIR/openssl.log" ||
        die "no certificate: $(tail -5 "$BENCH_DIR/openssl.log")"
    TLS_PORT=$(free_port)
    TLS_FLAGS=(--gateway.tls_listen=127.0.0.1:"$TLS_PORT" --gateway.tls_cert_file="$BENCH_DIR/cert.pem"
        --gateway.tls_key_file="$BENCH_DIR/key.pem")
}

# start_bare [SHARED]: the yardstick, on a port that others accept on too; sets BARE_PORT, BARE_PID
start_bare() {
    BARE_PORT=$(free_port)
    start bare "$BENCH_BUILD/bench/tocsin-bare" "$BARE_PORT" "$@"
    BARE_PID=$STARTED
    wait_for bare bash -c "exec 3<>/dev/tcp/127.0.0.1/$BARE_PORT"
    pin "$BARE_PID"
}

need_nchan() {
    NGINX=$(command -v nginx || echo /usr/sbin/nginx)
    NCHAN=$(find /usr/lib/nginx/modules -name 'ngx_nchan_module.so' 2>/dev/null | head -n 1)
    [ -x "$NGINX" ] && [ -n "$NCHAN" ] || die "Nchan is missing: config/packages.sh install bench"
}

# start_nchan: nginx with one worker, /sub for WebSocket readers, /pub; sets NCHAN_PORT, NCHAN_PID, NCHAN_WORKER
start_nchan() {
    NCHAN_PORT=$(free_port)
    cat >"$BENCH_DIR/nginx.conf" <<CONF
load_module $NCHAN;
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid $BENCH_DIR/nginx.pid;
error_log $BENCH_DIR/nginx.log;
events { worker_connections 19900; use epoll; }
http {
    access_log off;
    nchan_max_reserved_memory 256m;
    client_body_temp_path $BENCH_DIR/nginx_body;
    proxy_temp_path $BENCH_DIR/nginx_proxy;
    fastcgi_temp_path $BENCH_DIR/nginx_fastcgi;
    uwsgi_temp_path $BENCH_DIR/nginx_uwsgi;
    scgi_temp_path $BENCH_DIR/nginx_scgi;
    server {
        listen 127.0.0.1:$NCHAN_PORT backlog=4096;
        location = /pub { nchan_publisher; nchan_channel_id news; }
        location = /sub { nchan_subscriber websocket; nchan_channel_id news; nchan_subscriber_first_message newest; }
    }
}
CONF
    start nginx "$NGINX" -c "$BENCH_DIR/nginx.conf" -e "$BENCH_DIR/nginx.log"
    NCHAN_PID=$STARTED
    wait_for nchan bash -c "pgrep -P $NCHAN_PID && exec 3<>/dev/tcp/127.0.0.1/$NCHAN_PORT"
    NCHAN_WORKER=$(pgrep -P "$NCHAN_PID" | head -n 1)
    pin "$NCHAN_WORKER"
}

# read_options "NAME …" ARG…: --name VALUE sets NAME; --name alone, for the names in FLAGS, sets it to 1
read_options() {
    local names=" $1 " flags=" ${FLAGS:-} " name
    shift
    while [ $# -gt 0 ]; do
        name=${1#--}
        name=${name^^}
        if [[ $flags == *" $name "* ]]; then
            printf -v "$name" 1
            shift
        elif [[ $names == *" $name "* ]] && [[ ${2:-} =~ ^[0-9]+$ ]]; then
            printf -v "$name" %s "$2"
            shift 2
        else
            die "options: $(for name in $names; do printf -- '[--%s N] ' "${name,,}"; done)$(for name in $flags; do printf -- '[--%s] ' "${name,,}"; done)"
        fi
    done
}

# alert_template FILE BYTES: an alert with that many bytes of body text
alert_template() {
    local filler
    filler=$(printf '%*s' "$2" '' | tr ' ' x)
    printf '{"urgency":"high","audience":{"regions":["mena"],"editions":["en"]},"content":{"en":{"headline":"@SEQ@","body":"%s"}}}' \
        "$filler" >"$1"
}

# field NAME: of the name=value line on standard input
field() { tr ' ' '\n' | sed -n "s/^$1=//p" | tail -n 1; }
# median of the numbers on standard input
median() { sort -g | awk '{v[NR]=$1} END {print NR ? v[int((NR + 1) / 2)] : "nan"}'; }
# column FILE NAME: median of a field over the lines of a file
column() { while read -r line; do echo "$line" | field "$2"; done <"$1" | median; }
total() { while read -r line; do echo "$line" | field "$2"; done <"$1" | awk '{s+=$1} END {print s+0}'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN {if (b > 0) printf "%.3f", a / b; else print "nan"}'; }
