#include "gateway/ws_contexts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <libwebsockets.h>

#include "base/log.h"
#include "base/mem.h"

enum {
    /* Each bound is three quarters of the next. Sixteen reach from a limit of 160,000 down to
     * 2,100; all together they take four times the memory of one (16 bytes a descriptor). */
    CONTEXTS_MAX = 16,
    LOWEST_BOUND = 512, /* below this a walk costs nothing worth a context */
};

struct ws_contexts {
    size_t count;
    struct ws_context {
        rlim_t bound; /* of its descriptors */
        struct lws_context *context;
        struct lws_vhost *vhost;
    } list[CONTEXTS_MAX]; /* by bound, ascending */
};

static bool set_soft_limit(rlim_t soft) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = soft;
        if (setrlimit(RLIMIT_NOFILE, &limit) == 0) {
            return true;
        }
    }
    log_error("open_files_not_set", LOG_I("limit", soft), LOG_S("reason", strerror(errno)));
    return false;
}

/* The library reads the limit when it makes a context, and never again. */
static enum err create_one(const struct lws_context_creation_info *info, struct ws_context *c) {
    if (!set_soft_limit(c->bound)) {
        return ERR_IO;
    }
    c->context = lws_create_context(info);
    c->vhost = c->context ? lws_create_vhost(c->context, info) : NULL;
    if (!c->vhost) {
        log_error("websocket_library_failed", LOG_I("open_files", c->bound));
        return ERR_IO;
    }
    return ERR_OK;
}

static size_t count_for(rlim_t whole) {
    size_t count = 1;
    while (count < CONTEXTS_MAX && whole - whole / 4 >= LOWEST_BOUND) {
        whole -= whole / 4;
        count++;
    }
    return count;
}

enum err ws_contexts_create(const struct lws_context_creation_info *info, size_t descriptors_max,
                            struct ws_contexts **out_set) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        log_error("open_files_unknown", LOG_S("reason", strerror(errno)));
        return ERR_IO;
    }
    rlim_t bound = limit.rlim_cur < descriptors_max ? limit.rlim_cur : descriptors_max;
    struct ws_contexts *set = mem_zalloc(1, sizeof(*set));
    set->count = count_for(bound);
    for (size_t i = set->count; i-- > 0; bound -= bound / 4) {
        set->list[i].bound = bound;
    }
    struct lws_context_creation_info plain = *info;
    plain.options &= ~(uint64_t)LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    enum err err = ERR_OK;
    for (size_t i = 0; i < set->count && err == ERR_OK; i++) {
        err = create_one(i + 1 < set->count ? &plain : info, &set->list[i]);
    }
    *out_set = set;
    return err; /* the last one has set the limit to the whole */
}

struct lws_vhost *ws_contexts_vhost(const struct ws_contexts *set, int fd) {
    size_t i = 0;
    while (i + 1 < set->count && (rlim_t)fd >= set->list[i].bound) {
        i++;
    }
    return set->list[i].vhost;
}

struct lws_context *ws_contexts_whole(const struct ws_contexts *set) {
    return set->list[set->count - 1].context;
}

void ws_contexts_close(struct ws_contexts *set) {
    for (size_t i = 0; i < set->count; i++) {
        lws_context_destroy(set->list[i].context); /* takes NULL */
    }
}

void ws_contexts_destroy(struct ws_contexts *set) {
    ws_contexts_close(set);
    free(set);
}
