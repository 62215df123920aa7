#include "newsroom/stats_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "model/json.h"
#include "newsroom/reads.h"
#include "store/alert_store.h"
#include "store/key_store.h"

enum {
    LOOK_MS = 500,
    KEY_LOOK_MS = 2000, /* how often the keys and sessions of those who watch are looked at */
    COMMENT_MS = 15000, /* a line at least so often, so that a client that left is noticed */
    BEHIND_MAX = 60,    /* looks that a client did not take, then it is let go: half a minute */
    EVENT_BYTES_MAX = 1 << 18,
    QUEUE_BYTES_MAX = 1 << 18, /* unsent bytes of one client */
};

struct stats_streams {
    struct room *room;
    struct list topics;  /* of topic.link */
    int64_t count;       /* watchers */
    int64_t key_look_ms; /* monotonic: the next is due */
    bool is_stopping;
};

/* One revision of an alert (0 = the latest) and who watches it. */
struct topic {
    struct list link;
    struct stats_streams *streams; /* borrowed */
    char id[UUID_BYTES];
    uint32_t revision;
    struct list watchers; /* of watcher.link */
    char *json;           /* what was last said; owned */
    int64_t look_ms;      /* monotonic: the next is due */
    int64_t said_ms;      /* monotonic: when anything was last written */
    bool is_looking;
};

struct watcher {
    struct list link;
    struct topic *topic;     /* borrowed */
    struct call *call;       /* until the stream begins; owned */
    struct http_request *rq; /* from then on */
    char key_id[API_KEY_ID_BYTES];
    char session_id[SESSION_ID_BYTES]; /* "" = came with the key itself */
    bool is_owed;                      /* has not what was last said */
    int behind;                        /* looks in a row that it could not take */
};

/* --- watchers and topics --- */

static void remove_watcher(struct watcher *w) {
    struct stats_streams *s = w->topic->streams;
    list_remove(&w->link);
    metrics_set(M_STATS_STREAMS, --s->count);
    free(w);
}

static void on_gone(void *user) {
    remove_watcher(user);
}

static void end_stream(struct watcher *w) {
    struct http_request *rq = w->rq;
    remove_watcher(w);
    http_stream_end(rq);
}

static void free_topic_if_over(struct topic *topic) {
    if (!topic->is_looking && list_is_empty(&topic->watchers)) {
        list_remove(&topic->link);
        free(topic->json);
        free(topic);
    }
}

static struct topic *topic_of(struct stats_streams *s, struct str id, uint32_t revision) {
    LIST_EACH(it, &s->topics) {
        struct topic *topic = LIST_ENTRY(it, struct topic, link);
        if (topic->revision == revision && str_eq(str_of(topic->id), id)) {
            return topic;
        }
    }
    struct topic *topic = mem_zalloc(1, sizeof(*topic));
    topic->streams = s;
    topic->revision = revision;
    memcpy(topic->id, id.p, id.n < sizeof(topic->id) ? id.n : 0);
    list_init(&topic->watchers);
    list_push_back(&s->topics, &topic->link);
    return topic;
}

/* --- what is said --- */

static bool is_final(struct str json) {
    struct problem *ignored = problem_create();
    struct cJSON *root = NULL;
    struct str state = STR("");
    bool final = false;
    if (json_parse(json, "", &root, ignored) == ERR_OK) {
        const struct json_reader r = {.object = root, .pointer = "", .problems = ignored};
        final = json_read_string(&r, "state", &state) &&
                (str_eq(state, STR("done")) || str_eq(state, STR("aborted")));
    }
    json_destroy(root);
    problem_destroy(ignored);
    return final;
}

/* Its first answer was bad; nothing has been streamed to it. */
static void refuse_watcher(struct watcher *w, enum err err) {
    struct call *call = w->call;
    remove_watcher(w);
    reads_answer_error(call, err);
}

/* False when the client left while Redis was asked. */
static bool begin_stream(struct watcher *w) {
    struct call *call = w->call;
    if (!call) {
        return true;
    }
    w->call = NULL;
    w->rq = call->rq;
    call_end(call);
    if (!w->rq) {
        remove_watcher(w);
        return false;
    }
    http_add_header(w->rq, "Cache-Control", "no-store");
    http_stream_begin(w->rq, "text/event-stream", NULL, on_gone, w);
    return true;
}

static void say(struct watcher *w, struct str event, bool final) {
    if (!begin_stream(w)) {
        return;
    }
    w->is_owed = http_stream_write(w->rq, event, QUEUE_BYTES_MAX) != ERR_OK;
    w->behind = w->is_owed ? w->behind + 1 : 0;
    if (w->behind > BEHIND_MAX || (final && !w->is_owed)) {
        end_stream(w);
    }
}

static void say_to_all(struct topic *topic, struct str json) {
    bool final = is_final(json);
    bool is_news = !topic->json || !str_eq(str_of(topic->json), json);
    struct buf event;
    if (is_news) {
        free(topic->json);
        topic->json = mem_strndup(json.p, json.n);
    }
    buf_init(&event, EVENT_BYTES_MAX);
    buf_printf(&event, "event: stats\ndata: %.*s\n\n%s", STR_ARG(json),
               final ? "event: done\ndata: {}\n\n" : "");
    LIST_EACH_SAFE(it, &topic->watchers) {
        struct watcher *w = LIST_ENTRY(it, struct watcher, link);
        if (is_news || w->is_owed) {
            topic->said_ms = clock_mono_ms();
            say(w, buf_str(&event), final);
        }
    }
    buf_finish(&event);
}

static void on_stats(void *user, enum err err, struct str json) {
    struct topic *topic = user;
    topic->is_looking = false;
    if (topic->streams->is_stopping) {
        err = ERR_CLOSED; /* no stream begins any more */
    }
    if (err == ERR_OK) {
        say_to_all(topic, json);
    } else {
        LIST_EACH_SAFE(it, &topic->watchers) {
            struct watcher *w = LIST_ENTRY(it, struct watcher, link);
            if (w->call) {
                refuse_watcher(w, err);
            } else if (err == ERR_NOT_FOUND) {
                end_stream(w); /* no longer kept */
            }
        }
    }
    free_topic_if_over(topic);
}

static void look(struct topic *topic) {
    const struct room *room = topic->streams->room;
    if (!topic->is_looking) {
        topic->is_looking = true;
        topic->look_ms = clock_mono_ms() + LOOK_MS;
        alert_store_stats(room->store, room->t, str_of(topic->id), topic->revision, on_stats,
                          topic);
    }
}

/* --- requests --- */

static void stream_with_key(struct call *call) {
    struct stats_streams *s = call->room->streams;
    struct str id;
    uint32_t revision;
    if (!reads_stats_wish(call, &id, &revision)) {
        return;
    }
    if (s->is_stopping || s->count >= call->room->cfg->newsroom_stats_streams_max) {
        metrics_add(M_STATS_STREAMS_REFUSED, 1);
        call_unavailable(call, "Too many streams of statistics are open; ask for /stats instead.");
        return;
    }
    struct topic *topic = topic_of(s, id, revision);
    struct watcher *w = mem_zalloc(1, sizeof(*w));
    *w = (struct watcher){.topic = topic, .call = call, .is_owed = true};
    memcpy(w->key_id, call->key.id, sizeof(w->key_id));
    memcpy(w->session_id, call->session.id, sizeof(w->session_id));
    list_push_back(&topic->watchers, &w->link);
    metrics_set(M_STATS_STREAMS, ++s->count);
    look(topic);
}

void stats_stream_get(struct room *room, struct http_request *rq) {
    call_begin_read(room, rq, stream_with_key);
}

/* --- keys and sessions --- */

struct pass_look {
    struct stats_streams *streams;
    char id[SESSION_ID_BYTES]; /* of a key or of a session */
};

static struct pass_look *pass_look_of(struct stats_streams *s, const char *id) {
    struct pass_look *look = mem_zalloc(1, sizeof(*look));
    look->streams = s;
    (void)snprintf(look->id, sizeof(look->id), "%s", id);
    return look;
}

static void end_streams_of(const struct pass_look *look) {
    LIST_EACH(it, &look->streams->topics) {
        LIST_EACH_SAFE(at, &LIST_ENTRY(it, struct topic, link)->watchers) {
            struct watcher *w = LIST_ENTRY(at, struct watcher, link);
            bool is_its = strcmp(w->key_id, look->id) == 0 || strcmp(w->session_id, look->id) == 0;
            if (w->rq && is_its) {
                end_stream(w);
            }
        }
    }
}

static void on_key(void *user, enum err err, struct str json) {
    struct pass_look look = *(struct pass_look *)user;
    struct api_key key;
    free(user);
    bool is_good = !err && !api_key_parse_json(look.streams->room->t, json, &key) && !key.revoked;
    if (!is_good && (!err || err == ERR_NOT_FOUND)) {
        end_streams_of(&look);
    }
}

static void on_session(void *user, enum err err) {
    struct pass_look look = *(struct pass_look *)user;
    free(user);
    if (err == ERR_NOT_FOUND) {
        end_streams_of(&look);
    }
}

/* A stream may last for hours; meanwhile its key may be revoked, or whoever watches sign out. */
static void look_at_passes(struct stats_streams *s) {
    LIST_EACH(it, &s->topics) {
        LIST_EACH(at, &LIST_ENTRY(it, struct topic, link)->watchers) {
            const struct watcher *w = LIST_ENTRY(at, struct watcher, link);
            key_store_get(s->room->store, str_of(w->key_id), on_key, pass_look_of(s, w->key_id));
            if (w->session_id[0]) {
                session_store_look(s->room->store, w->session_id, on_session,
                                   pass_look_of(s, w->session_id));
            }
        }
    }
}

/* --- time --- */

static void comment(struct topic *topic, int64_t now_ms) {
    topic->said_ms = now_ms;
    LIST_EACH_SAFE(it, &topic->watchers) {
        struct watcher *w = LIST_ENTRY(it, struct watcher, link);
        if (w->rq && http_stream_write(w->rq, STR(":\n\n"), QUEUE_BYTES_MAX) != ERR_OK) {
            end_stream(w);
        }
    }
}

void stats_streams_tick(struct stats_streams *s) {
    int64_t now_ms = clock_mono_ms();
    if (now_ms >= s->key_look_ms) {
        s->key_look_ms = now_ms + KEY_LOOK_MS;
        look_at_passes(s);
    }
    LIST_EACH_SAFE(it, &s->topics) {
        struct topic *topic = LIST_ENTRY(it, struct topic, link);
        if (topic->said_ms && now_ms - topic->said_ms >= COMMENT_MS) {
            comment(topic, now_ms);
        }
        if (list_is_empty(&topic->watchers)) {
            free_topic_if_over(topic);
        } else if (now_ms >= topic->look_ms) {
            look(topic);
        }
    }
}

/* --- life --- */

struct stats_streams *stats_streams_create(struct room *room) {
    struct stats_streams *s = mem_zalloc(1, sizeof(*s));
    s->room = room;
    list_init(&s->topics);
    return s;
}

void stats_streams_stop(struct stats_streams *s) {
    s->is_stopping = true;
    LIST_EACH(it, &s->topics) {
        LIST_EACH_SAFE(at, &LIST_ENTRY(it, struct topic, link)->watchers) {
            struct watcher *w = LIST_ENTRY(at, struct watcher, link);
            if (w->rq) {
                end_stream(w);
            }
        }
    }
}

void stats_streams_destroy(struct stats_streams *s) {
    if (!s) {
        return;
    }
    LIST_EACH_SAFE(it, &s->topics) {
        free_topic_if_over(LIST_ENTRY(it, struct topic, link));
    }
    free(s);
}
