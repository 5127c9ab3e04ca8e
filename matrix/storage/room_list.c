/* matrix/storage/room_list.c: the published rooms and their order.
 *
 * Listed is what was published and can be entered or read by a stranger. One statement for each source and direction: the
 * planner sees a fixed shape. */
#include "storage/room_list.h"

#define OWN "SELECT room_id FROM rooms WHERE is_public"
#define NETWORK "SELECT room_id FROM appservice_room_list WHERE appservice_id = $2 AND network_id = $3"
#define ALL OWN " UNION SELECT room_id FROM appservice_room_list"
/* $1 federatable only, $2 and $3 the network (its text makes the planner know their type where they are not asked). */
#define FROM(source_) \
    " FROM room_stats_state s JOIN room_stats_current c USING (room_id) WHERE s.room_id IN (" source_ ")" \
    " AND (s.join_rules IN ('public', 'knock', 'knock_restricted') OR s.history_visibility = 'world_readable')" \
    " AND c.joined_members > 0 AND (NOT $1 OR COALESCE(s.is_federatable, true)) AND ($2::text IS NULL OR $3::text IS NOT NULL)"
/* Wanted types (NULL: any), and are those without a type wanted too? The plain list is asked for apart, since the planner
 * takes each such condition to leave but few rows, and then goes from row to row. */
#define OF_TYPE(types_, untyped_) \
    " AND (" types_ "::text[] IS NULL OR s.room_type = ANY(" types_ ") OR (" untyped_ " AND COALESCE(s.room_type, '') = ''))"
#define WITH_TERM(term_) \
    " AND (" term_ "::text IS NULL OR strpos(lower(s.name), lower(" term_ ")) > 0" \
    " OR strpos(lower(s.topic), lower(" term_ ")) > 0 OR strpos(lower(s.canonical_alias), lower(" term_ ")) > 0)"
/* $4, $5 the last room seen, $6 rows at most. */
#define PAGE(source_, more_, side_, order_) \
    {"SELECT s.room_id, s.name, s.topic, s.canonical_alias, s.avatar, s.join_rules, s.history_visibility, s.guest_access," \
     " s.room_type, c.joined_members" FROM(source_) more_ \
     " AND ($4::text IS NULL OR (c.joined_members, s.room_id) " side_ " ($5::bigint, $4))" \
     " ORDER BY c.joined_members " order_ ", s.room_id " order_ " LIMIT $6", GG_LANE_SCAN}
#define PAGES(source_, more_) {PAGE(source_, more_, ">", "ASC"), PAGE(source_, more_, "<", "DESC")}
#define FILTERED OF_TYPE("$7", "$8") WITH_TERM("$9")
#define COUNT(source_, more_) {"SELECT count(*)" FROM(source_) more_, GG_LANE_SCAN}

enum { PAGE_PARAMS = 6, COUNT_PARAMS = 3 }; /* without those of FILTERED, and of the types alone */

/* [scope][filtered][forwards] and [scope][of certain types] */
static const struct gg_stmt pages[][2][2] = {[MX_LIST_OWN] = {PAGES(OWN, ""), PAGES(OWN, FILTERED)},
                                             [MX_LIST_NETWORK] = {PAGES(NETWORK, ""), PAGES(NETWORK, FILTERED)},
                                             [MX_LIST_ALL] = {PAGES(ALL, ""), PAGES(ALL, FILTERED)}};
static const struct gg_stmt counts[][2] = {[MX_LIST_OWN] = {COUNT(OWN, ""), COUNT(OWN, OF_TYPE("$4", "$5"))},
                                           [MX_LIST_NETWORK] = {COUNT(NETWORK, ""), COUNT(NETWORK, OF_TYPE("$4", "$5"))},
                                           [MX_LIST_ALL] = {COUNT(ALL, ""), COUNT(ALL, OF_TYPE("$4", "$5"))}};

static struct gg_param types_of(const struct mx_list_query *q)
{
    return q->typed ? gg_p_texts(q->room_types, q->n_room_types) : gg_p_null();
}

static void take_row(const struct gg_rows *rows, size_t i, struct mx_listed_room *out)
{
    struct gg_str *const texts[] = {&out->room_id, &out->name, &out->topic, &out->canonical_alias, &out->avatar_url,
                                    &out->join_rule, &out->history_visibility, &out->guest_access, &out->room_type};
    for (size_t k = 0; k < GG_COUNT(texts); k++)
        *texts[k] = gg_rows_str(rows, i, (int)k);
    out->joined = gg_rows_i64(rows, i, GG_COUNT(texts));
}

int mx_room_list_page(struct mx_server *server, const struct mx_list_query *q, struct gg_arena *arena,
                      struct mx_listed_room **out, size_t *n_out, struct gg_error *err)
{
    struct gg_rows *rows;
    bool forwards = q->since == NULL || q->since->forwards, filtered = q->typed || q->term.s != NULL;
    const struct gg_param params[] = {gg_p_bool(q->federatable), gg_p_str(q->appservice), gg_p_str(q->network),
                                      q->since != NULL ? gg_p_str(q->since->room_id) : gg_p_null(),
                                      gg_p_i64(q->since != NULL ? q->since->members : 0),
                                      q->limit >= 0 ? gg_p_i64(q->limit) : gg_p_null(),
                                      types_of(q), gg_p_bool(q->untyped), gg_p_str(q->term)};
    int rc = gg_db_read(server->db, &pages[q->scope][filtered][forwards], params, filtered ? GG_COUNT(params) : PAGE_PARAMS,
                        arena, &rows, err);
    if (rc != 0)
        return rc;
    *n_out = gg_rows_count(rows);
    *out = GG_NEW_ARRAY(arena, struct mx_listed_room, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++)
        take_row(rows, forwards ? i : *n_out - 1 - i, &(*out)[i]);
    return 0;
}

int mx_room_list_count(struct mx_server *server, const struct mx_list_query *q, struct gg_arena *arena, int64_t *out,
                       struct gg_error *err)
{
    struct gg_rows *rows;
    const struct gg_param params[] = {gg_p_bool(q->federatable), gg_p_str(q->appservice), gg_p_str(q->network),
                                      types_of(q), gg_p_bool(q->untyped)};
    int rc = gg_db_read(server->db, &counts[q->scope][q->typed], params, q->typed ? GG_COUNT(params) : COUNT_PARAMS, arena, &rows, err);
    if (rc == 0)
        *out = gg_rows_i64(rows, 0, 0);
    return rc;
}

/* ---- one room ---- */

static const struct gg_stmt get_listed = {"SELECT COALESCE(is_public, false) FROM rooms WHERE room_id = $1", GG_LANE_POINT};

int mx_room_list_get(struct mx_server *server, struct gg_str room_id, bool *known, bool *listed, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &get_listed, GG_PARAMS(gg_p_str(room_id)), arena, &rows, err);
    *known = rc == 0 && gg_rows_count(rows) > 0;
    *listed = *known && gg_rows_bool(rows, 0, 0);
    gg_arena_free(arena);
    return rc;
}

static const struct gg_stmt set_listed = {"UPDATE rooms SET is_public = $2 WHERE room_id = $1", 0};

int mx_room_list_set(struct mx_server *server, struct gg_str room_id, bool listed, struct gg_error *err)
{
    return gg_db_write(server->db, &set_listed, GG_PARAMS(gg_p_str(room_id), gg_p_bool(listed)), NULL, NULL, err);
}

static const struct gg_stmt add_network = {
    "INSERT INTO appservice_room_list (appservice_id, network_id, room_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", 0};
static const struct gg_stmt remove_network = {
    "DELETE FROM appservice_room_list WHERE appservice_id = $1 AND network_id = $2 AND room_id = $3", 0};

int mx_room_list_set_network(struct mx_server *server, struct gg_str appservice, struct gg_str network,
                             struct gg_str room_id, bool listed, struct gg_error *err)
{
    return gg_db_write(server->db, listed ? &add_network : &remove_network,
                         GG_PARAMS(gg_p_str(appservice), gg_p_str(network), gg_p_str(room_id)), NULL, NULL, err);
}
