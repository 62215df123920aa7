#pragma once
/* Query parameters of the reading endpoints, WebSocket included: the filter, the position, and
 * what each endpoint allows besides. An unknown parameter is a fault: a misspelt filter must not
 * quietly mean everything. */
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "gateway/recovery.h"
#include "model/filter.h"
#include "model/problem.h"
#include "model/taxonomy.h"

/* Parameters that not every endpoint takes. */
enum { PARAM_POSITION = 1, PARAM_AFTER = 2, PARAM_WAIT = 4, PARAM_LIMIT = 8, PARAM_TOKEN = 16 };

enum {
    TICKER_LIMIT_MAX = 100,
    TICKER_LIMIT_DEFAULT = 10,
    LONGPOLL_WAIT_DEFAULT_S = 25, /* below the 30 s after which many proxies give up */
};

struct params {
    const struct taxonomy *taxonomy;
    unsigned allowed;
    int64_t wait_max_s; /* set after params_init where PARAM_WAIT is allowed */
    bool any;           /* a known parameter was there, the token apart */
    char *token;        /* owned; wiped at the end. NULL = none */
    struct filter filter;
    struct resume resume; /* from position or after */
    int64_t wait_s;       /* -1 = not given */
    int64_t limit;
    struct problem *problems; /* owned */
};

void params_init(struct params *p, const struct taxonomy *t, unsigned allowed);
void params_finish(struct params *p);
/* One parameter, percent-decoded. Faults point at "?name". */
void params_set(struct params *p, struct str name, struct str value);
/* After the last params_set; false when there are faults. */
bool params_complete(struct params *p);
