#pragma once
/* Between audit.c and audit_verify.c. */
#include "store/audit.h"
#include "store/reply.h"

/* ERR_PROTOCOL for an item of the stream that the service did not write like that. */
MUST_CHECK enum err audit_parse_entry(const struct redisReply *item, struct audit_entry *out_entry);
