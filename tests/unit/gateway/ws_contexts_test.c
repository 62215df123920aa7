#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>
#include <libwebsockets.h>
#include <uv.h>

#include "gateway/ws_contexts.h"

enum { LIMIT = 4000, NEEDED = 3000, TURNS = 10 };

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t size) {
    (void)wsi, (void)reason, (void)user, (void)in, (void)size;
    return 0;
}

static const struct lws_protocols protocols[] = {{.name = "test", .callback = on_event}, {0}};

static void set_limit(rlim_t soft) {
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = soft;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static struct ws_contexts *create(uv_loop_t *loop, size_t needed) {
    void *loops[1] = {loop};
    struct lws_context_creation_info info = {
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
        .foreign_loops = loops,
        .protocols = protocols,
        .port = CONTEXT_PORT_NO_LISTEN_SERVER,
        .vhost_name = "test",
        .gid = -1,
        .uid = -1,
    };
    struct ws_contexts *set = NULL;
    lws_set_log_level(LLL_ERR, NULL);
    assert_int_equal(ws_contexts_create(&info, needed, &set), ERR_OK);
    return set;
}

static void destroy(uv_loop_t *loop, struct ws_contexts *set) {
    ws_contexts_close(set);
    for (int i = 0; i < TURNS; i++) {
        uv_run(loop, UV_RUN_NOWAIT);
    }
    ws_contexts_destroy(set);
    assert_int_equal(uv_loop_close(loop), 0); /* nothing is left on it */
}

/* A descriptor's context is the lowest whose bound is above it; neighbours share one, and no
 * context has more than a quarter of those below its bound. */
static void test_descriptors_are_spread(void **state) {
    (void)state;
    uv_loop_t loop;
    uv_loop_init(&loop);
    set_limit(LIMIT);
    struct ws_contexts *set = create(&loop, NEEDED);
    struct lws_vhost *last = NULL;
    int since = 0;
    int changes = 0;
    for (int fd = 0; fd < NEEDED; fd++) {
        struct lws_vhost *vhost = ws_contexts_vhost(set, fd);
        assert_non_null(vhost);
        if (vhost != last) {
            changes++;
            last = vhost;
            since = fd;
        }
        if (since > 0) { /* all but the lowest */
            assert_true(fd - since <= fd / 4 + 1);
        }
    }
    /* 3000, 2250, 1688, 1266, 950, 713, 535: the next is under 512 */
    assert_int_equal(changes, 7);
    assert_ptr_equal(last, ws_contexts_vhost(set, NEEDED + 1000));
    assert_ptr_equal(lws_get_vhost_by_name(ws_contexts_whole(set), "test"), last);
    destroy(&loop, set);
}

/* The process keeps no more than it needs, and what the system allows where that is less. */
static void test_limit_is_lowered(void **state) {
    (void)state;
    static const size_t needed[] = {NEEDED, LIMIT + 1000, 600};
    static const rlim_t expected[] = {NEEDED, LIMIT, 600};
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        uv_loop_t loop;
        uv_loop_init(&loop);
        set_limit(LIMIT);
        struct ws_contexts *set = create(&loop, needed[i]);
        struct rlimit limit;
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
        assert_int_equal(limit.rlim_cur, expected[i]);
        destroy(&loop, set);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_descriptors_are_spread),
        cmocka_unit_test(test_limit_is_lowered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
