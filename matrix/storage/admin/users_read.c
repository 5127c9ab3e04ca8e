/* users_read.c: what administrators ask about accounts. */
#include "storage/admin/users.h"

/* Which columns a list can be ordered by: text and numbers apart, as one expression has one type. */
#define ORDER_TEXT                                                                                                     \
    "CASE $9 WHEN 'displayname' THEN p.displayname WHEN 'user_type' THEN u.user_type "                                 \
    "WHEN 'avatar_url' THEN p.avatar_url WHEN 'name' THEN u.name END"
#define ORDER_NUMBER                                                                                                   \
    "CASE $9 WHEN 'is_guest' THEN u.is_guest WHEN 'admin' THEN u.admin WHEN 'deactivated' THEN u.deactivated "         \
    "WHEN 'shadow_banned' THEN coalesce(u.shadow_banned, false)::int WHEN 'creation_ts' THEN u.creation_ts "           \
    "WHEN 'locked' THEN u.locked::int WHEN 'last_seen_ts' THEN s.seen END"

static const char *const orders[] = {"name",        "displayname", "is_guest",      "admin",       "deactivated",  "user_type",
                                     "avatar_url",  "shadow_banned", "creation_ts", "last_seen_ts", "locked"};

bool mx_admin_users_order(const char *name)
{
    for (size_t i = 0; i < GG_COUNT(orders); i++)
        if (strcmp(orders[i], name) == 0)
            return true;
    return false;
}

/* Of rows that are shown, or where the order needs it: it costs two look-ups. */
#define LAST_SEEN(user_)                                                                                               \
    "coalesce((SELECT max(last_seen) FROM devices d WHERE d.user_id = " user_ "), "                                    \
    "(SELECT max(last_seen) FROM user_ips i WHERE i.user_id = " user_ "))"
#define LIKE(column_, text_) "position(lower(" text_ ") in lower(" column_ ")) > 0"

int mx_admin_users_list(struct mx_server *server, const struct mx_admin_users_query *q, struct gg_arena *arena,
                        struct gg_str *users_out, int64_t *total_out, int64_t *n_out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "WITH found AS (SELECT u.*, p.displayname, p.avatar_url, e.user_id IS NOT NULL AS erased, s.seen, "
        "row_number() OVER (ORDER BY CASE WHEN NOT $10 THEN " ORDER_TEXT " END, CASE WHEN $10 THEN " ORDER_TEXT " END DESC, "
        "CASE WHEN NOT $10 THEN " ORDER_NUMBER " END, CASE WHEN $10 THEN " ORDER_NUMBER " END DESC, u.name) AS place "
        "FROM users u LEFT JOIN profiles p ON p.full_user_id = u.name LEFT JOIN erased_users e ON e.user_id = u.name "
        "LEFT JOIN LATERAL (SELECT CASE WHEN $9 = 'last_seen_ts' THEN " LAST_SEEN("u.name") " END AS seen) s ON true "
        "WHERE ($1::text IS NULL OR " LIKE("substr(split_part(u.name, ':', 1), 2)", "$1") " OR " LIKE("p.displayname", "$1")
        ") AND ($1 IS NOT NULL OR $2::text IS NULL OR " LIKE("u.name", "$2") ") "
        "AND ($3::boolean IS NULL OR (u.is_guest = 1) = $3) AND ($4::boolean IS NULL OR (u.deactivated = 1) = $4) "
        "AND ($5::boolean IS NULL OR u.locked = $5) AND ($6::boolean IS NULL OR (u.admin = 1) = $6) "
        "AND NOT coalesce(u.user_type, '') = ANY($11::text[])) "
        "SELECT coalesce(json_agg(json_build_object('name', name, 'user_type', user_type, 'is_guest', is_guest = 1, "
        "'admin', admin = 1, 'deactivated', deactivated = 1, 'shadow_banned', coalesce(shadow_banned, false), "
        "'displayname', displayname, 'avatar_url', avatar_url, 'creation_ts', creation_ts * 1000, 'erased', erased, "
        "'last_seen_ts', " LAST_SEEN("found.name") ", 'locked', locked) ORDER BY place) FILTER (WHERE place > $7 AND place <= $7 + $8), '[]')::text, "
        "count(*), count(*) FILTER (WHERE place > $7 AND place <= $7 + $8) FROM found",
        GG_LANE_SCAN};
    struct gg_rows *rows;
    int status = gg_db_read(server->db, &stmt,
                            GG_PARAMS(gg_p_str(q->name), gg_p_str(q->user_id), mx_p_flag(q->guests),
                                      mx_p_flag(q->deactivated), mx_p_flag(q->locked), mx_p_flag(q->admins),
                                      gg_p_i64(q->from), gg_p_i64(q->limit), gg_p_str(q->order_by),
                                      gg_p_bool(q->backwards), gg_p_texts(q->not_types, q->n_not_types)),
                            arena, &rows, err);
    if (status)
        return status;
    *users_out = gg_rows_str(rows, 0, 0);
    *total_out = gg_rows_i64(rows, 0, 1);
    *n_out = gg_rows_i64(rows, 0, 2);
    return 0;
}

const struct gg_stmt mx_admin_user_details = {
    "SELECT json_build_object('name', u.name, 'admin', u.admin = 1, 'deactivated', u.deactivated = 1, 'locked', u.locked, "
    "'shadow_banned', coalesce(u.shadow_banned, false), 'creation_ts', u.creation_ts, 'appservice_id', u.appservice_id, "
    "'consent_server_notice_sent', u.consent_server_notice_sent, 'consent_version', u.consent_version, "
    "'consent_ts', u.consent_ts, 'user_type', u.user_type, 'is_guest', u.is_guest = 1, 'suspended', u.suspended, "
    "'displayname', p.displayname, 'avatar_url', p.avatar_url, "
    "'threepids', coalesce((SELECT json_agg(json_build_object('medium', t.medium, 'address', t.address, "
    "'validated_at', t.validated_at, 'added_at', t.added_at)) FROM user_threepids t WHERE t.user_id = u.name), '[]'), "
    "'external_ids', coalesce((SELECT json_agg(json_build_object('auth_provider', x.auth_provider, "
    "'external_id', x.external_id)) FROM user_external_ids x WHERE x.user_id = u.name), '[]'), "
    "'erased', EXISTS (SELECT 1 FROM erased_users e WHERE e.user_id = u.name), "
    "'last_seen_ts', coalesce((SELECT max(last_seen) FROM devices d WHERE d.user_id = u.name), "
    "(SELECT max(last_seen) FROM user_ips i WHERE i.user_id = u.name)))::text "
    "FROM users u LEFT JOIN profiles p ON p.full_user_id = u.name WHERE u.name = $1",
    GG_LANE_POINT};

const struct gg_stmt mx_admin_user_whois = {
    "SELECT json_build_object('user_id', $1::text, 'devices', json_build_object('', json_build_object('sessions', "
    "json_build_array(json_build_object('connections', coalesce(json_agg(json_build_object('ip', ip, 'last_seen', last_seen, "
    "'user_agent', user_agent) ORDER BY last_seen DESC), '[]'))))))::text FROM (SELECT DISTINCT ON (access_token, ip) ip, "
    "last_seen, user_agent FROM user_ips WHERE user_id = $1 ORDER BY access_token, ip, last_seen DESC) c",
    GG_LANE_POINT};

const struct gg_stmt mx_admin_user_joined_rooms = {
    "SELECT json_build_object('joined_rooms', coalesce(json_agg(room_id ORDER BY room_id), '[]'), 'total', count(*))::text "
    "FROM current_state_events WHERE type = 'm.room.member' AND state_key = $1 AND membership = 'join'",
    GG_LANE_POINT};

const struct gg_stmt mx_admin_user_memberships = {
    "SELECT json_build_object('memberships', coalesce(json_object_agg(room_id, membership ORDER BY room_id), '{}'))::text "
    "FROM local_current_membership WHERE user_id = $1",
    GG_LANE_POINT};

const struct gg_stmt mx_admin_user_pushers = {
    "SELECT json_build_object('pushers', coalesce(json_agg(json_build_object('app_display_name', app_display_name, "
    "'app_id', app_id, 'data', data::json, 'device_display_name', device_display_name, 'kind', kind, 'lang', lang, "
    "'profile_tag', profile_tag, 'pushkey', pushkey) ORDER BY id), '[]'), 'total', count(*))::text FROM pushers "
    "WHERE user_name = $1",
    GG_LANE_POINT};

const struct gg_stmt mx_admin_user_account_data = {
    "SELECT json_build_object('account_data', json_build_object('global', coalesce((SELECT json_object_agg("
    "account_data_type, content::json) FROM account_data WHERE user_id = $1 AND content <> '{}'), '{}'), 'rooms', "
    "coalesce((SELECT json_object_agg(room_id, data) FROM (SELECT room_id, json_object_agg(account_data_type, "
    "content::json) AS data FROM room_account_data WHERE user_id = $1 AND content <> '{}' GROUP BY room_id) r), '{}')))::text",
    GG_LANE_POINT};

const struct gg_stmt mx_admin_user_devices = {
    "SELECT json_build_object('devices', coalesce(json_agg(jsonb_build_object('device_id', device_id, 'display_name', "
    "display_name, 'last_seen_ip', ip, 'last_seen_user_agent', user_agent, 'last_seen_ts', last_seen, 'user_id', user_id) || "
    "coalesce((SELECT jsonb_build_object('dehydrated', d.device_id = devices.device_id) FROM dehydrated_devices d WHERE "
    "d.user_id = $1), '{}') ORDER BY device_id), '[]'), 'total', count(*))::text FROM devices WHERE user_id = $1 AND NOT coalesce(hidden, false)",
    GG_LANE_POINT};

const struct gg_stmt mx_admin_user_features = {
    "SELECT json_build_object('features', coalesce(json_object_agg(feature, enabled), '{}'))::text "
    "FROM per_user_experimental_features WHERE user_id = $1",
    GG_LANE_POINT};

const struct gg_stmt mx_admin_user_rate_limit = {
    "SELECT json_build_object('messages_per_second', coalesce(messages_per_second, 0), 'burst_count', "
    "coalesce(burst_count, 0))::text FROM ratelimit_override WHERE user_id = $1",
    GG_LANE_POINT};

const struct gg_stmt mx_admin_users_search = {
    "SELECT coalesce(json_agg(json_build_object('name', name, 'is_guest', is_guest = 1, 'admin', admin = 1, 'user_type', "
    "user_type) ORDER BY name), '[]')::text FROM users WHERE " LIKE("name", "$1"),
    GG_LANE_SCAN};

const struct gg_stmt mx_admin_user_invites_sent = {
    "SELECT json_build_object('invite_count', count(*))::text FROM room_memberships m JOIN events e USING (event_id) "
    "WHERE m.sender = $1 AND m.membership = 'invite' AND e.received_ts >= $2::bigint",
    GG_LANE_SCAN};

const struct gg_stmt mx_admin_user_rooms_joined = {
    "SELECT json_build_object('cumulative_joined_room_count', count(DISTINCT m.room_id))::text FROM room_memberships m "
    "JOIN events e USING (event_id) WHERE m.user_id = $1 AND m.membership = 'join' AND e.received_ts >= $2::bigint",
    GG_LANE_SCAN};

const struct gg_stmt mx_admin_user_by_address = {
    "SELECT json_build_object('user_id', user_id)::text FROM user_threepids WHERE medium = $1 AND address = $2",
    GG_LANE_POINT};

const struct gg_stmt mx_admin_user_by_external_id = {
    "SELECT json_build_object('user_id', user_id)::text FROM user_external_ids WHERE auth_provider = $1 AND external_id = $2",
    GG_LANE_POINT};

const struct gg_stmt mx_admin_users_media = {
    "WITH used AS (SELECT m.user_id, p.displayname, count(*) AS media_count, sum(m.media_length) AS media_length, "
    "row_number() OVER (ORDER BY CASE WHEN NOT $6 AND $5 IN ('user_id', 'displayname') THEN CASE $5 WHEN 'user_id' THEN "
    "m.user_id ELSE p.displayname END END, CASE WHEN $6 AND $5 IN ('user_id', 'displayname') THEN CASE $5 WHEN 'user_id' "
    "THEN m.user_id ELSE p.displayname END END DESC, CASE WHEN NOT $6 THEN CASE $5 WHEN 'media_count' THEN count(*) WHEN "
    "'media_length' THEN sum(m.media_length) END END, CASE WHEN $6 THEN CASE $5 WHEN 'media_count' THEN count(*) WHEN "
    "'media_length' THEN sum(m.media_length) END END DESC, m.user_id) AS place "
    "FROM local_media_repository m LEFT JOIN profiles p ON p.full_user_id = m.user_id "
    "WHERE m.user_id IS NOT NULL AND ($1::text IS NULL OR " LIKE("m.user_id", "$1") " OR " LIKE("p.displayname", "$1")
    ") AND ($2::bigint = 0 OR m.created_ts >= $2) AND ($7::bigint = 0 OR m.created_ts <= $7) GROUP BY m.user_id, p.displayname) "
    "SELECT (jsonb_build_object('users', coalesce(jsonb_agg(jsonb_build_object('displayname', displayname, 'media_count', "
    "media_count, 'media_length', media_length, 'user_id', user_id) ORDER BY place) FILTER (WHERE place > $3 AND "
    "place <= $3::bigint + $4::bigint), '[]'), 'total', count(*)) || CASE WHEN $3 + $4 < count(*) THEN "
    "jsonb_build_object('next_token', $3 + $4) ELSE '{}' END)::text FROM used",
    GG_LANE_SCAN};
