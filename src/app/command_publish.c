#include "app/command_publish.h"

#include <stdio.h>
#include <stdlib.h>

#include "app/app.h"
#include "app/http_call.h"
#include "app/options.h"
#include "app/publish_flags.h"
#include "base/codec.h"
#include "model/text.h"

static const char usage[] =
    "Usage: tocsin publish FILE|- [--lines] [OPTIONS]\n"
    "       tocsin publish --urgency U --regions R,R… --headline EDITION=TEXT… [OPTIONS]\n"
    "       tocsin publish --update ID FILE|--headline EDITION=TEXT… [OPTIONS]\n"
    "       tocsin publish --retract ID [OPTIONS]\n"
    "\n"
    "Posts an alert and prints the answer of the service. An answer that got lost is asked for\n"
    "again under the same Idempotency-Key, so nothing is sent twice.\n"
    "\n"
    "  FILE|-                 the alert as JSON, from a file or standard input\n"
    "  --lines                the file has one alert on each line; all are posted\n"
    "  --update ID            corrects that alert; what is left out stays as it was\n"
    "  --retract ID           withdraws it\n"
    "  --sound yes|no         whether the correction is heard on phones (default: if it is a "
    "flash)\n"
    "\n"
    "  --urgency U            flash, high, normal or low\n"
    "  --regions R,R…         or all\n"
    "  --sections S,S…  --editions E,E…  --platforms P,P…  --tags T,T…\n"
    "  --headline E=TEXT      of an edition, e.g. en=…; --body, --url and --image likewise\n"
    "  --fallback E           edition shown where another has no text\n"
    "  --status S             actual (default), test or exercise\n"
    "  --msg-type T           alert (default), update or cancel; the last two with --about ID\n"
    "  --source TEXT  --story ID  --collapse-id ID  --ttl SECONDS\n"
    "  --send-at TIME         not before that time, as in 2026-11-25T20:30:00Z\n"
    "  --embargoed-until TIME never before that time\n"
    "  --hold SECONDS         time to take it back (tocsin drafts cancel)\n"
    "\n"
    "  --allow-duplicate      send although the same text was sent a short while ago\n"
    "  --idempotency-key KEY  default: a fresh one\n"
    "  --newsroom URL         the newsroom listener (default: $TOCSIN_URL, else newsroom.listen)\n"
    "  --key-file FILE        API key with scope publish (default: $TOCSIN_KEY)\n"
    "  --tls.ca_file=FILE     authorities to trust for an https:// URL (default: the system's)\n"
    "\n" OPTIONS_USAGE;

enum { IDEMPOTENCY_KEY_BYTES_MAX = 128 };

struct publish {
    const char *url;
    const char *ca_file;
    const char *key;
    const char *idempotency_key;
    bool allow_duplicate;
};

static int post(const struct publish *p, struct str json, const char *idempotency_key) {
    struct http_reply reply;
    const struct http_call call = {.url = p->url,
                                   .ca_file = p->ca_file,
                                   .key = p->key,
                                   .idempotency_key = idempotency_key,
                                   .allow_duplicate = p->allow_duplicate,
                                   .body = json};
    enum err err = http_call(&call, &reply);
    bool ok = !err && reply.status == 202;
    if (ok) {
        (void)printf("%.*s\n", STR_ARG(buf_str(&reply.body)));
    } else {
        http_reply_complain("publish", p->url, &reply);
        if (err || reply.status >= 500) {
            (void)fprintf(stderr, "  to try again without sending twice: --idempotency-key %s\n",
                          idempotency_key);
        }
    }
    http_reply_finish(&reply);
    return ok ? APP_OK : APP_FAILED;
}

static int post_lines(const struct publish *p, struct str rest) {
    struct str line;
    int status = APP_OK;
    for (int number = 1; str_split(&rest, '\n', &line); number++) {
        if (!str_trim(line).n) {
            continue;
        }
        struct buf key;
        buf_init(&key, 512);
        buf_printf(&key, "%s-%d", p->idempotency_key, number);
        if (post(p, str_trim(line), buf_str(&key).p) != APP_OK) {
            (void)fprintf(stderr, "  (line %d)\n", number);
            status = APP_FAILED;
        }
        buf_finish(&key);
    }
    return status;
}

/* "/v1/alerts", or the path of the correction asked for; NULL after saying what is wrong. */
static char *take_path(struct options *o) {
    const char *update = options_value(o, "--update");
    const char *retract = options_value(o, "--retract");
    const char *id = update ? update : retract;
    struct buf b;
    if (update && retract) {
        (void)fputs("tocsin publish: either --update or --retract\n", stderr);
        return NULL;
    }
    if (id && !codec_is_uuid(str_of(id))) {
        (void)fprintf(stderr, "tocsin publish: %s wants the id of an alert, not \"%s\"\n",
                      update ? "--update" : "--retract", id);
        return NULL;
    }
    buf_init(&b, 128);
    buf_puts(&b, "/v1/alerts");
    if (id) {
        buf_printf(&b, "/%s:%s", id, update ? "update" : "retract");
    }
    return buf_take(&b);
}

/* Posts what the options say; they are good. `p` is completed here. */
static int publish(const struct options *o, const char *base, const char *path,
                   const char *key_file, struct publish p, bool lines, struct str input) {
    char *key = http_call_key("publish", key_file);
    if (!key) {
        return APP_FAILED;
    }
    char *url = http_call_url(base, o->cfg->newsroom_listen, o->cfg->newsroom_tls_listen, path);
    p.url = url;
    p.ca_file = o->cfg->tls_ca_file;
    p.key = key;
    int status = lines ? post_lines(&p, input) : post(&p, input, p.idempotency_key);
    free(url);
    free(key);
    return status;
}

int command_publish(int argc, char **argv) {
    struct options o;
    int status;
    bool lines;
    char fresh[UUID_BYTES];
    struct buf input;
    if (!options_parse(&o, argc, argv, usage, &status)) {
        return status;
    }
    codec_uuid7(fresh);
    buf_init(&input, HTTP_CALL_BODY_MAX);
    const char *base = options_value(&o, "--newsroom");
    const char *key_file = options_value(&o, "--key-file");
    const char *idempotency_key = options_value(&o, "--idempotency-key");
    bool is_bare = o.rest_count == 0;
    char *path = take_path(&o);
    bool allow_duplicate = options_switch(&o, "--allow-duplicate");
    lines = options_switch(&o, "--lines");
    status = APP_USAGE;
    if (idempotency_key && text_check_ascii(str_of(idempotency_key), IDEMPOTENCY_KEY_BYTES_MAX)) {
        (void)fprintf(stderr,
                      "tocsin publish: --idempotency-key wants 1 to %d visible ASCII characters\n",
                      IDEMPOTENCY_KEY_BYTES_MAX);
    } else if (path && publish_flags_read(&o, is_bare, &input)) {
        const struct publish p = {.idempotency_key = idempotency_key ? idempotency_key : fresh,
                                  .allow_duplicate = allow_duplicate};
        status = publish(&o, base, path, key_file, p, lines, buf_str(&input));
    }
    free(path);
    buf_finish(&input);
    options_finish(&o);
    return status;
}
