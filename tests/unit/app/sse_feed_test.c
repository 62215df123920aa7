/* Event streams in one piece, byte by byte and broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "app/sse_feed.h"

/* Every event as "event|id|data;". */
static void note(void *user, struct str event, struct str id, struct str data) {
    struct buf *seen = user;
    buf_put_str(seen, event);
    buf_putc(seen, '|');
    buf_put_str(seen, id);
    buf_putc(seen, '|');
    buf_put_str(seen, data);
    buf_putc(seen, ';');
}

static void expect_events(const char *stream, size_t step, const char *wanted) {
    struct buf seen;
    struct sse_feed feed;
    buf_init(&seen, 65536);
    sse_feed_init(&feed, note, &seen);
    for (size_t at = 0; at < strlen(stream); at += step) {
        size_t left = strlen(stream) - at;
        assert_true(sse_feed_take(&feed, (struct str){stream + at, left < step ? left : step}));
    }
    assert_string_equal(buf_str(&seen).p, wanted);
    sse_feed_finish(&feed);
    buf_finish(&seen);
}

/* However the bytes are cut. */
static void expect(const char *stream, const char *wanted) {
    for (size_t step = 1; step <= strlen(stream); step++) {
        expect_events(stream, step, wanted);
    }
}

static void events_with_their_fields(void **state) {
    (void)state;
    expect("event: alert\nid: abc:7\ndata: {\"x\":1}\n\n", "alert|abc:7|{\"x\":1};");
    expect("retry: 2000\n\nevent: welcome\ndata: {}\n\ndata: 2\n\n", "welcome||{};||2;");
    expect("data: one\r\nid: 5\r\n\r\n: a comment\r\n\r\n", "|5|one;");
    expect("id: 1\nid: 2\nevent: a\nevent: b\ndata: x\n\n", "b|2|x;");
}

static void nothing_leaks_into_the_next_event(void **state) {
    (void)state;
    expect("event: alert\nid: 7\n\ndata: y\n\n", "||y;");
}

static void only_the_first_space_is_taken(void **state) {
    (void)state;
    expect("data:x\n\ndata:  y \n\ndata: a:b\n\n", "||x;|| y ;||a:b;");
}

static void lines_of_data_are_joined(void **state) {
    (void)state;
    expect("data: a\ndata: b\n\n", "||a\nb;");
    expect("data:\ndata: b\ndata\n\n", "||\nb\n;");
    expect("data\n\n", "||;");
}

static void unknown_fields_and_unfinished_events_are_left_out(void **state) {
    (void)state;
    expect("dat: a\nDATA: b\nnonsense\n\n", "");
    expect("data: a\n", "");
    expect("data: a", "");
    expect("\n\n\n", "");
}

static void a_line_without_end_is_refused(void **state) {
    (void)state;
    static char piece[65536];
    struct buf seen;
    struct sse_feed feed;
    size_t taken = 0;
    buf_init(&seen, 65536);
    sse_feed_init(&feed, note, &seen);
    memset(piece, 'a', sizeof(piece));
    while (sse_feed_take(&feed, (struct str){piece, sizeof(piece)})) {
        taken += sizeof(piece);
        assert_true(taken <= SSE_LINE_MAX);
    }
    assert_false(sse_feed_take(&feed, STR("\ndata: x\n\n")));
    assert_int_equal(seen.n, 0);
    /* Finished, it can be used for a new stream. */
    sse_feed_finish(&feed);
    assert_true(sse_feed_take(&feed, STR("data: x\n\n")));
    assert_string_equal(buf_str(&seen).p, "||x;");
    sse_feed_finish(&feed);
    buf_finish(&seen);
}

static void data_without_end_is_refused(void **state) {
    (void)state;
    static char line[65536];
    struct buf seen;
    struct sse_feed feed;
    size_t taken = 0;
    buf_init(&seen, 65536);
    sse_feed_init(&feed, note, &seen);
    memset(line, 'a', sizeof(line));
    memcpy(line, "data: ", 6);
    line[sizeof(line) - 1] = '\n';
    while (sse_feed_take(&feed, (struct str){line, sizeof(line)})) {
        taken += sizeof(line);
        assert_true(taken <= SSE_LINE_MAX + sizeof(line));
    }
    assert_false(sse_feed_take(&feed, STR("\n")));
    assert_int_equal(seen.n, 0);
    sse_feed_finish(&feed);
    buf_finish(&seen);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_with_their_fields),
        cmocka_unit_test(nothing_leaks_into_the_next_event),
        cmocka_unit_test(only_the_first_space_is_taken),
        cmocka_unit_test(lines_of_data_are_joined),
        cmocka_unit_test(unknown_fields_and_unfinished_events_are_left_out),
        cmocka_unit_test(a_line_without_end_is_refused),
        cmocka_unit_test(data_without_end_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
