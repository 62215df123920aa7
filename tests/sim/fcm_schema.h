#pragma once
/* The message of FCM HTTP v1 as a table of names and types; what is not in it is an error, as the
 * real service's JSON reader has it. */
#include <stdbool.h>

#include <cjson/cJSON.h>

#include "fcm_error.h"

/* Checks names and types of a whole request body. False with `out` filled at the first fault. */
bool fcm_schema_check(const cJSON *body, struct fcm_violation *out);
/* The member `name` (snake_case; lowerCamelCase is the same field). The last one counts when it is
 * repeated. NULL when absent or null. */
const cJSON *fcm_member(const cJSON *object, const char *name);
