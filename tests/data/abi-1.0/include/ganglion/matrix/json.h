/* ganglion/matrix/json.h: event JSON without loss.
 *
 * Events are never held in jansson (it changes 0.1, 2^63 and escapes). This
 * reader keeps numbers' text, lone surrogates, NUL and key order as they came,
 * and writes canonical JSON exactly as Python's canonicaljson does. */
#ifndef GANGLION_MATRIX_JSON_H
#define GANGLION_MATRIX_JSON_H

#include <ganglion/arena.h>
#include <ganglion/buf.h>
#include <ganglion/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- slices: members of stored JSON without building a tree ---- */

/* Checks that text is one JSON value (RFC 8259, valid UTF-8, depth at most
 * max_depth, itself at most 4096; no recursion). 0, or 400 M_NOT_JSON / M_BAD_JSON (too deep). */
GG_API GG_CHECKED int mx_json_check(struct gg_str text, unsigned max_depth, struct gg_error *err);

/* The following take text that is known to be valid JSON (stored by us, or
 * checked); on anything else they return "absent" and never read outside text. */

/* The value of a top-level member as JSON text (no blanks around it); s NULL when
 * text is no object or lacks it. The last of equal keys wins. */
GG_API struct gg_str mx_json_get(struct gg_str object, const char *key);
GG_API struct gg_str mx_json_get_str(struct gg_str object, struct gg_str key);
/* The same along a NULL-ended path of keys. */
GG_API struct gg_str mx_json_path(struct gg_str object, const char *const *keys);
/* A string value decoded to UTF-8 in the arena, NUL-terminated (a lone surrogate
 * becomes its three WTF-8 bytes); s NULL if value is no string. Borrowed from
 * value where nothing is escaped (then not NUL-terminated beyond its n bytes). */
GG_API struct gg_str mx_json_string(struct gg_str value, struct gg_arena *arena);
GG_API bool mx_json_i64(struct gg_str value, int64_t *out); /* an integer without fraction or exponent, in range */
GG_API bool mx_json_true(struct gg_str value);
static inline bool mx_json_is_object(struct gg_str v) { return v.n && v.s[0] == '{'; }
static inline bool mx_json_is_array(struct gg_str v) { return v.n && v.s[0] == '['; }
static inline bool mx_json_is_string(struct gg_str v) { return v.n && v.s[0] == '"'; }

/* Walks an object or array: struct mx_json_iter it = mx_json_iter(value);
 * while (mx_json_next(&it)) { it.key (raw, with quotes stripped, still escaped), it.value } */
struct mx_json_iter {
    struct gg_str key;   /* of objects: between the quotes, not unescaped */
    struct gg_str value; /* JSON text */
    const char *p, *end;
    bool object;
};
GG_API struct mx_json_iter mx_json_iter(struct gg_str container);
GG_API bool mx_json_next(struct mx_json_iter *it);
GG_API size_t mx_json_length(struct gg_str container);
/* Is it.key this key, once unescaped? */
GG_API bool mx_json_key_is(struct gg_str raw_key, const char *key);

/* ---- trees: for changing and for canonical form ---- */

enum mx_json_kind { MX_JSON_NULL, MX_JSON_FALSE, MX_JSON_TRUE, MX_JSON_NUMBER, MX_JSON_STRING, MX_JSON_ARRAY, MX_JSON_OBJECT };

struct mx_json;
struct mx_json_member {
    struct gg_str key; /* decoded */
    struct mx_json *value;
};
/* Lives in an arena. Do not change shared trees: copy the level you change. */
struct mx_json {
    uint32_t kind;
    uint32_t n, cap;
    union {
        struct gg_str text;             /* NUMBER: as written; STRING: decoded */
        struct mx_json **items;         /* ARRAY */
        struct mx_json_member *members; /* OBJECT, in order of appearance, keys distinct */
    };
};

/* 0, or 400 M_NOT_JSON / M_BAD_JSON (too deep; 1000 is Python's bound). The tree keeps nothing of text. Of equal keys
 * the last value wins and stands in the first one's place, as in a Python dict. */
GG_API GG_CHECKED int mx_json_parse(struct gg_str text, unsigned max_depth, struct gg_arena *arena,
                                    struct mx_json **out, struct gg_error *err);
GG_API struct mx_json *mx_json_object(struct gg_arena *arena);
GG_API struct mx_json *mx_json_array(struct gg_arena *arena);
GG_API struct mx_json *mx_json_new_string(struct gg_arena *arena, struct gg_str s);
GG_API struct mx_json *mx_json_new_i64(struct gg_arena *arena, int64_t v);
GG_API struct mx_json *mx_json_new_bool(struct gg_arena *arena, bool v);
/* JSON text that is known to be valid, as a tree (panics if it is not). */
GG_API struct mx_json *mx_json_raw(struct gg_arena *arena, struct gg_str text);
GG_API struct mx_json *mx_json_member(const struct mx_json *object, const char *key); /* NULL: absent */
GG_API void mx_json_set(struct mx_json *object, struct gg_arena *arena, const char *key, struct mx_json *value);
GG_API bool mx_json_remove(struct mx_json *object, const char *key);
GG_API void mx_json_push(struct mx_json *array, struct gg_arena *arena, struct mx_json *value);
GG_API struct mx_json *mx_json_copy_level(const struct mx_json *v, struct gg_arena *arena); /* shares the children */
GG_API struct gg_str mx_json_text(const struct mx_json *string); /* s NULL if it is NULL or no string */

/* Compact, in order of appearance, as json.dumps(ensure_ascii=False, separators=(",",":")). */
GG_API void mx_json_write(struct gg_buf *out, const struct mx_json *v);
/* Canonical: keys sorted by code point, shortest form, as canonicaljson 2.x writes what json.loads read: integers keep
 * their digits (-0 is 0), floats are written as Python's repr does (1e5 is 100000.0). What canonicaljson refuses (see
 * mx_json_canonical_check) is written too: as valid JSON, a lone surrogate as its escape, a number as its text. */
GG_API void mx_json_canonical(struct gg_buf *out, const struct mx_json *v);
/* What canonicaljson refuses in every room version: lone surrogates, floats beyond a double's range, integers of more
 * than 4300 digits. 0, or 400 M_BAD_JSON. */
GG_API GG_CHECKED int mx_json_canonical_check(const struct mx_json *v, struct gg_error *err);
/* What rooms of version 6 and later refuse besides: floats, integers beyond 2^53-1. 0, or 400 M_BAD_JSON. */
GG_API GG_CHECKED int mx_json_strict(const struct mx_json *v, struct gg_error *err);

#ifdef __cplusplus
}
#endif
#endif
