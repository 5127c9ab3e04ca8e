/* matrix/heads/head.c: a head as an immutable object: making one, and making the next one from it. */
#include <ganglion/memory.h>
#include <stdlib.h>

#include "heads.h"

static size_t text_bytes(struct gg_str room_id, const struct mx_extremity *ends, size_t n)
{
    size_t bytes = room_id.n + 1;
    for (size_t i = 0; i < n; i++)
        bytes += ends[i].event_id.n + 1;
    return bytes;
}

static struct gg_str put(char **at, struct gg_str s)
{
    struct gg_str out = {*at, s.n};
    memcpy(*at, s.s, s.n);
    (*at)[s.n] = 0;
    *at += s.n + 1;
    return out;
}

/* All extremities stand on one group: then it is the group of the current state. */
static int64_t common_group(const struct mx_extremity *ends, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (ends[i].group != ends[0].group)
            return 0;
    return n ? ends[0].group : 0;
}

struct mx_held_head *mx_head_make(struct gg_str room_id, const struct mx_room_version *version, struct mx_state *state,
                                  struct mx_state *members, const struct mx_extremity *ends, size_t n_ends,
                                  size_t n_joined, size_t n_invited, int64_t position, int64_t state_position)
{
    size_t arrays = n_ends * (sizeof(struct mx_extremity) + sizeof(struct gg_str) + sizeof(int64_t));
    size_t bytes = sizeof(struct mx_held_head) + arrays + text_bytes(room_id, ends, n_ends);
    struct mx_held_head *h = gg_xmalloc(bytes);
    memset(h, 0, sizeof(*h));
    struct mx_extremity *own = (struct mx_extremity *)(void *)(h + 1);
    struct gg_str *ids = (struct gg_str *)(void *)(own + n_ends);
    int64_t *groups = (int64_t *)(void *)(ids + n_ends);
    char *text = (char *)(groups + n_ends);
    for (size_t i = 0; i < n_ends; i++) {
        own[i] = ends[i];
        ids[i] = own[i].event_id = put(&text, ends[i].event_id);
        groups[i] = ends[i].group;
        if (ends[i].depth > h->head.max_depth)
            h->head.max_depth = ends[i].depth;
    }
    h->head.room_id = put(&text, room_id);
    h->head.version = version;
    h->head.state = mx_state_ref(state);
    h->members = mx_state_ref(members);
    h->head.extremities = ids;
    h->head.extremity_groups = groups;
    h->head.n_extremities = n_ends;
    h->ends = own;
    h->head.group = common_group(ends, n_ends);
    h->head.position = position;
    h->state_position = state_position;
    h->head.n_joined = n_joined;
    h->head.n_invited = n_invited;
    h->refs = 1;
    h->bytes = bytes + mx_state_bytes(state) + mx_state_bytes(members);
    return h;
}

struct mx_head *mx_head_ref(const struct mx_head *head)
{
    struct mx_held_head *h = (struct mx_held_head *)(uintptr_t)head;
    h->refs++;
    return &h->head;
}

int64_t mx_head_state_position(const struct mx_head *head)
{
    return mx_held_head(head)->state_position;
}

void mx_head_unref(const struct mx_head *head)
{
    struct mx_held_head *h = (struct mx_held_head *)(uintptr_t)head;
    if (!h || --h->refs)
        return;
    mx_state_unref(h->head.state);
    mx_state_unref(h->members);
    free(h);
}

static const char *const memberships[] = {"join", "invite", "leave", "ban", "knock"};

/* Which of the five maps of the members holds the user. */
static struct gg_str membership_in(const struct mx_state *members, struct gg_str user_id)
{
    for (size_t i = 0; i < GG_COUNT(memberships); i++)
        if (mx_state_get(members, gg_str(memberships[i]), user_id).s)
            return gg_str(memberships[i]);
    return gg_strn(NULL, 0);
}

struct gg_str mx_head_membership(const struct mx_held_head *head, struct gg_str user_id)
{
    return membership_in(head->members, user_id);
}

static void count(size_t *n_joined, size_t *n_invited, struct gg_str membership, int by)
{
    if (gg_str_is(membership, "join"))
        *n_joined += (size_t)by;
    else if (gg_str_is(membership, "invite"))
        *n_invited += (size_t)by;
}

static struct mx_state *changed_members(const struct mx_held_head *old, const struct mx_head_change *c,
                                        size_t *n_joined, size_t *n_invited)
{
    if (!c->n_members)
        return mx_state_ref(old->members);
    struct mx_state *members = mx_state_copy(old->members);
    for (size_t i = 0; i < c->n_members; i++) {
        const struct mx_head_member *m = &c->members[i];
        struct gg_str before = membership_in(members, m->user_id);
        if (before.s) {
            count(n_joined, n_invited, before, -1);
            mx_state_delete(members, before, m->user_id);
        }
        if (m->event_id.s && m->membership.s) {
            count(n_joined, n_invited, m->membership, 1);
            mx_state_set(members, m->membership, m->user_id, m->event_id);
        }
    }
    return members;
}

struct mx_held_head *mx_head_changed(const struct mx_held_head *old, const struct mx_head_change *c)
{
    size_t n_joined = old->head.n_joined, n_invited = old->head.n_invited;
    struct mx_state *members = changed_members(old, c, &n_joined, &n_invited);
    struct mx_state *state = mx_state_ref(c->state ? c->state : old->head.state);
    const struct mx_extremity *ends = c->new_ends ? c->ends : old->ends;
    size_t n_ends = c->new_ends ? c->n_ends : old->head.n_extremities;
    int64_t position = c->position > old->head.position ? c->position : old->head.position;
    struct mx_held_head *h = mx_head_make(old->head.room_id, old->head.version, state, members, ends, n_ends, n_joined,
                                          n_invited, position, c->state ? position : old->state_position);
    mx_state_unref(state);
    mx_state_unref(members);
    return h;
}
