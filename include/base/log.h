#pragma once
/* One line per event, key=value or JSON, to standard error. Always with the id that lets one
 * follow an alert (alert_id, session_id, job_id); never a token, a key or a payload. Repeats of
 * one event are limited to LOG_BURST a second, the rest counted in the next line of that event.
 * Standard error is written without waiting: a full pipe drops the line and counts it. */
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_FORMAT_KV, LOG_FORMAT_JSON };
enum { LOG_BURST = 50, LOG_LINE_MAX = 4096 };

struct log_field {
    const char *key; /* NULL ends a list */
    const char *text;
    int64_t number; /* used when text is NULL */
    size_t size;    /* bytes of text */
};

#define LOG_S(k, v)    log_text((k), str_of(v))
#define LOG_STR(k, v)  log_text((k), (v))
#define LOG_I(k, v)    ((struct log_field){.key = (k), .number = (int64_t)(v)})
#define LOG_ERR(e)     log_text("err", str_of(err_name(e)))

#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)  log_at(LOG_INFO, __VA_ARGS__)
#define log_warn(...)  log_at(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_at(LOG_ERROR, __VA_ARGS__)
/* log_info("alert_published", LOG_S("alert_id", id), LOG_I("seq", seq)); fields are optional. */
#define log_at(level, event, ...)                                                                  \
    log_write((level), (event), (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){0}})

struct log_field log_text(const char *key, struct str value);
/* Process-wide settings, before the first line. */
void log_setup(enum log_format format, enum log_level least);
/* Every line of this process carries role=`role` worker=`index`. `role` must stay valid. */
void log_set_worker(const char *role, int index);
void log_write(enum log_level level, const char *event, const struct log_field *fields);
/* "debug", "info", "warn", "error"; ERR_INVALID otherwise. */
MUST_CHECK enum err log_level_parse(struct str name, enum log_level *out_level);
