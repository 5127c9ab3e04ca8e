/* matrix/groups/attestation.c: what two servers sign for each other: that this user is in this group.
 *
 * The group's server gives one to the user's and the other way round; neither believes what ran out. */
#include "groups/groups.h"

#include "federation/client.h"
#include "federation/keyring.h"
#include "storage/groups.h"

#include <ganglion/log.h>
#include <ganglion/matrix/id.h>

static struct gg_logger logger = {"ganglion.groups"};

#define VALID_MS INT64_C(259200000)      /* three days */
#define RENEW_BEFORE_MS INT64_C(129600000) /* half of them are left: the other side may be away for a day */

enum { MAX_RENEWED = 200 };

json_t *mx_attestation_new(struct mx_server *server, struct gg_str group_id, struct gg_str user_id, struct gg_arena *arena,
                           int64_t *valid_until)
{
    struct mx_json *object = mx_json_object(arena);
    struct gg_buf text = GG_BUF_INIT;
    uint16_t spread;
    gg_random_bytes(&spread, sizeof(spread)); /* those made together should not run out together: up to an hour apart */
    *valid_until = gg_wall_ms() + VALID_MS - (int64_t)spread * 55;
    mx_json_set(object, arena, "group_id", mx_json_new_string(arena, group_id));
    mx_json_set(object, arena, "user_id", mx_json_new_string(arena, user_id));
    mx_json_set(object, arena, "valid_until_ms", mx_json_new_i64(arena, *valid_until));
    mx_json_sign(object, server->name, &server->keys[0], arena);
    mx_json_write(&text, object);
    json_t *out = json_loadb(text.data, text.n, 0, NULL);
    gg_buf_done(&text);
    return out;
}

static bool says(const json_t *object, const char *key, struct gg_str value)
{
    const json_t *v = json_object_get(object, key);
    return json_is_string(v) && gg_str_eq(gg_strn(json_string_value(v), json_string_length(v)), value);
}

int mx_attestation_check(struct mx_server *server, const json_t *attestation, struct gg_str group_id, struct gg_str user_id,
                         struct gg_str signer, struct gg_arena *arena, struct gg_str *text, int64_t *valid_until, struct gg_error *err)
{
    struct mx_json *tree;
    if (!json_is_object(attestation))
        return gg_refuse(err, 400, "M_BAD_JSON", "attestation is missing");
    if (!says(attestation, "group_id", group_id) || !says(attestation, "user_id", user_id))
        return gg_refuse(err, 400, "M_UNKNOWN", "Attestation has incorrect group_id or user_id");
    *valid_until = json_integer_value(json_object_get(attestation, "valid_until_ms"));
    if (*valid_until <= gg_wall_ms())
        return gg_refuse(err, 400, "M_UNKNOWN", "Attestation expired");
    char *dumped = json_dumps(attestation, JSON_COMPACT);
    if (dumped == NULL)
        return gg_refuse(err, 400, "M_BAD_JSON", "attestation is no JSON that can be kept");
    *text = gg_arena_str(arena, gg_str(dumped));
    free(dumped);
    int rc = mx_json_parse(*text, 10, arena, &tree, err);
    return rc == 0 ? mx_fed_verify_json(server, tree, signer, 0, arena, err) : rc;
}

/* ---- renewal ---- */

static int renew(struct mx_server *server, const struct mx_group_pair *pair, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    int64_t until;
    struct gg_str group = mx_id_domain(pair->group_id), user = mx_id_domain(pair->user_id);
    struct gg_str other = gg_str_is(group, server->name) ? user : group;
    const char *path = mx_fed_path(arena, "/_matrix/federation/v1/groups/%s/renew_attestation/%s",
                                   gg_arena_strndup(arena, pair->group_id.s, pair->group_id.n),
                                   gg_arena_strndup(arena, pair->user_id.s, pair->user_id.n));
    json_t *attestation = mx_attestation_new(server, pair->group_id, pair->user_id, arena, &until), *answer = NULL;
    json_t *body = json_pack("{s:o}", "attestation", attestation);
    int rc = mx_group_ask(server, other, "POST", path, body, arena, &answer, err);
    if (rc == 0)
        rc = mx_groups_issued(server, pair, until, err);
    json_decref(body);
    json_decref(answer);
    gg_arena_free(arena);
    return rc;
}

void mx_attestations_renew(struct mx_server *server)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    struct mx_group_pair *pairs;
    size_t n = 0;
    if (mx_groups_stale(server, gg_wall_ms() + RENEW_BEFORE_MS, MAX_RENEWED, arena, &pairs, &n, &err) != 0)
        gg_warn(&logger, "attestations cannot be renewed: %s", err.message);
    for (size_t i = 0; i < n && !gg_cancelled(); i++) {
        err = (struct gg_error)GG_ERROR_INIT;
        if (renew(server, &pairs[i], &err) != 0) /* the other server will be asked again */
            gg_debug(&logger, "%.*s in %.*s: %s", GG_FMT(pairs[i].user_id), GG_FMT(pairs[i].group_id), err.message);
    }
    gg_arena_free(arena);
}
