#pragma once
/* Reading a reply of Redis without knowing hiredis. All accept NULL and wrong types, so that a
 * surprising answer turns into empty values, which callers check. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct redisReply;

bool reply_is_error(const struct redisReply *reply);
/* The bytes of a string, status or error, valid as long as the reply; empty for all else. */
struct str reply_str(const struct redisReply *reply);
/* An integer, or a string that is one in decimal; 0 for all else. */
int64_t reply_int(const struct redisReply *reply);
/* Elements of an array; 0 for all else. */
size_t reply_count(const struct redisReply *reply);
/* An element of an array; NULL out of range. */
const struct redisReply *reply_at(const struct redisReply *reply, size_t index);
/* reply_str and reply_int of an element. */
struct str reply_str_at(const struct redisReply *reply, size_t index);
int64_t reply_int_at(const struct redisReply *reply, size_t index);
