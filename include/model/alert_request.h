#pragma once
/* Parts of alert_parse_request: content and tags (alert_parse_content.c), the rest and the rules
 * over several members (alert_parse.c). */
#include "model/alert.h"
#include "model/json.h"

/* The member "content". */
void alert_read_content(const struct taxonomy *t, const struct json_reader *r, struct alert *a);
/* The member "tags". */
void alert_read_tags(const struct json_reader *r, struct alert *a);
