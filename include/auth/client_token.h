#pragma once
/* What a reader's token (a JWT of the newsroom's own sign-in) allows. Pure: keys, rules and the
 * time come in, a grant or a named fault comes out. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/jwt_verify.h"
#include "base/str.h"
#include "model/taxonomy.h"

struct token_rules {
    const char *issuer;     /* `iss` must be this; "" = not looked at */
    const char *audience;   /* `aud` must be or contain this; "" = not looked at */
    int64_t leeway_s;       /* clocks may differ by so much */
    int64_t lifetime_max_s; /* `exp` may lie at most so far ahead of now, and of `iat` */
    size_t bytes_max;
};

/* From `exp` and the optional claim "tocsin": {"regions":[…],"sections":[…],"editions":[…],
 * "test":true}. A list narrows what may be followed; `test` allows test and exercise alerts. */
struct token_grant {
    int64_t expires_s; /* wall clock; the end of `exp` with its leeway */
    uint64_t regions;  /* 0 = any; a region includes those below it */
    uint64_t sections; /* 0 = any */
    uint64_t editions; /* 0 = any */
    bool test;
};

enum token_fault {
    TOKEN_GOOD,
    TOKEN_MISSING,
    TOKEN_TOO_LARGE,
    TOKEN_MALFORMED,
    TOKEN_KEY_UNKNOWN,
    TOKEN_BAD_SIGNATURE,
    TOKEN_BAD_CLAIMS,
    TOKEN_EXPIRED,
    TOKEN_NOT_YET_VALID,
    TOKEN_LIFETIME,
    TOKEN_WRONG_ISSUER,
    TOKEN_WRONG_AUDIENCE,
    TOKEN_FAULT_COUNT
};

/* An empty token is TOKEN_MISSING. */
enum token_fault client_token_read(const struct jwt_keys *keys, const struct token_rules *rules,
                                   const struct taxonomy *t, struct str token, int64_t now_s,
                                   struct token_grant *out_grant);
/* A stable word such as "token_expired". */
const char *token_fault_code(enum token_fault fault);
/* A sentence for people. */
const char *token_fault_detail(enum token_fault fault);
