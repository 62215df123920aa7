#include "app/sse_client.h"

#include <stdio.h>
#include <unistd.h>

#include <curl/curl.h>

#include "app/app.h"
#include "app/http_call.h"
#include "base/clock.h"
#include "base/codec.h"

enum {
    FIRST_WAIT_MS = 250,
    LONGEST_WAIT_MS = 10000,
    SILENCE_S = 90, /* a stream quiet for so long, and for three of its heartbeats, is dead */
    HEADERS_BYTES_MAX = 16384,
};

static void on_feed(void *user, struct str event, struct str id, struct str data) {
    struct sse_client *c = user;
    c->wait_ms = FIRST_WAIT_MS;
    c->on_event(c->user, event, id, data);
}

static size_t on_bytes(char *bytes, size_t size, size_t count, void *user) {
    struct sse_client *c = user;
    struct str piece = {bytes, size * count};
    c->heard_ms = clock_mono_ms();
    if (c->status != 200) {
        buf_put_str(&c->refusal, piece);
        return piece.n;
    }
    return sse_feed_take(&c->feed, piece) && !c->is_enough(c->user) ? piece.n : 0;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *user) {
    struct sse_client *c = user;
    struct str line = {bytes, size * count};
    struct str version;
    struct str code;
    uint64_t status;
    if (str_starts(line, STR("HTTP/")) && str_split(&line, ' ', &version) &&
        str_split(&line, ' ', &code) && !str_to_u64(str_trim(code), &status)) {
        c->status = (long)status;
    }
    return size * count;
}

/* Comes about each second; anything but 0 ends the transfer. */
static int on_progress(void *user, curl_off_t to_get, curl_off_t got, curl_off_t to_send,
                       curl_off_t sent) {
    const struct sse_client *c = user;
    int64_t silence_s = 3 * c->heartbeat_s > SILENCE_S ? 3 * c->heartbeat_s : SILENCE_S;
    (void)to_get;
    (void)got;
    (void)to_send;
    (void)sent;
    return clock_mono_ms() - c->heard_ms > silence_s * 1000;
}

static struct curl_slist *make_headers(struct str lines) {
    struct curl_slist *headers = curl_slist_append(NULL, "Accept: text/event-stream");
    struct buf line;
    struct str part;
    buf_init(&line, HEADERS_BYTES_MAX);
    while (str_split(&lines, '\n', &part)) {
        if (part.n) {
            buf_clear(&line);
            buf_put_str(&line, part);
            headers = curl_slist_append(headers, line.p);
        }
    }
    buf_wipe(&line);
    return headers;
}

/* One connection, until it ends. */
static CURLcode follow(struct sse_client *c, CURL *curl, struct str header_lines) {
    struct curl_slist *headers = make_headers(header_lines);
    c->status = 0;
    c->bye_ms = -1;
    c->heard_ms = clock_mono_ms();
    buf_clear(&c->refusal);
    sse_feed_finish(&c->feed);
    (void)curl_easy_setopt(curl, CURLOPT_URL, c->url);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, c);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERDATA, c);
    (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 10L);
    (void)curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    (void)curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    (void)curl_easy_setopt(curl, CURLOPT_XFERINFODATA, c);
    http_call_setup(curl, c->ca_file);
    CURLcode code = curl_easy_perform(curl);
    curl_slist_free_all(headers);
    return code;
}

/* Waits before the next connection: as told by the server, else longer each time, never all
 * clients at once. */
static void pause_before_next(struct sse_client *c, CURLcode code) {
    long base = c->bye_ms >= 0 ? c->bye_ms : c->wait_ms;
    long pause_ms = base + (long)codec_random_below((uint64_t)c->wait_ms);
    if (c->status && c->status != 200) {
        (void)fprintf(stderr, "tocsin %s: the answer was %ld", c->command, c->status);
    } else {
        (void)fprintf(stderr, "tocsin %s: %s", c->command,
                      code == CURLE_OK                    ? "the stream ended"
                      : code == CURLE_ABORTED_BY_CALLBACK ? "the stream went silent"
                                                          : curl_easy_strerror(code));
    }
    (void)fprintf(stderr, "; again in %.1f s\n", (double)pause_ms / 1000);
    (void)usleep((useconds_t)pause_ms * 1000);
    c->wait_ms = c->wait_ms * 2 < LONGEST_WAIT_MS ? c->wait_ms * 2 : LONGEST_WAIT_MS;
}

/* True when another connection may help. */
static bool may_return(const struct sse_client *c) {
    bool is_busy = c->status == 429 || c->status >= 500;
    if (!c->status || c->status == 200 || is_busy) {
        return true;
    }
    const struct http_reply reply = {.status = c->status, .body = c->refusal};
    http_reply_complain(c->command, c->url, &reply);
    return false;
}

int sse_client_run(struct sse_client *c) {
    CURL *curl = curl_easy_init();
    struct buf lines;
    int status = APP_FAILED;
    c->wait_ms = FIRST_WAIT_MS;
    buf_init(&lines, HEADERS_BYTES_MAX);
    buf_init(&c->refusal, HTTP_CALL_BODY_MAX);
    sse_feed_init(&c->feed, on_feed, c);
    while (curl) {
        buf_clear(&lines);
        if (!c->put_headers(c->user, &lines)) {
            break;
        }
        CURLcode code = follow(c, curl, buf_str(&lines));
        if (c->is_enough(c->user)) {
            status = APP_OK;
            break;
        }
        if (!may_return(c)) {
            break;
        }
        pause_before_next(c, code);
    }
    sse_feed_finish(&c->feed);
    buf_finish(&c->refusal);
    buf_wipe(&lines);
    curl_easy_cleanup(curl);
    return status;
}
