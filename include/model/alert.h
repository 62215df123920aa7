#pragma once
/* The alert: one breaking item, as posted, stored, logged and delivered (design: CAP 1.2 and
 * ninjs words). Plain data; strings are owned by the alert. */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/codec.h"
#include "base/err.h"
#include "base/str.h"
#include "model/problem.h"
#include "model/taxonomy.h"

enum msg_type { MSG_ALERT, MSG_UPDATE, MSG_CANCEL, MSG_TYPE_COUNT };
enum alert_status { STATUS_ACTUAL, STATUS_EXERCISE, STATUS_TEST, STATUS_DRAFT, STATUS_COUNT };
/* Ordered: a smaller value is more urgent. */
enum urgency { URGENCY_FLASH, URGENCY_HIGH, URGENCY_NORMAL, URGENCY_LOW, URGENCY_COUNT };
/* Whether a correction makes itself heard on phones; by default its urgency decides. */
enum alert_sound { SOUND_DEFAULT, SOUND_OFF, SOUND_ON };
/* Where an alert may go. PLATFORM_STREAM is WebSocket, SSE and long-poll together. */
enum platform { PLATFORM_STREAM, PLATFORM_APNS, PLATFORM_FCM, PLATFORM_WEBPUSH, PLATFORM_COUNT };

extern const char *const msg_type_names[MSG_TYPE_COUNT];
extern const char *const alert_status_names[STATUS_COUNT];
extern const char *const urgency_names[URGENCY_COUNT];
extern const char *const platform_names[PLATFORM_COUNT];
/* Index of `name` in one of the tables above, -1 when absent. */
int name_find(const char *const *names, int count, struct str name);

enum {
    ALERT_TAGS_MAX = 16,
    ALERT_TAG_BYTES_MAX = 64,
    ALERT_HEADLINE_BYTES_MAX = 512, /* people: about 150 graphemes even in Arabic */
    ALERT_BODY_BYTES_MAX = 4096,
    ALERT_URL_BYTES_MAX = 2048,
    ALERT_SHORT_BYTES_MAX = 128,      /* source, story_id */
    ALERT_COLLAPSE_ID_BYTES_MAX = 64, /* apns-collapse-id, Apple "Sending notification requests" */
    ALERT_TTL_DEFAULT_S = 3600,
    ALERT_TTL_MAX_S = 2419200, /* four weeks, FCM's maximum */
    ALERT_HOLD_MAX_S = 3600,
    ALERT_JSON_BYTES_MAX = 65536,
};

/* OR inside a list, AND across lists; an absent list (mask 0) = any. */
struct audience {
    uint64_t regions;       /* as named by the editor; 0 with regions_all */
    uint64_t regions_match; /* with all parents: what followers are compared with */
    bool regions_all;       /* ["all"] was spelled out */
    uint64_t sections;
    uint64_t editions;
    uint32_t platforms; /* bit = enum platform; 0 = all; AUDIENCE_NOBODY = none at all */
};

/* In `platforms`: the stored alert names regions, sections, editions or platforms of which not one
 * is known any more. Dropping them would read as "any" and reach everybody, so it reaches nobody.
 */
#define AUDIENCE_NOBODY (UINT32_C(1) << 31)

struct alert_content {
    char *headline; /* NULL: no content in this language */
    char *body;
    char *url;
    char *image_url;
    bool rtl;
};

struct alert {
    char id[UUID_BYTES];
    uint32_t revision; /* 1 = first */
    enum msg_type msg_type;
    enum alert_status status;
    enum urgency urgency;
    struct audience audience;
    struct alert_content content[TAXONOMY_MAX]; /* by edition index */
    int fallback_edition;                       /* index, -1 = none */
    char *tags[ALERT_TAGS_MAX];
    int tag_count;
    char *source;
    char *story_id;
    char *collapse_id; /* NULL in a request: the id is used */
    enum alert_sound sound;
    char *reference; /* id of the alert that an update or cancel is about, or NULL */
    int64_t ttl_s;
    int64_t sent_ms;  /* wall clock of acceptance */
    char *created_by; /* key id; never leaves the newsroom side */
    /* What a request spelled out: an update or cancel inherits the rest, and a configured default
     * may replace ttl_s where it was left out. */
    bool status_given;
    bool urgency_given;
    bool ttl_given;
    /* When a request wants to be sent; never stored with an alert that was. */
    int64_t send_at_ms; /* wall clock, 0 = now */
    int64_t embargo_ms; /* wall clock, not before, whatever else is said; 0 = none */
    int64_t hold_s;     /* time to take it back, -1 = not said */
};

/* An empty actual alert of normal urgency, no audience, no text. Never NULL. */
struct alert *alert_create(void);

/* A request body of POST /v1/alerts → alert without id, revision, sent_ms, created_by. Every
 * fault goes to `problems`. ERR_PROTOCOL when it is not JSON at all (400; a fault says where),
 * ERR_INVALID for rule violations (422). For update and cancel, audience and content may be
 * absent: the store takes them from the referenced alert. */
MUST_CHECK enum err alert_parse_request(const struct taxonomy *t, struct str json,
                                        struct alert **out_alert, struct problem *problems);
/* The same for the body of a correction whose kind and alert the path names: `msg_type` and
 * `references` in it are faults. */
MUST_CHECK enum err alert_parse_correction(const struct taxonomy *t, struct str json,
                                           enum msg_type msg_type, struct str alert_id,
                                           struct alert **out_alert, struct problem *problems);
/* As alert_parse_request, but of a body that need not be whole yet: the alert holds what could be
 * read, also with a fault (the caller's in any case). */
MUST_CHECK enum err alert_parse_draft(const struct taxonomy *t, struct str json,
                                      struct alert **out_alert, struct problem *problems);
/* The stored and logged form → alert; tolerant of values the taxonomy no longer has. */
MUST_CHECK enum err alert_parse_stored(const struct taxonomy *t, struct str json,
                                       struct alert **out_alert);
/* The stored form, complete and canonical. */
void alert_put_stored(const struct alert *a, const struct taxonomy *t, struct buf *b);
/* Accepts NULL. */
void alert_destroy(struct alert *a);
/* A copy of its own. Never NULL. */
struct alert *alert_copy(const struct alert *a);
/* True when it says when it wants to be sent. */
bool alert_is_timed(const struct alert *a);
/* Completes an update or cancel from the revision it is about: id, revision + 1 and audience; and
 * whatever the request left out: status, urgency, ttl, tags, source, story, collapse id, fallback,
 * and the text of every language that the request does not bring. ERR_CONFLICT when the request
 * spelled out another status: a test stays a test. */
MUST_CHECK enum err alert_inherit(struct alert *a, const struct alert *previous);

/* Editions the alert is meant for and has text for, directly or by fallback. */
uint64_t alert_editions(const struct alert *a, const struct taxonomy *t);
/* The content shown to a reader of `edition`: its own, else the fallback's, else NULL. */
const struct alert_content *alert_content_for(const struct alert *a, int edition);

/* What a reader gets: the JSON object of an alert with only the content of `editions` (mask; 0 =
 * all), no created_by, with "position". `type` is the msg_type, so the object is a complete
 * tocsin.v1 server frame as well as an SSE data line and an element of GET /v1/alerts. With
 * `replay`, "replay":true is added. */
void alert_put_reader_json(const struct alert *a, const struct taxonomy *t, uint64_t editions,
                           const char *position, bool replay, struct buf *b);
