/* What a WebSocket reader sends, in pieces as they come off the wire: reassembly, the limits, the
 * messages of tocsin.v1, and the reader behind them. Input: a piece is a head byte (bit 0 final,
 * bit 1 binary, bits 2..7 length / 4), then its bytes; the last piece takes what is left. */
#include "base/log.h"
#include "fuzz.h"
#include "gateway/hub.h"
#include "gateway/ws_session.h"

enum { MESSAGE_MAX = 2048 };

static bool can_write(const struct reader *r) {
    (void)r;
    return true;
}

/* Everything sent is whole frames; text is JSON. */
static enum err check_frames(struct reader *r, struct str bytes) {
    (void)r;
    while (bytes.n) {
        PROMISE(bytes.n >= 2);
        size_t size = (unsigned char)bytes.p[1];
        size_t header = 2;
        PROMISE(size < 127);
        if (size == 126) {
            PROMISE(bytes.n >= 4);
            size = (size_t)(unsigned char)bytes.p[2] << 8 | (unsigned char)bytes.p[3];
            header = 4;
        }
        PROMISE(bytes.n >= header + size);
        if ((unsigned char)bytes.p[0] == 0x81) {
            fuzz_check_json((struct str){bytes.p + header, size});
        }
        bytes.p += header + size;
        bytes.n -= header + size;
    }
    return ERR_OK;
}

static void check_end(struct reader *r, struct str bytes) {
    (void)check_frames(r, bytes);
}

static void nothing(struct reader *r) {
    (void)r;
}

static const struct transport transport = {
    .kind = FRAME_WS,
    .can_write = can_write,
    .write = check_frames,
    .want_writable = nothing,
    .end = check_end,
    .kill = nothing,
};

static void want_turn(void *user) {
    (void)user;
}

static void read_log(struct store *store, uint64_t from_seq, size_t limit, log_page_fn *done,
                     void *user) {
    (void)store;
    (void)from_seq;
    (void)limit;
    (void)done;
    (void)user;
    PROMISE(false); /* the log is empty, so nobody can be behind it */
}

static struct hub *make_hub(const struct taxonomy *t) {
    struct hub_options options = {
        .ring_entries = 16,
        .ring_bytes = 1 << 20,
        .snapshot_max = 10,
        .heartbeat_ms = 10000,
        .idle_timeout_ms = 20000,
        .hello_timeout_ms = 10000,
        .want_turn = want_turn,
        .read_log = read_log,
        .frame_rate = 1,
        .frame_burst = 64,
        .admission = {.taxonomy = t, .filter_tags_max = FILTER_TAGS_MAX},
    };
    struct position head = {.epoch = "e", .seq = 0};
    struct hub *h = hub_create(t, &options);
    hub_on_reset(h, &head, 1, NULL, 0);
    hub_on_live(h, true);
    return h;
}

static void feed(struct ws_session *s, struct str input) {
    bool first = true;
    while (input.n) {
        unsigned head = (unsigned char)input.p[0];
        size_t size = head >> 2 ? (size_t)(head >> 2) * 4 : input.n;
        input.p++;
        input.n--;
        size = size < input.n ? size : input.n;
        struct ws_piece piece = {
            .bytes = {input.p, size},
            .to_come = head & 1 ? 0 : head,
            .first = first,
            .final = (head & 1) != 0,
            .binary = (head & 2) != 0,
        };
        ws_session_receive(s, &piece, MESSAGE_MAX);
        PROMISE(!s->partial || s->partial->n <= MESSAGE_MAX);
        first = piece.final;
        input.p += size;
        input.n -= size;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    log_setup(LOG_FORMAT_KV, LOG_ERROR);
    struct taxonomy *t = taxonomy_builtin();
    struct hub *h = make_hub(t);
    struct ws_session s = {0};
    struct params params;
    params_init(&params, t, PARAM_POSITION);
    ws_session_open(&s, h, &transport, &params, false);
    params_finish(&params);
    feed(&s, (struct str){(const char *)data, size});
    (void)hub_turn(h);
    ws_session_close(&s);
    PROMISE(hub_reader_count(h) == 0);
    hub_destroy(h);
    taxonomy_destroy(t);
    return 0;
}
