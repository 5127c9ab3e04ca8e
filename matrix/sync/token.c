/* matrix/sync/token.c: positions as clients are given them (facts database, section 7). */
#include "groups/in_sync.h"

#include <ganglion/matrix/token.h>
#include <stdlib.h>

/* ---- reading: a cursor over the text, never past its end ---- */

struct cursor {
    const char *p;
};

static bool read_i64(struct cursor *c, int64_t *out)
{
    const char *start = c->p;
    uint64_t v = 0;
    bool negative = *c->p == '-';
    if (negative)
        c->p++;
    for (; *c->p >= '0' && *c->p <= '9'; c->p++) {
        if (v > (uint64_t)(INT64_MAX - 9) / 10)
            return false;
        v = v * 10 + (uint64_t)(*c->p - '0');
    }
    *out = negative ? -(int64_t)v : (int64_t)v;
    return c->p > start + negative;
}

static bool skip(struct cursor *c, char ch)
{
    if (*c->p != ch)
        return false;
    c->p++;
    return true;
}

/* The rest of an "m" form: "5~1.7~2.9", also with an empty entry ("5~"). */
static bool read_ahead(struct cursor *c, struct mx_position *out)
{
    int64_t id, pos;
    if (!read_i64(c, &out->min))
        return false;
    while (skip(c, '~')) {
        if (*c->p == '\0' || *c->p == '_' || *c->p == '~')
            continue;
        if (!read_i64(c, &id) || !skip(c, '.') || !read_i64(c, &pos) || id < 0 || id > INT32_MAX)
            return false;
        if (out->n_ahead == MX_MAX_WRITERS)
            return false;
        out->ahead[out->n_ahead].instance = (int32_t)id;
        out->ahead[out->n_ahead++].pos = pos;
    }
    return true;
}

static bool read_position(struct cursor *c, struct mx_position *out)
{
    return skip(c, 'm') ? read_ahead(c, out) : read_i64(c, &out->min);
}

static bool read_room(struct cursor *c, struct mx_room_token *out)
{
    out->depth = -1;
    if (skip(c, 's'))
        return read_i64(c, &out->at.min);
    if (skip(c, 'm'))
        return read_ahead(c, &out->at);
    return skip(c, 't') && read_i64(c, &out->depth) && out->depth >= 0 && skip(c, '-') && read_i64(c, &out->at.min);
}

/* Fields after the room's, in order; some are plain numbers, some have the form of several writers. */
struct field {
    int64_t *number;
    struct mx_position *position;
};
enum { N_FIELDS = 13 };

static void fields_of(struct mx_token *t, struct field out[N_FIELDS])
{
    const struct field fields[N_FIELDS] = {
        {&t->presence, NULL},          {&t->typing, NULL},        {NULL, &t->receipts},      {&t->account_data, NULL},
        {&t->push_rules, NULL},        {&t->to_device, NULL},     {NULL, &t->device_lists},  {&t->groups, NULL},
        {&t->un_partial_rooms, NULL},  {&t->thread_subscriptions, NULL}, {NULL, &t->sticky_events},
        {NULL, &t->quarantined_media}, {&t->profile_updates, NULL}};
    memcpy(out, fields, sizeof(fields));
}

static bool parse(const char *text, struct mx_token *out)
{
    struct cursor c = {text};
    struct field fields[N_FIELDS];
    fields_of(out, fields);
    if (!read_room(&c, &out->room))
        return false;
    for (int i = 0; i < N_FIELDS && *c.p != '\0'; i++) {
        if (!skip(&c, '_'))
            return false;
        if (fields[i].number != NULL ? !read_i64(&c, fields[i].number) : !read_position(&c, fields[i].position))
            return false;
    }
    return *c.p == '\0' || *c.p == '_'; /* fields of a newer version are not ours to judge */
}

/* Every writer that a token names must be known, or its position could not be compared. */
static bool writers_known(struct mx_server *server, const struct mx_position *at)
{
    for (unsigned i = 0; i < at->n_ahead; i++)
        if (gg_instance_of_number(server->host, at->ahead[i].instance) == NULL)
            return false;
    return true;
}

static bool all_known(struct mx_server *server, const struct mx_token *t)
{
    return writers_known(server, &t->room.at) && writers_known(server, &t->receipts) && writers_known(server, &t->device_lists) &&
           writers_known(server, &t->sticky_events) && writers_known(server, &t->quarantined_media);
}

int mx_token_parse(struct mx_server *server, const char *text, struct mx_token *out, struct gg_error *err)
{
    memset(out, 0, sizeof(*out));
    bool ok = strlen(text) <= 2000 && parse(text, out);
    if (ok && !all_known(server, out)) {
        int rc = gg_instances_reload(server->host, err);
        if (rc != 0)
            return rc;
        ok = all_known(server, out);
    }
    return ok ? 0 : gg_refuse(err, 400, "M_UNKNOWN", "Invalid stream token");
}

/* ---- writing ---- */

static void write_position(struct gg_buf *out, const struct mx_position *at, const char *plain)
{
    gg_buf_text(out, at->n_ahead > 0 ? "m" : plain);
    gg_buf_i64(out, at->min);
    for (unsigned i = 0; i < at->n_ahead; i++)
        gg_buf_printf(out, "~%d.%lld", at->ahead[i].instance, (long long)at->ahead[i].pos);
}

void mx_token_write(struct gg_buf *out, const struct mx_token *token)
{
    struct mx_token copy = *token;
    struct field fields[N_FIELDS];
    fields_of(&copy, fields);
    if (token->room.depth >= 0)
        gg_buf_printf(out, "t%lld-%lld", (long long)token->room.depth, (long long)token->room.at.min);
    else
        write_position(out, &token->room.at, "s");
    for (int i = 0; i < N_FIELDS; i++) {
        gg_buf_char(out, '_');
        if (fields[i].number != NULL)
            gg_buf_i64(out, *fields[i].number);
        else
            write_position(out, fields[i].position, "");
    }
}

/* ---- comparing ---- */

bool mx_position_includes(struct mx_server *server, const struct mx_position *at, const char *instance, int64_t id)
{
    if (id <= at->min)
        return true;
    int32_t number = at->n_ahead > 0 ? gg_instance_number_known(server->host, instance) : 0;
    for (unsigned i = 0; i < at->n_ahead; i++)
        if (at->ahead[i].instance == number)
            return id <= at->ahead[i].pos;
    return false;
}

int64_t mx_position_max(const struct mx_position *at)
{
    int64_t max = at->min;
    for (unsigned i = 0; i < at->n_ahead; i++)
        if (at->ahead[i].pos > max)
            max = at->ahead[i].pos;
    return max;
}

/* ---- now ---- */

static int position_now(struct mx_server *server, struct gg_stream *stream, struct mx_position *out, struct gg_error *err)
{
    const char *names[MX_MAX_WRITERS];
    char copies[MX_MAX_WRITERS][256];
    int64_t positions[MX_MAX_WRITERS];
    out->n_ahead = 0;
    out->min = gg_stream_upto(stream);
    size_t n = gg_stream_ahead(stream, names, positions, MX_MAX_WRITERS);
    for (size_t i = 0; i < n; i++) /* names are only good until the first yield */
        (void)snprintf(copies[i], sizeof(copies[i]), "%s", names[i]);
    for (size_t i = 0; i < n; i++) {
        int rc = gg_instance_number(server->host, copies[i], &out->ahead[out->n_ahead].instance, err);
        if (rc != 0)
            return rc;
        out->ahead[out->n_ahead++].pos = positions[i];
    }
    return 0;
}

int mx_token_now(struct mx_server *server, struct mx_token *out, struct gg_error *err)
{
    memset(out, 0, sizeof(*out));
    out->room.depth = -1;
    out->presence = gg_stream_upto(server->presence);
    out->typing = gg_stream_upto(server->typing_stream);
    out->account_data = gg_stream_upto(server->account_data);
    out->push_rules = gg_stream_upto(server->push_rules);
    out->to_device = gg_stream_upto(server->to_device);
    out->un_partial_rooms = gg_stream_upto(server->un_partial_rooms);
    out->thread_subscriptions = gg_stream_upto(server->thread_subscriptions);
    out->profile_updates = gg_stream_upto(server->profile_updates);
    out->groups = mx_groups_position(server);
    int rc = position_now(server, server->events, &out->room.at, err);
    if (rc == 0)
        rc = position_now(server, server->receipts, &out->receipts, err);
    if (rc == 0)
        rc = position_now(server, server->device_lists, &out->device_lists, err);
    if (rc == 0)
        rc = position_now(server, server->sticky_events, &out->sticky_events, err);
    return rc == 0 ? position_now(server, server->quarantined_media, &out->quarantined_media, err) : rc;
}
