#pragma once
/* Strict JSON for foreign bytes. cJSON alone takes a first value and ignores what follows it, lets
 * raw control characters and duplicate names pass, cuts strings at U+0000 and nests a thousand
 * deep; here the text is held to RFC 8259 first. Then checked getters, JSON pointers (RFC 6901)
 * and writing. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "model/problem.h"

struct cJSON;

enum { JSON_DEPTH_MAX = 16, JSON_MEMBERS_MAX = 256, JSON_POINTER_BYTES = 256 };

/* NULL when `text` is one well-formed JSON value of bounded depth and width, else why not, with
 * the offset where. `out_has_nul` (may be NULL) tells of an escaped U+0000. UTF-8 is not judged:
 * the texts inside are, where they can be named. */
const char *json_check(struct str text, size_t *out_offset, bool *out_has_nul);

/* Parses; release with json_destroy. ERR_PROTOCOL when it is not JSON: one fault (code
 * invalid_json) at `pointer` says where. A name given twice in one object is a fault too (code
 * duplicate_field), but the tree is handed out, so that the other faults can be found as well:
 * compare problem_count() before and after. U+0000 in a string arrives as U+0001, which every text
 * rule refuses. */
MUST_CHECK enum err json_parse(struct str text, const char *pointer, struct cJSON **out_root,
                               struct problem *problems);
/* Accepts NULL. */
void json_destroy(struct cJSON *root);

/* `base` + "/" + name, with ~ and / escaped; cut when too long. */
void json_pointer(char out_pointer[JSON_POINTER_BYTES], const char *base, const char *name);
void json_pointer_index(char out_pointer[JSON_POINTER_BYTES], const char *base, int index);

/* One object being read: where it is and where its faults go (NULL: nowhere). */
struct json_reader {
    const struct cJSON *object;
    const char *pointer;
    struct problem *problems;
};

/* Adds a fault at a member of the object; `name` NULL means the object itself. */
void json_fault(const struct json_reader *r, const char *name, const char *code, const char *format,
                ...) __attribute__((format(printf, 4, 5)));
/* True when it is an object, else a wrong_type fault. */
bool json_is_object(const struct json_reader *r);
/* Every member that is not in `names` (count of them) is an unknown_field fault. */
void json_allow(const struct json_reader *r, const char *const *names, size_t count);
/* The member, or NULL. */
const struct cJSON *json_member(const struct json_reader *r, const char *name);

/* Walks the elements of an array or the members of an object: NULL starts, NULL ends. */
const struct cJSON *json_next(const struct cJSON *container, const struct cJSON *previous);
/* True, and the view is set, when the value is a string. */
bool json_text(const struct cJSON *value, struct str *out_text);
/* Name of an object's member, borrowed; NULL for an array's element. */
const char *json_name(const struct cJSON *member);

/* The readers below return true and write the output only when the member is there and right;
 * a wrong type or value is a fault, an absent member is not. */
bool json_read_string(const struct json_reader *r, const char *name, struct str *out_text);
bool json_read_bool(const struct json_reader *r, const char *name, bool *out_value);
/* A whole number of min..max (within ±2^53, where cJSON's doubles are exact). */
bool json_read_int(const struct json_reader *r, const char *name, int64_t min, int64_t max,
                   int64_t *out_value);
/* The index of the string in a table of names. */
bool json_read_name(const struct json_reader *r, const char *name, const char *const *names,
                    int count, int *out_index);
/* A text within the rules of text_check; owned copy. */
bool json_read_text(const struct json_reader *r, const char *name, size_t max_bytes,
                    char **out_text);

/* Appends `"name":`, with a comma in front unless it is the first member of its object. */
void json_put_name(struct buf *b, const char *name);
/* A text member; nothing when `text` is NULL. */
void json_put_text(struct buf *b, const char *name, const char *text);
/* The same for a view; nothing when it is empty. */
void json_put_view(struct buf *b, const char *name, struct str text);
/* A wall clock time as RFC 3339; nothing for 0. */
void json_put_time(struct buf *b, const char *name, int64_t wall_ms);
void json_put_int(struct buf *b, const char *name, int64_t value);
void json_put_bool(struct buf *b, const char *name, bool value);
/* A comma unless at the start of an array or object. */
void json_put_comma(struct buf *b);
