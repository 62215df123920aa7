#pragma once
/* Compares the registry with itself: the records are believed, everything derived from them must
 * fit (bitmaps, indexes of ids and tokens, free numbers, the count). A change of the registry is
 * one atomic script, so faults come from elsewhere: a hand in the database, a damaged file, a fault
 * of ours. Devices may register meanwhile. */
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "store/store.h"

struct device_fault {
    struct str what;   /* "bit_missing", "index_wrong" ... */
    int64_t number;    /* of the device, -1 = of none */
    struct str detail; /* the value, the index */
};
typedef void device_fault_fn(void *user, const struct device_fault *fault);
/* ERR_NOT_FOUND: the names of the values are lost, so no record can be read; nothing was changed.
 */
typedef void device_check_fn(void *user, enum err err, uint64_t devices);

/* With `repair` what is derived is made to fit; a record that cannot be read, or has no endpoint,
 * or an id or token that another holds rightly, is removed. Both functions get `user`. */
void device_store_check(struct store *store, bool repair, device_fault_fn *on_fault,
                        device_check_fn *done, void *user);
