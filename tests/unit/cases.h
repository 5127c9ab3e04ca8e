/* cases.h: reading the case files of tests/data. */
#ifndef TEST_CASES_H
#define TEST_CASES_H

#include <ganglion/matrix/state.h>
#include <stdio.h>
#include <stdlib.h>

/* The file that `variable` names, or tests/data/<name>. */
static inline struct mx_json *read_cases(struct gg_arena *arena, const char *variable, const char *name)
{
    const char *path = getenv(variable);
    struct gg_error err = GG_ERROR_INIT;
    struct gg_buf text = GG_BUF_INIT;
    struct mx_json *out = NULL;
    FILE *f = fopen(path ? path : gg_arena_printf(arena, "%s/%s", TEST_DATA, name), "r");
    char piece[65536];
    size_t n;
    if (!f)
        fail_msg("no case file %s", name);
    while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
        gg_buf_add(&text, piece, n);
    fclose(f);
    if (mx_json_parse(gg_buf_view(&text), 1000, arena, &out, &err) != 0)
        fail_msg("%s: %s", name, err.message);
    gg_buf_done(&text);
    return out;
}

static inline void drop_event(void *event)
{
    mx_event_unref(event);
}

/* An event of a tree, held by the arena; NULL and err when its format is refused. */
static inline struct mx_event *case_event(struct gg_arena *arena, const struct mx_json *tree,
                                          const struct mx_room_version *version, struct gg_error *err)
{
    struct gg_buf text = GG_BUF_INIT;
    struct mx_event *e = NULL;
    mx_json_write(&text, tree);
    if (mx_event_parse(gg_buf_view(&text), version, gg_strn(NULL, 0), &e, err) != 0)
        e = NULL;
    else
        gg_arena_defer(arena, drop_event, e);
    gg_buf_done(&text);
    return e;
}

static inline int64_t case_number(const struct mx_json *v)
{
    int64_t n = -1;
    if (v && v->kind == MX_JSON_NUMBER)
        mx_json_i64(v->text, &n);
    return n;
}

#endif
