#pragma once
/* What a reader needs only until it is live; freed then, so that an idle reader stays small. */
#include <stdbool.h>
#include <stdint.h>

#include "gateway/recovery.h"

struct catchup {
    struct resume resume;    /* the position it brought, or stood at when the log was replaced */
    bool snapshotting;       /* active alerts come first */
    uint64_t snapshot_at;    /* seq of the last one sent, or before the first */
    uint64_t snapshot_until; /* the head when the snapshot began */
};
