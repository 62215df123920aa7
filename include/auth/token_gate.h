#pragma once
/* The readers' tokens as configured: key files, rules, and the answer to one token. Only there
 * when tokens are demanded (gateway.token_required). */
#include <stdint.h>

#include "auth/client_token.h"
#include "base/buf.h"
#include "base/config.h"
#include "base/err.h"

struct token_gate;

/* Reads the key files of gateway.token_public_keys and token_secrets. Borrows both for its life.
 * ERR_INVALID: each fault is a line of `problems` that names the key of the configuration and the
 * file. Blocks while it reads. */
MUST_CHECK enum err token_gate_create(const struct config *cfg, const struct taxonomy *t,
                                      struct token_gate **out_gate, struct buf *problems);
/* Accepts NULL. */
void token_gate_destroy(struct token_gate *gate);
/* Reads the files again; with a fault the keys stay as they are (ERR_INVALID). Blocks. */
MUST_CHECK enum err token_gate_reload(struct token_gate *gate, struct buf *problems);
/* Counts refusals. `now_ms` is wall time. */
enum token_fault token_gate_check(const struct token_gate *gate, struct str token, int64_t now_ms,
                                  struct token_grant *out_grant);
