/* matrix/storage/federation/senders.c: who sends, and how far each sender has handled the streams (facts replication 10.5).
 *
 * The table of positions tells only a set of names, and Synapse's senders trust it alone. Ours also write down which
 * list, in which order, they were started with: the order decides whose a destination is. */
#include "storage/federation/outgoing.h"

enum { HERE_MS = 150 * 1000 }; /* a sender that said nothing for so long is gone */

static const struct gg_stmt select_positions = {
    "SELECT type, stream_id, instance_name FROM federation_stream_position ORDER BY type, instance_name FOR UPDATE", 0};
static const struct gg_stmt select_own_list = {
    "SELECT instances FROM ganglion_federation_sender.senders WHERE instance_name = $1", 0};
static const struct gg_stmt delete_foreign = {
    "DELETE FROM federation_stream_position WHERE NOT (instance_name = ANY ($1::text[]))", 0};
static const struct gg_stmt insert_missing = {
    "INSERT INTO federation_stream_position (type, stream_id, instance_name)"
    " SELECT t.type, t.at, i FROM unnest(ARRAY['events', 'federation'], ARRAY[$2::bigint, $3::bigint]) t (type, at),"
    " unnest($1::text[]) i ON CONFLICT (type, instance_name) DO UPDATE SET stream_id = excluded.stream_id"
    " WHERE federation_stream_position.instance_name = $4",
    0};
static const struct gg_stmt say_here = {
    "INSERT INTO ganglion_federation_sender.senders (instance_name, instances, seen_ms) VALUES ($1, $2::text[], $3::bigint)"
    " ON CONFLICT (instance_name) DO UPDATE SET instances = excluded.instances, seen_ms = excluded.seen_ms",
    0};
static const struct gg_stmt select_others = {
    "SELECT instance_name, array_to_string(instances, ', ') FROM ganglion_federation_sender.senders"
    " WHERE instance_name <> $1 AND seen_ms > $2::bigint AND instances <> $3::text[] ORDER BY 1 LIMIT 1",
    GG_LANE_POINT};
static const struct gg_stmt set_federation = {
    "UPDATE federation_stream_position SET stream_id = $2::bigint WHERE type = 'federation' AND instance_name = $1", 0};

struct claiming {
    struct mx_sender_claim *claim;
    struct gg_arena *arena;
};

static size_t find(const struct mx_sender_claim *claim, struct gg_str name)
{
    for (size_t i = 0; i < claim->n; i++)
        if (gg_str_eq(claim->senders[i], name))
            return i;
    return claim->n;
}

/* Is every configured sender there, and nobody else, for each type? Least position of each type; ours, if it is there. */
static bool read_positions(const struct gg_rows *rows, struct mx_sender_claim *claim, int64_t least[2])
{
    size_t seen[2] = {0, 0};
    bool foreign = false;
    least[0] = least[1] = INT64_MAX;
    for (size_t i = 0; i < gg_rows_count(rows); i++) {
        int type = gg_str_is(gg_rows_str(rows, i, 0), "federation");
        int64_t at = gg_rows_i64(rows, i, 1);
        size_t who = find(claim, gg_rows_str(rows, i, 2));
        foreign |= who == claim->n;
        seen[type] += who < claim->n;
        least[type] = at < least[type] ? at : least[type];
        if (gg_str_is(gg_rows_str(rows, i, 2), claim->own))
            *(type ? &claim->federation : &claim->events) = at;
    }
    for (int type = 0; type < 2; type++)
        least[type] = least[type] == INT64_MAX ? -1 : least[type];
    return !foreign && seen[0] == claim->n && seen[1] == claim->n;
}

static bool same_list(const struct gg_rows *rows, const struct mx_sender_claim *claim, struct gg_arena *arena)
{
    size_t n = 0;
    const struct gg_str *list = gg_rows_count(rows) > 0 ? gg_rows_texts(rows, 0, 0, arena, &n) : NULL;
    for (size_t i = 0; list != NULL && n == claim->n && i < n; i++)
        if (!gg_str_eq(list[i], claim->senders[i]))
            return false;
    return list != NULL && n == claim->n;
}

static int begin_anew(struct gg_txn *txn, struct claiming *c, const int64_t least[2], struct gg_error *err)
{
    struct mx_sender_claim *claim = c->claim;
    claim->reset = true;
    claim->events = least[0];
    claim->federation = least[1];
    int rc = gg_txn_queue(txn, &delete_foreign, GG_PARAMS(gg_p_texts(claim->senders, claim->n)), err);
    return rc != 0 ? rc
                   : gg_txn_queue(txn, &insert_missing,
                                  GG_PARAMS(gg_p_texts(claim->senders, claim->n), gg_p_i64(least[0]), gg_p_i64(least[1]),
                                            gg_p_text(claim->own)),
                                  err);
}

static int claim_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct claiming *c = arg;
    struct gg_rows *positions, *list;
    int64_t least[2];
    c->claim->reset = false;
    int rc = gg_txn_exec(txn, &select_positions, GG_NO_PARAMS, c->arena, &positions, err);
    if (rc == 0)
        rc = gg_txn_exec(txn, &select_own_list, GG_PARAMS(gg_p_text(c->claim->own)), c->arena, &list, err);
    if (rc != 0)
        return rc;
    bool complete = read_positions(positions, c->claim, least);
    if (!complete || !same_list(list, c->claim, c->arena))
        rc = begin_anew(txn, c, least, err);
    if (rc == 0)
        rc = gg_txn_queue(txn, &say_here,
                          GG_PARAMS(gg_p_text(c->claim->own), gg_p_texts(c->claim->senders, c->claim->n),
                                    gg_p_i64(gg_wall_ms())),
                          err);
    return rc;
}

int mx_sender_claim(struct mx_server *server, struct mx_sender_claim *claim, struct gg_error *err)
{
    struct claiming c = {claim, gg_arena_new()};
    int rc = gg_db_txn(server->db, "claim of a federation sender", 0, claim_body, &c, err);
    gg_arena_free(c.arena);
    return rc;
}

int mx_sender_say(struct mx_server *server, const struct mx_sender_claim *claim, bool away, struct gg_arena *arena,
                  struct gg_str *other_out, struct gg_str *list_out, struct gg_error *err)
{
    struct gg_rows *rows;
    int64_t now = gg_wall_ms();
    *other_out = *list_out = (struct gg_str){0};
    int rc = gg_db_write(server->db, &say_here,
                         GG_PARAMS(gg_p_text(claim->own), gg_p_texts(claim->senders, claim->n), gg_p_i64(away ? 0 : now)),
                         NULL, NULL, err);
    if (rc == 0)
        rc = gg_db_read(server->db, &select_others,
                        GG_PARAMS(gg_p_text(claim->own), gg_p_i64(now - HERE_MS), gg_p_texts(claim->senders, claim->n)),
                        arena, &rows, err);
    if (rc == 0 && gg_rows_count(rows) > 0) {
        *other_out = gg_rows_str(rows, 0, 0);
        *list_out = gg_rows_str(rows, 0, 1);
    }
    return rc;
}

int mx_sender_federation_position(struct mx_server *server, const char *own, int64_t position, struct gg_error *err)
{
    return gg_db_write(server->db, &set_federation, GG_PARAMS(gg_p_text(own), gg_p_i64(position)), NULL, NULL, err);
}
