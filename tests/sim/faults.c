#include "faults.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

const char *const provider_names[PROVIDER_COUNT] = {"apns", "fcm", "oauth"};

enum { ON_APNS = 1, ON_FCM = 2, ON_OAUTH = 4, ON_ALL = 7, DEFAULT_WINDOW_MS = 1000 };

struct fault_row {
    const char *name;
    unsigned listeners;
    const char *modes;
};

static const struct fault_row rows[FAULT_COUNT] = {
#define FAULT(id, name, listeners, modes, help) [id] = {name, listeners, modes},
#include "faults_table.h"
#undef FAULT
};

enum field_type { FIELD_INT, FIELD_REAL, FIELD_BOOL };

struct field {
    const char *name;
    enum field_type type;
    size_t offset;
};

#define FIELD(name, type)                                                                          \
    { #name, type, offsetof(struct fault, name) }
static const struct field fields[] = {
    FIELD(count, FIELD_INT),
    FIELD(after, FIELD_INT),
    FIELD(probability, FIELD_REAL),
    FIELD(ms, FIELD_INT),
    FIELD(max_ms, FIELD_INT),
    FIELD(tail_ms, FIELD_INT),
    FIELD(tail_probability, FIELD_REAL),
    FIELD(value, FIELD_INT),
    FIELD(retry_after, FIELD_INT),
    FIELD(retry_date, FIELD_BOOL),
    FIELD(accepted, FIELD_BOOL),
    FIELD(now, FIELD_BOOL),
};

static int find_fault(enum provider provider, const char *name) {
    for (int i = 0; i < FAULT_COUNT; i++) {
        if (rows[i].listeners & 1U << provider && strcmp(rows[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

/* Index of `word` in "a|b|c", -1 when absent. */
static int find_mode(const char *modes, const char *word) {
    struct str rest = str_of(modes);
    struct str mode;
    for (int i = 0; str_split(&rest, '|', &mode); i++) {
        if (mode.n && str_eq(mode, str_of(word))) {
            return i;
        }
    }
    return -1;
}

static bool set_plain(struct fault *f, const cJSON *item) {
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (strcmp(fields[i].name, item->string) != 0) {
            continue;
        }
        void *at = (char *)f + fields[i].offset;
        switch (fields[i].type) {
        case FIELD_INT:
            *(int64_t *)at = (int64_t)item->valuedouble;
            return cJSON_IsNumber(item);
        case FIELD_REAL:
            *(double *)at = item->valuedouble;
            return cJSON_IsNumber(item) && item->valuedouble >= 0 && item->valuedouble <= 1;
        case FIELD_BOOL:
            *(bool *)at = cJSON_IsTrue(item);
            return cJSON_IsBool(item);
        }
    }
    return false;
}

static bool set_member(struct fault *f, const char *modes, const cJSON *item) {
    const char *text = cJSON_GetStringValue(item);
    if (strcmp(item->string, "mode") == 0) {
        f->mode = text ? find_mode(modes, text) : -1;
        return f->mode >= 0;
    }
    if (strcmp(item->string, "stage") == 0) {
        f->after_headers = text && strcmp(text, "after_headers") == 0;
        return f->after_headers || (text && strcmp(text, "before") == 0);
    }
    if (strcmp(item->string, "reason") == 0) {
        return text && snprintf(f->reason, sizeof(f->reason), "%s", text) < FAULT_WORD_BYTES;
    }
    if (strcmp(item->string, "status") == 0) {
        f->status = item->valueint;
        return cJSON_IsNumber(item) && item->valueint >= 200 && item->valueint <= 599;
    }
    if (strcmp(item->string, "for_ms") == 0) {
        f->until_ms = clock_mono_ms() + (int64_t)item->valuedouble;
        return cJSON_IsNumber(item) && item->valuedouble > 0;
    }
    return set_plain(f, item);
}

/* One fault's object; null and false switch off, true is {}. */
static enum err parse_fault(const char *modes, const cJSON *value, struct fault *out,
                            struct buf *problem) {
    uint64_t fired = out->fired;
    *out = (struct fault){.fired = fired};
    if (cJSON_IsNull(value) || cJSON_IsFalse(value)) {
        return ERR_OK;
    }
    out->on = true;
    out->count = -1;
    out->probability = 1;
    out->retry_after = -1;
    if (cJSON_IsTrue(value)) {
        return ERR_OK;
    }
    if (!cJSON_IsObject(value)) {
        buf_printf(problem, "%s: want an object, true, false or null", value->string);
        return ERR_INVALID;
    }
    const cJSON *item;
    cJSON_ArrayForEach(item, value) {
        if (!set_member(out, modes, item)) {
            buf_printf(problem, "%s.%s: unknown member or bad value", value->string, item->string);
            return ERR_INVALID;
        }
    }
    return ERR_OK;
}

enum err faults_apply(struct fault faults[FAULT_COUNT], enum provider provider, const cJSON *object,
                      uint64_t *out_set, struct buf *problem) {
    struct fault changed[FAULT_COUNT];
    memcpy(changed, faults, sizeof(changed));
    uint64_t set = 0;
    if (!cJSON_IsObject(object)) {
        buf_printf(problem, "%s: want an object of faults", provider_names[provider]);
        return ERR_INVALID;
    }
    const cJSON *item;
    cJSON_ArrayForEach(item, object) {
        int id = find_fault(provider, item->string);
        if (id < 0) {
            buf_printf(problem, "%s: no fault \"%s\"", provider_names[provider], item->string);
            return ERR_INVALID;
        }
        if (parse_fault(rows[id].modes, item, &changed[id], problem) != ERR_OK) {
            return ERR_INVALID;
        }
        set |= (uint64_t)1 << id;
    }
    memcpy(faults, changed, sizeof(changed));
    *out_set = set;
    return ERR_OK;
}

void faults_put_json(const struct fault faults[FAULT_COUNT], struct buf *b) {
    const char *comma = "";
    buf_putc(b, '{');
    for (int i = 0; i < FAULT_COUNT; i++) {
        if (faults[i].on || faults[i].fired) {
            buf_printf(b, "%s\"%s\":%llu", comma, rows[i].name,
                       (unsigned long long)faults[i].fired);
            comma = ",";
        }
    }
    buf_putc(b, '}');
}

bool fault_is_on(struct fault *f) {
    if (!f->on) {
        return false;
    }
    if (f->count == 0 || (f->until_ms && clock_mono_ms() >= f->until_ms)) {
        f->on = false;
    }
    return f->on;
}

void fault_count(struct fault *f) {
    f->fired++;
    if (f->count > 0) {
        f->count--;
    }
}

bool fault_fires(struct fault *f, struct rng *rng) {
    if (!fault_is_on(f)) {
        return false;
    }
    if (f->after > 0) {
        f->after--;
        return false;
    }
    if (f->probability < 1 && rng_unit(rng) >= f->probability) {
        return false;
    }
    fault_count(f);
    return true;
}

bool fault_over_rate(const struct fault *f, struct rate_window *w, int64_t now_ms) {
    int64_t window_ms = f->ms > 0 ? f->ms : DEFAULT_WINDOW_MS;
    if (now_ms - w->start_ms >= window_ms) {
        *w = (struct rate_window){.start_ms = now_ms};
    }
    return ++w->used > f->value;
}
