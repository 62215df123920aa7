#include "app/http_call.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <curl/curl.h>

#include "base/mem.h"
#include "model/json.h"
#include "model/text.h"

enum { FIRST_WAIT_MS = 250, LONGEST_WAIT_MS = 30000, KEY_BYTES_MAX = 256, URL_BYTES_MAX = 65536 };

static size_t on_bytes(char *bytes, size_t size, size_t count, void *user) {
    struct buf *b = user;
    buf_put(b, bytes, size * count);
    return b->overflow ? 0 : size * count;
}

static struct curl_slist *make_headers(const struct http_call *call) {
    struct buf line;
    struct curl_slist *headers = NULL;
    buf_init(&line, 8192);
    if (call->key) {
        buf_printf(&line, "Authorization: Bearer %s", call->key);
        headers = curl_slist_append(headers, line.p);
        buf_clear(&line);
    }
    if (call->idempotency_key) {
        buf_printf(&line, "Idempotency-Key: %s", call->idempotency_key);
        headers = curl_slist_append(headers, line.p);
    }
    if (call->allow_duplicate) {
        headers = curl_slist_append(headers, "Allow-Duplicate: true");
    }
    if (call->body.p) {
        headers = curl_slist_append(headers, "Content-Type: application/json");
        headers = curl_slist_append(headers, "Expect:");
    }
    buf_finish(&line);
    return headers;
}

/* Faults of trust or of a file: the next try would find them as they are. */
static bool is_hopeless(CURLcode code) {
    return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE;
}

/* One try. Returns how long the server asks to wait, in milliseconds, 0 when it does not; -1 when
 * there is no use in another. */
static long attempt(CURL *curl, const struct http_call *call, struct http_reply *reply) {
    curl_off_t retry_after_s = 0;
    reply->status = 0;
    reply->error[0] = '\0';
    buf_clear(&reply->body);
    CURLcode code = curl_easy_perform(curl);
    if (code != CURLE_OK) {
        (void)snprintf(reply->error, sizeof(reply->error), "%s: %s", call->url,
                       curl_easy_strerror(code));
        return is_hopeless(code) ? -1 : 0;
    }
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply->status);
    (void)curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &retry_after_s);
    return retry_after_s < LONGEST_WAIT_MS / 1000 ? (long)retry_after_s * 1000 : LONGEST_WAIT_MS;
}

/* The key is stopped until an admin has looked at it; no wait ends that. */
static bool is_stopped(const struct http_reply *reply) {
    struct problem *ignored = problem_create();
    struct cJSON *root = NULL;
    bool stopped = false;
    if (reply->status == 429 && json_parse(buf_str(&reply->body), "", &root, ignored) == ERR_OK) {
        const struct json_reader r = {.object = root, .pointer = "", .problems = ignored};
        const struct cJSON *errors = json_member(&r, "errors");
        for (const struct cJSON *it = json_next(errors, NULL); it; it = json_next(errors, it)) {
            const struct json_reader fault = {.object = it, .pointer = "", .problems = ignored};
            struct str code = STR("");
            (void)json_read_string(&fault, "code", &code);
            stopped = stopped || str_eq(code, STR("breaker_open"));
        }
    }
    json_destroy(root);
    problem_destroy(ignored);
    return stopped;
}

static bool is_repeatable(const struct http_call *call, const struct http_reply *reply) {
    return (!call->body.p || call->is_idempotent || call->idempotency_key) &&
           (reply->status == 0 || reply->status == 429 || reply->status == 503) &&
           !is_stopped(reply);
}

void http_call_setup(void *curl, const char *ca_file) {
    (void)curl_easy_setopt(curl, CURLOPT_USERAGENT, "tocsin/" TOCSIN_VERSION);
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    if (ca_file[0]) {
        (void)curl_easy_setopt(curl, CURLOPT_CAINFO, ca_file);
    }
}

enum err http_call(const struct http_call *call, struct http_reply *out_reply) {
    *out_reply = (struct http_reply){0};
    buf_init(&out_reply->body, HTTP_CALL_BODY_MAX);
    CURL *curl = curl_easy_init();
    if (!curl) {
        return ERR_UNAVAILABLE;
    }
    struct curl_slist *headers = make_headers(call);
    (void)curl_easy_setopt(curl, CURLOPT_URL, call->url);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, &out_reply->body);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)HTTP_CALL_TIMEOUT_S);
    http_call_setup(curl, call->ca_file);
    if (call->body.p) {
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)call->body.n);
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call->body.p);
    }
    long wait_ms = FIRST_WAIT_MS;
    for (int i = 1;; i++) {
        long asked_ms = attempt(curl, call, out_reply);
        if (i == HTTP_CALL_TRIES || asked_ms < 0 || !is_repeatable(call, out_reply)) {
            break;
        }
        long pause_ms = asked_ms > wait_ms ? asked_ms : wait_ms;
        (void)usleep((useconds_t)pause_ms * 1000);
        wait_ms *= 2;
    }
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return out_reply->status ? ERR_OK : ERR_UNAVAILABLE;
}

void http_reply_finish(struct http_reply *reply) {
    buf_finish(&reply->body);
}

static void complain_faults(const struct cJSON *errors) {
    for (const struct cJSON *it = json_next(errors, NULL); it; it = json_next(errors, it)) {
        const struct json_reader fault = {.object = it};
        struct str pointer = STR("");
        struct str detail = STR("");
        (void)json_read_string(&fault, "pointer", &pointer);
        (void)json_read_string(&fault, "detail", &detail);
        (void)fprintf(stderr, "  %.*s: %.*s\n", STR_ARG(pointer), STR_ARG(detail));
    }
}

void http_reply_complain(const char *command, const char *url, const struct http_reply *reply) {
    if (!reply->status) {
        (void)fprintf(stderr, "tocsin %s: %s\n", command, reply->error);
        return;
    }
    struct problem *ignored = problem_create();
    struct cJSON *root = NULL;
    struct str title = STR("");
    struct str detail = STR("");
    if (json_parse(buf_str(&reply->body), "", &root, ignored) == ERR_OK) {
        const struct json_reader r = {.object = root};
        (void)json_read_string(&r, "title", &title);
        (void)json_read_string(&r, "detail", &detail);
    }
    (void)fprintf(stderr, "tocsin %s: %s answered %ld %.*s%s%.*s\n", command, url, reply->status,
                  STR_ARG(title), detail.n ? ": " : "", STR_ARG(detail));
    if (root) {
        const struct json_reader r = {.object = root};
        complain_faults(json_member(&r, "errors"));
    }
    json_destroy(root);
    problem_destroy(ignored);
}

char *http_call_url(const char *given, const char *listen, const char *tls_listen,
                    const char *path) {
    struct buf url;
    const char *from_env = getenv("TOCSIN_URL");
    buf_init(&url, URL_BYTES_MAX);
    if (given || (from_env && from_env[0])) {
        struct str base = str_of(given ? given : from_env);
        while (base.n && base.p[base.n - 1] == '/') {
            base.n--;
        }
        buf_put_str(&url, base);
    } else {
        const char *address = listen[0] ? listen : tls_listen;
        const char *port = strrchr(address, ':');
        bool any = strncmp(address, "0.0.0.0:", 8) == 0 || strncmp(address, "[::]:", 5) == 0;
        buf_puts(&url, listen[0] ? "http://" : "https://");
        if (any && port) {
            buf_printf(&url, "127.0.0.1%s", port);
        } else {
            buf_puts(&url, address);
        }
    }
    buf_puts(&url, path);
    return buf_take(&url);
}

void http_call_put_escaped(struct buf *b, const char *text) {
    char *escaped = curl_easy_escape(NULL, text, 0);
    if (escaped) {
        buf_puts(b, escaped);
    }
    curl_free(escaped);
}

/* The key without white space around it; NULL after saying that it cannot be one (a line break
 * would end the header it travels in). */
static char *take_key(const char *command, struct str text, const char *where) {
    struct str key = str_trim(text);
    if (text_check_ascii(key, KEY_BYTES_MAX)) {
        (void)fprintf(stderr, "tocsin %s: what %s holds is no API key\n", command, where);
        return NULL;
    }
    return mem_strndup(key.p, key.n);
}

char *http_call_key(const char *command, const char *file) {
    const char *from_env = getenv("TOCSIN_KEY");
    if (!file && from_env && from_env[0]) {
        return take_key(command, str_of(from_env), "TOCSIN_KEY");
    }
    if (!file) {
        (void)fprintf(stderr,
                      "tocsin %s: an API key is needed: set TOCSIN_KEY or give --key-file FILE "
                      "(make one with \"tocsin key create\")\n",
                      command);
        return NULL;
    }
    struct buf text;
    char *key = NULL;
    buf_init(&text, 4096);
    enum err err = http_call_read_file(file, &text);
    if (err) {
        (void)fprintf(stderr, "tocsin %s: cannot read the key file %s: %s\n", command, file,
                      err == ERR_TOO_LARGE ? "too large" : strerror(errno));
    } else {
        key = take_key(command, buf_str(&text), file);
    }
    buf_finish(&text);
    return key;
}

enum err http_call_read_file(const char *path, struct buf *b) {
    char chunk[8192];
    size_t n;
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
    if (!f) {
        return ERR_IO;
    }
    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0) {
        buf_put(b, chunk, n);
    }
    int error = ferror(f) ? errno : 0;
    if (f != stdin) {
        (void)fclose(f);
    }
    errno = error;
    return error ? ERR_IO : buf_check(b);
}
