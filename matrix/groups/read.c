/* matrix/groups/read.c: what is told of a group of ours. What is not public is for its members. */
#include "groups/groups.h"

#include "accounts/accounts.h"
#include "storage/groups.h"

#include <ganglion/matrix/id.h>

static int find_group(const struct mx_group_call *call, struct mx_group_row *out, struct gg_error *err)
{
    bool found;
    int rc = mx_groups_get(call->server, call->group_id, call->arena, out, &found, err);
    return rc == 0 && !found ? gg_refuse(err, 404, "M_UNKNOWN", "Unknown group") : rc;
}

/* ---- who asks ---- */

int mx_group_standing(const struct mx_group_call *call, struct mx_group_member *me, bool *is_member, struct gg_error *err)
{
    struct mx_group_row row;
    bool found;
    int rc = find_group(call, &row, err);
    if (rc == 0)
        rc = mx_groups_member(call->server, call->group_id, call->requester, call->arena, me, &found, err);
    *is_member = rc == 0 && found && !me->invited;
    return rc;
}

int mx_group_admin(const struct mx_group_call *call, struct gg_error *err)
{
    struct mx_group_member me;
    bool member;
    int rc = mx_group_standing(call, &me, &member, err);
    return rc != 0 || (member && me.admin) ? rc : gg_refuse(err, 403, "M_FORBIDDEN", "User is not admin in group");
}

json_t *mx_group_json(struct gg_str text)
{
    json_t *value = text.s != NULL ? json_loadb(text.s, text.n, JSON_DECODE_ANY, NULL) : NULL;
    return value != NULL ? value : json_object();
}

/* ---- parts of the answers ---- */

static json_t *profile_of(const struct mx_group_row *row)
{
    return json_pack("{s:o,s:o,s:o,s:o,s:b}", "name", mx_group_text(row->name), "avatar_url", mx_group_text(row->avatar_url),
                     "short_description", mx_group_text(row->short_description), "long_description",
                     mx_group_text(row->long_description), "is_openly_joinable", row->open);
}

static void set_text(json_t *object, const char *key, struct gg_str text)
{
    if (text.s != NULL)
        json_object_set_new(object, key, json_stringn(text.s, text.n));
}

/* Name and picture: of ours from their profile, of others as their server told. */
static int add_profile(const struct mx_group_call *call, const struct mx_group_member *m, json_t *out, struct gg_error *err)
{
    struct mx_profile_row row;
    if (!mx_is_mine(call->server, m->user_id)) {
        json_t *profile = mx_group_json(m->profile);
        static const char *const keys[] = {"displayname", "avatar_url"};
        for (size_t i = 0; i < GG_COUNT(keys); i++)
            if (json_is_string(json_object_get(profile, keys[i])))
                json_object_set(out, keys[i], json_object_get(profile, keys[i]));
        json_decref(profile);
        return 0;
    }
    int rc = mx_profiles_read(call->server, m->user_id, call->arena, &row, err);
    if (rc == 0 && row.found) {
        set_text(out, "displayname", row.display_name);
        set_text(out, "avatar_url", row.avatar_url);
    }
    return rc;
}

/* Of a user of another server the group only says what that server attests. */
static bool attested(const struct mx_group_call *call, const struct mx_group_member *m)
{
    return mx_is_mine(call->server, m->user_id) || (m->attestation.s != NULL && m->valid_until > gg_wall_ms());
}

static int user_of(const struct mx_group_call *call, const struct mx_group_member *m, json_t **out, struct gg_error *err)
{
    *out = json_pack("{s:s%,s:b,s:b}", "user_id", m->user_id.s, m->user_id.n, "is_public", m->is_public, "is_privileged", m->admin);
    if (m->attestation.s != NULL)
        json_object_set_new(*out, "attestation", mx_group_json(m->attestation));
    return add_profile(call, m, *out, err);
}

/* ---- rooms ---- */

static const struct gg_stmt select_rooms = {
    "SELECT s.room_id, s.name, s.topic, s.canonical_alias, s.avatar, s.history_visibility = 'world_readable',"
    " s.guest_access = 'can_join', c.joined_members FROM room_stats_state s JOIN room_stats_current c USING (room_id)"
    " WHERE s.room_id = ANY ($1::text[]) ORDER BY c.joined_members DESC, s.room_id", GG_LANE_POINT};

static json_t *room_of(const struct gg_rows *rows, size_t i)
{
    static const char *const texts[] = {"room_id", "name", "topic", "canonical_alias", "avatar_url"};
    json_t *room = json_pack("{s:b,s:b,s:I}", "world_readable", gg_rows_bool(rows, i, 5), "guest_can_join", gg_rows_bool(rows, i, 6),
                             "num_joined_members", (json_int_t)gg_rows_i64(rows, i, 7));
    for (size_t k = 0; k < GG_COUNT(texts); k++)
        set_text(room, texts[k], gg_rows_str(rows, i, (int)k));
    return room;
}

/* Rooms that this server knows, with what it knows of them; items may be fewer than asked for. room_id -> index by out. */
static int describe(const struct mx_group_call *call, const struct mx_group_item *items, size_t n, json_t *out, struct gg_error *err)
{
    struct gg_str *ids = GG_NEW_ARRAY(call->arena, struct gg_str, n + 1);
    struct gg_rows *rows;
    for (size_t i = 0; i < n; i++)
        ids[i] = items[i].id;
    int rc = gg_db_read(call->server->db, &select_rooms, GG_PARAMS(gg_p_texts(ids, n)), call->arena, &rows, err);
    for (size_t i = 0; rc == 0 && i < gg_rows_count(rows); i++) {
        json_t *room = room_of(rows, i);
        struct gg_str id = gg_rows_str(rows, i, 0);
        for (size_t k = 0; k < n; k++)
            if (gg_str_eq(items[k].id, id))
                json_object_set_new(room, "is_public", json_boolean(items[k].is_public));
        json_array_append_new(out, room);
    }
    return rc;
}

/* ---- questions ---- */

int mx_group_profile(const struct mx_group_call *call, json_t **answer, struct gg_error *err)
{
    struct mx_group_row row;
    int rc = find_group(call, &row, err);
    if (rc == 0)
        *answer = profile_of(&row);
    return rc;
}

static size_t keep_public(struct mx_group_item *items, size_t n, bool member)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (member || items[i].is_public)
            items[kept++] = items[i];
    return kept;
}

int mx_group_rooms(const struct mx_group_call *call, json_t **answer, struct gg_error *err)
{
    struct mx_group_member me;
    struct mx_group_item *items;
    size_t n;
    bool member;
    json_t *chunk = json_array();
    int rc = mx_group_standing(call, &me, &member, err);
    if (rc == 0)
        rc = mx_groups_rooms(call->server, call->group_id, call->arena, &items, &n, err);
    if (rc == 0)
        rc = describe(call, items, keep_public(items, n, member), chunk, err);
    if (rc == 0)
        *answer = json_pack("{s:O,s:I}", "chunk", chunk, "total_room_count_estimate", (json_int_t)n);
    json_decref(chunk);
    return rc;
}

static int list_users(const struct mx_group_call *call, bool invited, json_t **answer, struct gg_error *err)
{
    struct mx_group_member me, *users;
    size_t n = 0;
    bool member;
    json_t *chunk = json_array(), *user;
    int rc = mx_group_standing(call, &me, &member, err);
    if (rc == 0 && invited && !member)
        rc = gg_refuse(err, 403, "M_UNKNOWN", "User not in group");
    if (rc == 0)
        rc = mx_groups_members(call->server, call->group_id, invited, call->arena, &users, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (!invited && ((!member && !users[i].is_public) || !attested(call, &users[i])))
            continue;
        rc = user_of(call, &users[i], &user, err);
        json_array_append_new(chunk, user);
    }
    if (rc == 0)
        *answer = json_pack("{s:O,s:I}", "chunk", chunk, "total_user_count_estimate", (json_int_t)n);
    json_decref(chunk);
    return rc;
}

int mx_group_users(const struct mx_group_call *call, json_t **answer, struct gg_error *err)
{
    return list_users(call, false, answer, err);
}

int mx_group_invited(const struct mx_group_call *call, json_t **answer, struct gg_error *err)
{
    return list_users(call, true, answer, err);
}

/* ---- categories and roles ---- */

static json_t *label_of(const struct mx_group_item *item)
{
    return json_pack("{s:b,s:o}", "is_public", item->is_public, "profile", mx_group_json(item->profile));
}

static int read_labels(const struct mx_group_call *call, char kind, bool member, json_t *out, struct gg_error *err)
{
    struct mx_group_item *items;
    size_t n = 0;
    int rc = mx_groups_labels(call->server, call->group_id, kind, (struct gg_str){0}, call->arena, &items, &n, err);
    n = keep_public(items, n, member);
    for (size_t i = 0; rc == 0 && i < n; i++)
        json_object_set_new(out, items[i].id.s, label_of(&items[i]));
    return rc;
}

int mx_group_labels(const struct mx_group_call *call, json_t **answer, struct gg_error *err)
{
    struct mx_group_member me;
    bool member;
    json_t *labels = json_object();
    int rc = mx_group_standing(call, &me, &member, err);
    if (rc == 0)
        rc = read_labels(call, call->kind, true, labels, err);
    if (rc == 0)
        *answer = json_pack("{s:O}", call->kind == MX_GROUP_ROOMS ? "categories" : "roles", labels);
    json_decref(labels);
    return rc;
}

int mx_group_label(const struct mx_group_call *call, json_t **answer, struct gg_error *err)
{
    struct mx_group_member me;
    struct mx_group_item *items;
    size_t n = 0;
    bool member;
    int rc = mx_group_standing(call, &me, &member, err);
    if (rc == 0)
        rc = mx_groups_labels(call->server, call->group_id, call->kind, call->label, call->arena, &items, &n, err);
    if (rc == 0 && n == 0)
        rc = gg_refuse(err, 404, "M_NOT_FOUND", "Unknown %s", call->kind == MX_GROUP_ROOMS ? "category" : "role");
    if (rc == 0)
        *answer = label_of(&items[0]);
    return rc;
}

/* ---- summary ---- */

static void add_place(json_t *object, const struct mx_group_item *place, const char *label_key)
{
    json_object_set_new(object, "order", json_integer(place->order));
    json_object_set_new(object, "is_public", json_boolean(place->is_public));
    if (place->label.n > 0)
        json_object_set_new(object, label_key, json_stringn(place->label.s, place->label.n));
}

static int summary_rooms(const struct mx_group_call *call, bool member, json_t *out, struct gg_error *err)
{
    struct mx_group_item *places;
    size_t n, at;
    json_t *known = json_array(), *room;
    int rc = mx_groups_places(call->server, call->group_id, MX_GROUP_ROOMS, call->arena, &places, &n, err);
    n = rc == 0 ? keep_public(places, n, member) : 0;
    if (rc == 0)
        rc = describe(call, places, n, known, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        json_t *entry = json_pack("{s:s%}", "room_id", places[i].id.s, places[i].id.n);
        json_array_foreach(known, at, room)
            if (strcmp(json_string_value(json_object_get(room, "room_id")), places[i].id.s) == 0)
                json_object_set_new(entry, "profile", json_copy(room));
        add_place(entry, &places[i], "category_id");
        json_array_append_new(out, entry);
    }
    json_decref(known);
    return rc;
}

static int summary_users(const struct mx_group_call *call, bool member, json_t *out, struct gg_error *err)
{
    struct mx_group_item *places;
    size_t n;
    int rc = mx_groups_places(call->server, call->group_id, MX_GROUP_USERS, call->arena, &places, &n, err);
    n = rc == 0 ? keep_public(places, n, member) : 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct mx_group_member user;
        json_t *entry;
        bool found;
        rc = mx_groups_member(call->server, call->group_id, places[i].id, call->arena, &user, &found, err);
        if (rc != 0 || !found || user.invited || !attested(call, &user))
            continue;
        rc = user_of(call, &user, &entry, err);
        add_place(entry, &places[i], "role_id");
        json_array_append_new(out, entry);
    }
    return rc;
}

static json_t *asker_of(const struct mx_group_member *me, bool member)
{
    if (!member)
        return json_pack("{s:s?}", "membership", me->invited ? "invite" : NULL);
    return json_pack("{s:s,s:b,s:b}", "membership", "join", "is_public", me->is_public, "is_privileged", me->admin);
}

int mx_group_summary(const struct mx_group_call *call, json_t **answer, struct gg_error *err)
{
    struct mx_group_member me, *users;
    struct mx_group_item *rooms;
    size_t n_users = 0, n_rooms = 0;
    bool member;
    json_t *profile = NULL, *r = json_array(), *u = json_array(), *categories = json_object(), *roles = json_object();
    int rc = mx_group_standing(call, &me, &member, err);
    if (rc == 0)
        rc = mx_group_profile(call, &profile, err);
    if (rc == 0)
        rc = summary_rooms(call, member, r, err);
    if (rc == 0)
        rc = summary_users(call, member, u, err);
    if (rc == 0)
        rc = read_labels(call, MX_GROUP_ROOMS, member, categories, err);
    if (rc == 0)
        rc = read_labels(call, MX_GROUP_USERS, member, roles, err);
    if (rc == 0)
        rc = mx_groups_members(call->server, call->group_id, false, call->arena, &users, &n_users, err);
    if (rc == 0)
        rc = mx_groups_rooms(call->server, call->group_id, call->arena, &rooms, &n_rooms, err);
    if (rc == 0)
        *answer = json_pack("{s:O,s:{s:O,s:O,s:I},s:{s:O,s:O,s:I},s:o}", "profile", profile, "users_section", "users", u, "roles", roles,
                            "total_user_count_estimate", (json_int_t)n_users, "rooms_section", "rooms", r, "categories", categories,
                            "total_room_count_estimate", (json_int_t)n_rooms, "user", asker_of(&me, member));
    json_t *const made[] = {profile, r, u, categories, roles};
    for (size_t i = 0; i < GG_COUNT(made); i++)
        json_decref(made[i]);
    return rc;
}
