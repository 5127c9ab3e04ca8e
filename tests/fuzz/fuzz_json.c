/* Any bytes as JSON: the slice reader on whatever they are, and checker, tree and writers against each other. */
#include <ganglion/matrix/json.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* Never outside the text, whatever it is. */
static void fuzz_slices(struct gg_str text, struct gg_arena *arena)
{
    static const char *const path[] = {"a", "b", NULL};
    size_t n = 0;
    int64_t number;
    (void)mx_json_get(text, "a");
    (void)mx_json_path(text, path);
    (void)mx_json_i64(text, &number);
    for (struct mx_json_iter it = mx_json_iter(text); mx_json_next(&it); n++) {
        must(it.value.s >= text.s && it.value.s + it.value.n <= text.s + text.n);
        (void)mx_json_string(it.value, arena);
        (void)mx_json_key_is(it.key, "key");
    }
    must(mx_json_length(text) == n);
}

static struct mx_json *parsed(struct gg_str text, struct gg_arena *arena)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_json *v = NULL;
    must(mx_json_parse(text, 1000, arena, &v, &err) == 0);
    return v;
}

/* Both written forms are JSON, and writing them again changes nothing. */
static void fuzz_writers(struct mx_json *v, struct gg_arena *arena)
{
    struct gg_buf once = GG_BUF_INIT, twice = GG_BUF_INIT;
    mx_json_canonical(&once, v);
    mx_json_canonical(&twice, parsed(gg_buf_view(&once), arena));
    must(gg_str_eq(gg_buf_view(&once), gg_buf_view(&twice)));
    gg_buf_clear(&twice);
    gg_buf_clear(&once);
    mx_json_write(&once, v);
    mx_json_write(&twice, parsed(gg_buf_view(&once), arena));
    must(gg_str_eq(gg_buf_view(&once), gg_buf_view(&twice)));
    gg_buf_done(&once);
    gg_buf_done(&twice);
}

/* A tree and slices of the text that it was written to agree. */
static void fuzz_members(const struct mx_json *v, struct gg_arena *arena)
{
    struct gg_buf text = GG_BUF_INIT;
    mx_json_write(&text, v);
    must(mx_json_length(gg_buf_view(&text)) == (v->kind >= MX_JSON_ARRAY ? v->n : 0));
    for (uint32_t i = 0; v->kind == MX_JSON_OBJECT && i < v->n; i++) {
        struct gg_str value = mx_json_get_str(gg_buf_view(&text), v->members[i].key);
        struct gg_buf one = GG_BUF_INIT;
        mx_json_write(&one, v->members[i].value);
        must(gg_str_eq(value, gg_buf_view(&one)));
        gg_buf_done(&one);
    }
    gg_buf_done(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gg_str text = gg_strn((const char *)data, size);
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    struct mx_json *v = NULL;
    fuzz_slices(text, arena);
    if (mx_json_parse(text, 1000, arena, &v, &err) == 0) {
        fuzz_writers(v, arena);
        fuzz_members(v, arena);
        if (mx_json_strict(v, &err) == 0)
            must(mx_json_canonical_check(v, &err) == 0);
    }
    gg_arena_free(arena);
    return 0;
}
