#include "gateway/ticker.h"

#include "gateway/http_reply.h"

enum { BODY_BYTES_MAX = TICKER_LIMIT_MAX * 6 * ALERT_JSON_BYTES_MAX };

static void put_alerts(struct hub *h, const struct params *params, struct buf *b) {
    int64_t left = params->limit;
    for (uint64_t seq = ring_head(h->ring); seq >= ring_oldest(h->ring) && left > 0; seq--) {
        struct entry *e = ring_get(h->ring, seq);
        if (!ring_is_latest(h->ring, e) || e->alert->msg_type == MSG_CANCEL ||
            !entry_matches(e, &params->filter)) {
            continue;
        }
        buf_put_str(b, entry_frame(e, h->taxonomy, FRAME_JSON, params->filter.editions, false));
        left--;
    }
}

void ticker_answer(struct hub *h, struct http_request *rq, const struct params *params) {
    if (!h->settled) {
        http_reply_busy(rq, "the alert log is not known yet");
        return;
    }
    struct buf body;
    char position[POSITION_BYTES];
    hub_format_position(h, ring_head(h->ring), position);
    buf_init(&body, BODY_BYTES_MAX);
    buf_printf(&body, "{\"position\":\"%s\",\"alerts\":[", position);
    size_t start = body.n;
    put_alerts(h, params, &body);
    if (body.n > start) {
        body.n--; /* each is followed by a comma */
    }
    buf_puts(&body, "]}");
    http_reply_json(rq, buf_str(&body));
    buf_finish(&body);
}
