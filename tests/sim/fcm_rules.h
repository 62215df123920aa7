#pragma once
/* Rules for the values of an FCM message whose names and types are right. */
#include <stdbool.h>

#include <cjson/cJSON.h>

#include "fcm_error.h"
#include "fcm_message.h"

/* False with `out` filled at the first fault; else what the form needs. `out_target` is the
 * target's text inside the tree. */
bool fcm_rules_check(const cJSON *message, struct fcm_form *out_form, const char **out_target,
                     enum fcm_kind *out_kind, struct fcm_violation *out);
/* A registration token or installation id. */
bool fcm_is_token(struct str s);
