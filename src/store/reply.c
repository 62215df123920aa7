#include "store/reply.h"

#include <hiredis/hiredis.h>

bool reply_is_error(const struct redisReply *reply) {
    return reply && reply->type == REDIS_REPLY_ERROR;
}

struct str reply_str(const struct redisReply *reply) {
    if (!reply || (reply->type != REDIS_REPLY_STRING && reply->type != REDIS_REPLY_STATUS &&
                   reply->type != REDIS_REPLY_ERROR)) {
        return (struct str){NULL, 0};
    }
    return (struct str){reply->str, reply->len};
}

int64_t reply_int(const struct redisReply *reply) {
    int64_t value = 0;
    if (reply && reply->type == REDIS_REPLY_INTEGER) {
        return reply->integer;
    }
    return str_to_i64(reply_str(reply), &value) ? 0 : value;
}

size_t reply_count(const struct redisReply *reply) {
    return reply && reply->type == REDIS_REPLY_ARRAY ? reply->elements : 0;
}

const struct redisReply *reply_at(const struct redisReply *reply, size_t index) {
    return index < reply_count(reply) ? reply->element[index] : NULL;
}

struct str reply_str_at(const struct redisReply *reply, size_t index) {
    return reply_str(reply_at(reply, index));
}

int64_t reply_int_at(const struct redisReply *reply, size_t index) {
    return reply_int(reply_at(reply, index));
}
