#pragma once
/* What the calls of the control plane do, apart from HTTP. */
#include "base/buf.h"
#include "base/str.h"
#include "sim.h"

/* Each takes the request body, appends the answer (JSON) to `out` and returns the HTTP status. */
unsigned control_set_faults(struct sim *s, struct str body, struct buf *out);
unsigned control_set_tokens(struct sim *s, struct str body, struct buf *out);
unsigned control_add_key(struct sim *s, struct str body, struct buf *out);
unsigned control_reset(struct sim *s, struct str body, struct buf *out);
unsigned control_get_stats(struct sim *s, struct str body, struct buf *out);
unsigned control_get_summary(struct sim *s, struct str body, struct buf *out);
unsigned control_get_faults(struct sim *s, struct str body, struct buf *out);
