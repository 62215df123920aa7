#pragma once
/* Between audit.c, audit_verify.c and store.c. */
#include "store/audit.h"
#include "store/reply.h"

/* ERR_PROTOCOL for an item of the stream that the service did not write like that. */
MUST_CHECK enum err audit_parse_entry(const struct redisReply *item, struct audit_entry *out_entry);
/* Of a reply to HMGET seq hash; seq 0 when it is none. */
struct audit_anchor audit_read_anchor(const struct redisReply *pair);
/* The hash of the entry after `before`, from the SHA-256 of its event. */
void audit_make_hash(const struct audit_anchor *before, int64_t at_ms, const char *digest,
                     char out_hash[SHA256_HEX_BYTES]);
/* The head as this process saw it last. */
struct audit_anchor *store_audit_head(struct store *store);
