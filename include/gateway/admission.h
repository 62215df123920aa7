#pragma once
/* May this reader come in, and may it follow this? The token where tokens are demanded, and the
 * limits of a filter. Shared by WebSocket, SSE, long-poll and ticker. */
#include <stdbool.h>

#include "auth/token_gate.h"
#include "gateway/params.h"
#include "model/filter.h"
#include "model/problem.h"
#include "model/taxonomy.h"

struct http_request;

struct admission {
    const struct taxonomy *taxonomy;
    const struct token_gate *gate; /* NULL = no token is needed */
    int filter_tags_max;
};

/* Holds a filter to its limits and to the grant of a token (NULL where none is needed). What it
 * leaves open is narrowed to the grant; what it names beyond is a fault (out_of_scope) at `prefix`
 * and the name, "?regions" or "/filter/regions". True when there is none. */
bool admission_filter(const struct admission *a, const struct token_grant *grant,
                      const char *prefix, struct filter *f, struct problem *problems);
/* For an HTTP request with its parameters set: checks its token (Authorization: Bearer or ?token=),
 * completes the parameters and narrows the filter. Answers and returns false when it may not go on.
 * `*out_expires_ms` is the wall time when the token ends; 0 = no token is needed. */
bool admission_http(const struct admission *a, struct http_request *rq, struct params *params,
                    int64_t *out_expires_ms);
