/* slice.c: members of stored JSON without building a tree. */
#include "scan.h"
#include "text.h"
#include <ganglion/matrix/json.h>
#include <stdlib.h>

static const struct gg_str absent = {NULL, 0};

struct mx_json_iter mx_json_iter(struct gg_str container)
{
    const char *text = container.s ? container.s : "";
    struct mx_json_iter it = {.p = text, .end = text + container.n};
    it.p = mx_scan_blanks(it.p, it.end);
    it.object = it.p < it.end && *it.p == '{';
    if (it.p < it.end && (*it.p == '{' || *it.p == '['))
        it.p++;
    else
        it.p = it.end;
    return it;
}

/* Moves over `"key" :`; false at the end of the object. */
static bool take_key(struct mx_json_iter *it)
{
    bool escaped = false;
    const char *quote;
    if (it->p >= it->end || *it->p != '"')
        return false;
    quote = mx_scan_string(it->p + 1, it->end, &escaped);
    it->key = gg_strn(it->p + 1, (size_t)(quote - it->p - 1));
    it->p = mx_scan_blanks(quote < it->end ? quote + 1 : it->end, it->end);
    if (it->p >= it->end || *it->p != ':')
        return false;
    it->p = mx_scan_blanks(it->p + 1, it->end);
    return true;
}

bool mx_json_next(struct mx_json_iter *it)
{
    const char *start;
    it->p = mx_scan_blanks(it->p, it->end);
    if (it->p < it->end && *it->p == ',')
        it->p = mx_scan_blanks(it->p + 1, it->end);
    if (it->object ? !take_key(it) : it->p >= it->end || *it->p == ']') {
        it->p = it->end;
        return false;
    }
    start = it->p;
    it->p = mx_scan_value(it->p, it->end);
    if (it->p == start) /* no value: not JSON */
        it->p = it->end;
    it->value = gg_strn(start, (size_t)(it->p - start));
    return it->value.n > 0;
}

/* A key with escapes in it, which hardly anybody writes. */
static bool escaped_key_is(struct gg_str raw_key, struct gg_str key)
{
    char small[512], *text = small;
    bool same;
    if (raw_key.n < key.n || raw_key.n > key.n * 6) /* an escape is at most six bytes for one */
        return false;
    if (raw_key.n > sizeof(small) && !(text = malloc(raw_key.n)))
        return false;
    same = gg_str_eq(gg_strn(text, mx_text_decode(raw_key, text)), key);
    if (text != small)
        free(text);
    return same;
}

static bool key_is(struct gg_str raw_key, struct gg_str key)
{
    if (raw_key.n == key.n && gg_str_eq(raw_key, key))
        return !key.n || !memchr(key.s, '\\', key.n);
    return raw_key.n > key.n && memchr(raw_key.s, '\\', raw_key.n) && escaped_key_is(raw_key, key);
}

bool mx_json_key_is(struct gg_str raw_key, const char *key)
{
    return key_is(raw_key, gg_str(key));
}

struct gg_str mx_json_get_str(struct gg_str object, struct gg_str key)
{
    struct gg_str found = absent;
    struct mx_json_iter it = mx_json_iter(object);
    if (!it.object)
        return absent;
    while (mx_json_next(&it))
        if (key_is(it.key, key))
            found = it.value;
    return found;
}

struct gg_str mx_json_get(struct gg_str object, const char *key)
{
    return mx_json_get_str(object, gg_str(key));
}

struct gg_str mx_json_path(struct gg_str object, const char *const *keys)
{
    for (; *keys && object.s; keys++)
        object = mx_json_get(object, *keys);
    return object;
}

struct gg_str mx_json_string(struct gg_str value, struct gg_arena *arena)
{
    struct gg_str raw;
    char *text;
    size_t n;
    if (value.n < 2 || value.s[0] != '"')
        return absent;
    raw = gg_strn(value.s + 1, value.n - 2);
    if (!memchr(raw.s, '\\', raw.n))
        return raw;
    text = gg_arena_alloc(arena, raw.n + 1);
    n = mx_text_decode(raw, text);
    text[n] = '\0';
    return gg_strn(text, n);
}

bool mx_json_i64(struct gg_str value, int64_t *out)
{
    bool negative = value.n && value.s[0] == '-';
    uint64_t v = 0, limit = (uint64_t)INT64_MAX + negative;
    if (value.n <= negative)
        return false;
    for (size_t i = negative; i < value.n; i++) {
        unsigned digit = (unsigned)(value.s[i] - '0');
        if (digit > 9 || v > (limit - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    *out = negative ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

bool mx_json_true(struct gg_str value)
{
    return gg_str_is(value, "true");
}

size_t mx_json_length(struct gg_str container)
{
    struct mx_json_iter it = mx_json_iter(container);
    size_t n = 0;
    while (mx_json_next(&it))
        n++;
    return n;
}
