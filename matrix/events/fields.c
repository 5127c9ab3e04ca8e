/* fields.c: the `event_fields` of a filter: only what dotted paths name (appendix "Dot-separated property paths"). */
#include "internal.h"

/* The next part of a path: up to a '.', with "\." and "\\" unescaped; false at the end. */
static bool next_part(struct gg_str *path, struct gg_arena *arena, struct gg_str *part)
{
    char *text;
    size_t i = 0, n = 0;
    if (!path->s)
        return false;
    text = gg_arena_alloc(arena, path->n + 1);
    for (; i < path->n && path->s[i] != '.'; i++) {
        if (path->s[i] == '\\' && i + 1 < path->n && (path->s[i + 1] == '.' || path->s[i + 1] == '\\'))
            i++;
        text[n++] = path->s[i];
    }
    text[n] = '\0';
    *part = gg_strn(text, n);
    *path = i < path->n ? gg_strn(path->s + i + 1, path->n - i - 1) : gg_strn(NULL, 0);
    return true;
}

/* Copies the value that the path names, with the objects around it, into out. */
static void pick(struct mx_json *out, const struct mx_json *from, struct gg_str path, struct gg_arena *arena)
{
    struct gg_str part;
    struct mx_json *value = NULL, *inner;
    const struct mx_json *probe = from;
    for (struct gg_str rest = path; next_part(&rest, arena, &part);)
        if (!(probe = value = mx_json_member(probe, part.s)))
            return;
    while (next_part(&path, arena, &part) && path.s) {
        inner = mx_json_member(out, part.s);
        if (inner && inner->kind != MX_JSON_OBJECT)
            return;
        if (!inner)
            mx_json_set(out, arena, part.s, inner = mx_json_object(arena));
        out = inner;
    }
    if (!mx_json_member(out, part.s))
        mx_json_set(out, arena, part.s, value);
}

void mx_event_write_fields(struct gg_buf *out, struct gg_str client_json, const struct gg_str *fields, size_t n_fields)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_json *event = mx_json_raw(arena, client_json), *kept = mx_json_object(arena);
    for (size_t i = 0; i < n_fields; i++)
        if (fields[i].n)
            pick(kept, event, fields[i], arena);
    mx_json_write(out, kept);
    gg_arena_free(arena);
}
