#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/map.h"

static void basics(void **state) {
    (void)state;
    struct map *m = map_create();
    int a = 1;
    int b = 2;
    assert_null(map_get(m, STR("x")));
    assert_null(map_set(m, STR("x"), &a));
    assert_ptr_equal(map_get(m, STR("x")), &a);
    assert_ptr_equal(map_set(m, STR("x"), &b), &a);
    assert_int_equal(map_count(m), 1);
    assert_null(map_set(m, STR(""), &a)); /* the empty key is a key */
    assert_null(map_set(m, STR("a\0b"), &a));
    assert_null(map_get(m, STR("a\0c")));
    assert_null(map_get(m, STR("a")));
    assert_int_equal(map_count(m), 3);
    assert_ptr_equal(map_remove(m, STR("")), &a);
    assert_null(map_remove(m, STR("")));
    assert_int_equal(map_count(m), 2);
    map_destroy(m);
    map_destroy(NULL);
}

static void keys_are_copied(void **state) {
    (void)state;
    struct map *m = map_create();
    char key[] = "key";
    int value = 1;
    (void)map_set(m, str_of(key), &value);
    key[0] = 'x';
    assert_ptr_equal(map_get(m, STR("key")), &value);
    assert_null(map_get(m, STR("xey")));
    map_destroy(m);
}

enum { MODEL_KEYS = 400, OPERATIONS = 200000 };

static struct str model_key(unsigned i, char text[16]) {
    (void)snprintf(text, 16, "k%u", i);
    return str_of(text);
}

static void assert_same(const struct map *m, int *const *model, size_t count) {
    size_t cursor = 0;
    size_t walked = 0;
    struct str key;
    void *value;
    while (map_next(m, &cursor, &key, &value)) {
        uint64_t i = UINT64_MAX;
        assert_int_equal(str_to_u64((struct str){key.p + 1, key.n - 1}, &i), ERR_OK);
        assert_in_range(i, 0, MODEL_KEYS - 1);
        assert_ptr_equal(value, model[i]);
        walked++;
    }
    assert_int_equal(walked, count);
    assert_int_equal(map_count(m), count);
}

/* Random sets, removals and look-ups against an array. The share of removals swings, so the table
 * grows, empties and fills up with tombstones. */
static void random_operations(void **state) {
    (void)state;
    static int values[MODEL_KEYS];
    static int *model[MODEL_KEYS];
    struct map *m = map_create();
    size_t count = 0;
    char text[16];
    srand(20261123);
    for (int n = 0; n < OPERATIONS; n++) {
        unsigned i = (unsigned)rand() % MODEL_KEYS;
        unsigned removals = n / 20000 % 2 ? 60 : 30; /* percent */
        unsigned draw = (unsigned)rand() % 100;
        struct str key = model_key(i, text);
        if (draw < removals) {
            assert_ptr_equal(map_remove(m, key), model[i]);
            count -= model[i] != NULL;
            model[i] = NULL;
        } else if (draw < 90) {
            int *value = &values[(unsigned)rand() % MODEL_KEYS];
            assert_ptr_equal(map_set(m, key, value), model[i]);
            count += model[i] == NULL;
            model[i] = value;
        } else {
            assert_ptr_equal(map_get(m, key), model[i]);
        }
        if (n % 5000 == 0) {
            assert_same(m, model, count);
        }
    }
    assert_same(m, model, count);
    map_destroy(m);
}

/* Every removed key leaves a tombstone: without reuse or rehash a look-up of an absent key would
 * find no free slot and never end. */
static void churn_ends(void **state) {
    (void)state;
    struct map *m = map_create();
    char text[16];
    int value = 0;
    for (unsigned i = 0; i < 100000; i++) {
        assert_null(map_set(m, model_key(i, text), &value));
        assert_ptr_equal(map_remove(m, model_key(i, text)), &value);
        assert_null(map_get(m, STR("absent")));
    }
    assert_int_equal(map_count(m), 0);
    map_destroy(m);
}

static void remove_while_walking(void **state) {
    (void)state;
    struct map *m = map_create();
    char text[16];
    int value = 0;
    for (unsigned i = 0; i < 100; i++) {
        (void)map_set(m, model_key(i, text), &value);
    }
    size_t cursor = 0;
    struct str key;
    void *found;
    unsigned walked = 0;
    while (map_next(m, &cursor, &key, &found)) {
        if (walked++ % 2) {
            assert_ptr_equal(map_remove(m, key), &value);
        }
    }
    assert_int_equal(walked, 100);
    assert_int_equal(map_count(m), 50);
    map_destroy(m);
}

struct item {
    int number;
    struct list link;
};

static void lists(void **state) {
    (void)state;
    struct list head;
    struct item items[4];
    list_init(&head);
    assert_true(list_is_empty(&head));
    for (int i = 0; i < 4; i++) {
        items[i].number = i;
        list_push_back(&head, &items[i].link);
    }
    list_remove(&items[3].link);
    list_push_front(&head, &items[3].link);
    static const int order[] = {3, 0, 1, 2};
    int at = 0;
    LIST_EACH(it, &head) {
        assert_int_equal(LIST_ENTRY(it, struct item, link)->number, order[at++]);
    }
    assert_int_equal(at, 4);
    LIST_EACH_SAFE(it, &head) {
        if (LIST_ENTRY(it, struct item, link)->number % 2) {
            list_remove(it);
            list_remove(it); /* harmless */
        }
    }
    int left = 0;
    LIST_EACH(it, &head) {
        left += LIST_ENTRY(it, struct item, link)->number;
    }
    assert_int_equal(left, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(basics),
        cmocka_unit_test(keys_are_copied),
        cmocka_unit_test(random_operations),
        cmocka_unit_test(churn_ends),
        cmocka_unit_test(remove_while_walking),
        cmocka_unit_test(lists),
    };
    return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
