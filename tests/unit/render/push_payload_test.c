/* What a preview is told of a message: all of it, what was cut, and what cannot be sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/json.h"
#include "render/push_payload.h"

struct fixture {
    struct config *cfg;
    struct taxonomy *t;
    struct alert *a;
    int en;
};

static int setup(void **state) {
    struct fixture *f = mem_zalloc(1, sizeof(*f));
    f->cfg = config_create();
    f->t = taxonomy_builtin();
    f->en = taxonomy_find(f->t, DIM_EDITION, STR("en"));
    f->a = alert_create();
    memcpy(f->a->id, "0197a1b2-0000-7000-8000-000000000001", UUID_BYTES);
    f->a->revision = 1;
    f->a->content[f->en].headline = mem_strdup("Quake hits coast");
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    alert_destroy(f->a);
    taxonomy_destroy(f->t);
    config_destroy(f->cfg);
    free(f);
    return 0;
}

static enum err build(struct fixture *f, enum platform platform, int edition, struct notice *n,
                      struct buf *b) {
    const struct push_context x = {f->cfg, f->t, f->a->sent_ms};
    buf_init(b, 1 << 16);
    return push_payload_build(&x, platform, f->a, edition, n, b);
}

/* A body of so many bytes, in words. */
static void set_body(struct fixture *f, size_t bytes) {
    char *body = mem_alloc(bytes + 1);
    for (size_t i = 0; i < bytes; i++) {
        body[i] = i % 8 == 7 ? ' ' : 'b';
    }
    body[bytes] = '\0';
    free(f->a->content[f->en].body);
    f->a->content[f->en].body = body;
}

static void check_whole(void **state) {
    struct fixture *f = *state;
    set_body(f, 100);
    for (enum platform p = PLATFORM_APNS; p <= PLATFORM_FCM; p++) {
        struct notice n;
        struct buf b;
        assert_int_equal(build(f, p, f->en, &n, &b), ERR_OK);
        assert_false(n.is_cut);
        assert_true(b.n < push_payload_max_bytes(p));
        assert_string_equal(n.title, "Quake hits coast");
        assert_int_equal(n.body.n, 100);
        notice_finish(&n);
        buf_finish(&b);
    }
}

/* The notice says what was written: the body in it is the body of the JSON. */
static void check_cut(void **state) {
    struct fixture *f = *state;
    set_body(f, ALERT_BODY_BYTES_MAX);
    for (enum platform p = PLATFORM_APNS; p <= PLATFORM_FCM; p++) {
        struct notice n;
        struct buf b;
        struct buf member;
        assert_int_equal(build(f, p, f->en, &n, &b), ERR_OK);
        assert_true(n.is_cut);
        assert_true(b.n <= push_payload_max_bytes(p));
        assert_in_range(n.body.n, 1000, ALERT_BODY_BYTES_MAX - 1);
        buf_init(&member, 1 << 16);
        buf_puts(&member, "\"body\":");
        buf_put_json(&member, n.body);
        assert_non_null(memmem(b.p, b.n, member.p, member.n));
        buf_finish(&member);
        notice_finish(&n);
        buf_finish(&b);
    }
}

static void check_refused(void **state) {
    struct fixture *f = *state;
    struct notice n;
    struct buf b;
    assert_int_equal(build(f, PLATFORM_APNS, f->en + 1, &n, &b), ERR_NOT_FOUND);
    assert_int_equal(build(f, PLATFORM_STREAM, f->en, &n, &b), ERR_INVALID);
    assert_int_equal(build(f, PLATFORM_WEBPUSH, f->en, &n, &b), ERR_INVALID);
    char *url = mem_alloc(5000);
    memset(url, 'u', 4999);
    url[4999] = '\0';
    f->a->content[f->en].url = url;
    assert_int_equal(build(f, PLATFORM_APNS, f->en, &n, &b), ERR_TOO_LARGE);
    buf_finish(&b);
    assert_int_equal(build(f, PLATFORM_FCM, f->en, &n, &b), ERR_TOO_LARGE);
    buf_finish(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(check_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(check_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(check_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
