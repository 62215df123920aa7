#pragma once
/* Apple's push service as a provider: token authentication, one payload per edition, the token in
 * the path. */
#include <uv.h>

#include "base/config.h"
#include "base/err.h"
#include "model/taxonomy.h"
#include "push/provider.h"

/* From [apns]. ERR_INVALID when a key or setting is unusable (logged). Borrows cfg and taxonomy. */
MUST_CHECK enum err apns_create(uv_loop_t *loop, const struct config *cfg, const struct taxonomy *t,
                                const struct provider_events *events, void *user,
                                struct provider **out_provider);
