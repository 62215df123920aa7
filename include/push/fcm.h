#pragma once
/* Firebase Cloud Messaging HTTP v1 as a provider: one request per token, the message built once
 * per edition and the token spliced in. */
#include <uv.h>

#include "base/config.h"
#include "base/err.h"
#include "model/taxonomy.h"
#include "push/provider.h"

/* From [fcm]. ERR_INVALID when the account or a setting is unusable (logged). Borrows cfg and
 * taxonomy. */
MUST_CHECK enum err fcm_create(uv_loop_t *loop, const struct config *cfg, const struct taxonomy *t,
                               const struct provider_events *events, void *user,
                               struct provider **out_provider);
