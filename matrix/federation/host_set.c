/* matrix/federation/host_set.c: a sorted set with counts; the next one is merged from the last and what changed. */
#include "federation/host_set.h"

#include <ganglion/memory.h>

static int by_name(const void *a, const void *b)
{
    return gg_str_cmp(((const struct mx_host_change *)a)->name, ((const struct mx_host_change *)b)->name);
}

/* Changes of one name become one. */
static size_t sum_up(struct mx_host_change *changes, size_t n)
{
    size_t kept = 0;
    if (n > 1)
        qsort(changes, n, sizeof(*changes), by_name);
    for (size_t i = 0; i < n; i++) {
        if (kept > 0 && gg_str_eq(changes[kept - 1].name, changes[i].name))
            changes[kept - 1].by += changes[i].by;
        else
            changes[kept++] = changes[i];
    }
    return kept;
}

/* Walks both sorted lists as one. */
struct merge {
    const struct mx_host_set *old;
    const struct mx_host_change *changes;
    size_t n_changes, i, k;
};

/* The next server that has members; false: no more. */
static bool merge_next(struct merge *m, struct mx_host_change *out)
{
    size_t n_old = m->old != NULL ? m->old->n : 0;
    while (m->i < n_old || m->k < m->n_changes) {
        int order = m->i >= n_old ? 1 : m->k >= m->n_changes ? -1 : gg_str_cmp(m->old->names[m->i], m->changes[m->k].name);
        *out = order > 0 ? m->changes[m->k] : (struct mx_host_change){m->old->names[m->i], m->old->members[m->i]};
        if (order == 0)
            out->by += m->changes[m->k].by;
        m->i += order <= 0;
        m->k += order >= 0;
        if (out->by > 0)
            return true;
    }
    return false;
}

struct mx_host_set *mx_host_set_changed(const struct mx_host_set *old, struct mx_host_change *changes, size_t n_changes)
{
    struct mx_host_change host;
    size_t n = 0, text = 0;
    n_changes = sum_up(changes, n_changes);
    for (struct merge m = {old, changes, n_changes, 0, 0}; merge_next(&m, &host); n++)
        text += host.name.n + 1;
    size_t bytes = sizeof(struct mx_host_set) + n * (sizeof(struct gg_str) + sizeof(int64_t)) + text;
    struct mx_host_set *set = gg_xmalloc(bytes);
    struct gg_str *names = (struct gg_str *)(void *)(set + 1);
    int64_t *members = (int64_t *)(void *)(names + n);
    char *at = (char *)(members + n);
    *set = (struct mx_host_set){1, 0, bytes, names, members};
    for (struct merge m = {old, changes, n_changes, 0, 0}; merge_next(&m, &host); set->n++) {
        memcpy(at, host.name.s, host.name.n);
        at[host.name.n] = '\0';
        names[set->n] = gg_strn(at, host.name.n);
        members[set->n] = host.by;
        at += host.name.n + 1;
    }
    return set;
}

struct mx_host_set *mx_host_set_ref(struct mx_host_set *set)
{
    set->refs++;
    return set;
}

void mx_host_set_unref(struct mx_host_set *set)
{
    if (set != NULL && --set->refs == 0)
        free(set);
}
