#pragma once
/* What is checked before anything starts, all at once: the whole configuration with the files,
 * addresses and programs it names. */
#include "base/buf.h"
#include "base/config.h"
#include "base/err.h"
#include "model/taxonomy.h"

/* Appends every fault to `problems`, a line each; ERR_INVALID if there was any. Changes nothing on
 * the machine. `out_taxonomy` (may be NULL) gets the taxonomy on success; the caller destroys it.
 */
MUST_CHECK enum err preflight_check(const struct config *cfg, struct buf *problems,
                                    struct taxonomy **out_taxonomy);
/* Binds the addresses of the roles to be run for a moment. SO_REUSEPORT would let two services of
 * one user share a port silently, each getting some of the connections; and a worker can only
 * fail again and again. */
MUST_CHECK enum err preflight_ports(const struct config *cfg, struct buf *problems);
