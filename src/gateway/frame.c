#include "gateway/frame.h"

enum { HEADER_MAX = 10 };

static size_t ws_header(enum ws_opcode opcode, size_t payload, unsigned char out[HEADER_MAX]) {
    out[0] = (unsigned char)(0x80U | (unsigned)opcode);
    if (payload < 126) {
        out[1] = (unsigned char)payload;
        return 2;
    }
    int bytes = payload <= UINT16_MAX ? 2 : 8;
    out[1] = bytes == 2 ? 126 : 127;
    for (int i = 0; i < bytes; i++) {
        out[2 + i] = (unsigned char)((uint64_t)payload >> (8 * (bytes - 1 - i)));
    }
    return (size_t)bytes + 2;
}

void frame_put_ws(struct buf *b, enum ws_opcode opcode, struct str payload) {
    unsigned char header[HEADER_MAX];
    buf_put(b, header, ws_header(opcode, payload.n, header));
    buf_put_str(b, payload);
}

void frame_put_close(struct buf *b, uint16_t code, struct str reason) {
    enum { REASON_MAX = 123 };
    char payload[2 + REASON_MAX];
    size_t n = reason.n < REASON_MAX ? reason.n : REASON_MAX;
    payload[0] = (char)(code >> 8);
    payload[1] = (char)(code & 0xff);
    for (size_t i = 0; i < n; i++) {
        payload[2 + i] = reason.p[i];
    }
    frame_put_ws(b, WS_CLOSE, (struct str){payload, n + 2});
}

static void put_sse(struct buf *b, const char *event, const char *id, struct str json) {
    if (id) {
        buf_puts(b, "id: ");
        buf_puts(b, id);
        buf_putc(b, '\n');
    }
    buf_puts(b, "event: ");
    buf_puts(b, event);
    buf_puts(b, "\ndata: ");
    buf_put_str(b, json);
    buf_puts(b, "\n\n");
}

void frame_put(struct buf *b, enum frame_kind kind, const char *event, const char *id,
               struct str json) {
    switch (kind) {
    case FRAME_WS:
        frame_put_ws(b, WS_TEXT, json);
        break;
    case FRAME_SSE:
        put_sse(b, event, id, json);
        break;
    case FRAME_JSON:
        buf_put_str(b, json);
        buf_putc(b, ',');
        break;
    case FRAME_KIND_COUNT:
        break;
    }
}
