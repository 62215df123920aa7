#pragma once
/* `tocsin devices import`, `export` and `check`: NDJSON in and out of the registry, and its health.
 */
#include <stdbool.h>
#include <stdio.h>

#include "app/cli_store.h"
#include "model/taxonomy.h"

/* Reads every line of `file`; faults are told on standard error by line number and do not stop the
 * rest. A progress line is kept on a terminal, a summary ends it. True when every line went in. */
bool devices_import(struct cli_store *c, const struct taxonomy *t, FILE *file);
/* Writes every device with its token and the digest of its secret. True when all were written. */
bool devices_export(struct cli_store *c, const struct taxonomy *t, FILE *file);
/* Tells each fault on standard output, and a summary. True when there is none, or all were
 * repaired.
 */
bool devices_check(struct cli_store *c, bool repair);
