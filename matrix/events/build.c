/* build.c: making, hashing and signing an event of our own (server-server "Adding hashes and signatures to outgoing
 * events"). */
#include "internal.h"

static struct mx_json *references(const struct gg_str *ids, size_t n, struct gg_str left_out,
                                  const struct mx_room_version *version, struct gg_arena *arena)
{
    struct mx_json *list = mx_json_array(arena);
    for (size_t i = 0; i < n; i++) {
        struct mx_json *id, *pair;
        if (left_out.s && gg_str_eq(ids[i], left_out))
            continue;
        id = mx_json_new_string(arena, ids[i]);
        if (version->format == MX_FORMAT_V1) { /* receivers ignore the hashes */
            pair = mx_json_array(arena);
            mx_json_push(pair, arena, id);
            mx_json_push(pair, arena, mx_json_object(arena));
            id = pair;
        }
        mx_json_push(list, arena, id);
    }
    return list;
}

static void set_text(struct mx_json *o, struct gg_arena *arena, const char *key, struct gg_str text)
{
    if (text.s)
        mx_json_set(o, arena, key, mx_json_new_string(arena, text));
}

static int parse_object(struct gg_str text, const char *what, struct gg_arena *arena, struct mx_json **out,
                        struct gg_error *err)
{
    int rc = mx_json_parse(text, MX_EVENT_NESTING - 1, arena, out, err);
    if (rc == 0 && (*out)->kind != MX_JSON_OBJECT)
        rc = gg_refuse(err, 400, "M_BAD_JSON", "%s is not an object", what);
    return rc;
}

static void set_references(struct mx_json *e, const struct mx_event_template *t, struct gg_arena *arena)
{
    struct gg_str create = {NULL, 0}, none = {NULL, 0};
    if (t->version->room_id_is_hash && t->room_id.n) {
        create = gg_arena_str(arena, t->room_id);
        ((char *)create.s)[0] = '$';
    }
    mx_json_set(e, arena, "auth_events", references(t->auth_events, t->n_auth, create, t->version, arena));
    mx_json_set(e, arena, "prev_events", references(t->prev_events, t->n_prev, none, t->version, arena));
}

static void set_redacts(struct mx_json *e, struct mx_json *content, const struct mx_event_template *t,
                        struct gg_arena *arena)
{
    if (!t->redacts.s)
        return;
    if (!t->version->redacts_in_content)
        set_text(e, arena, "redacts", t->redacts);
    else
        set_text(content, arena, "redacts", t->redacts);
}

static int outline(const struct mx_event_template *t, const char *server, struct gg_arena *arena, struct mx_json **out,
                   struct gg_error *err)
{
    struct mx_json *e = mx_json_object(arena), *content = NULL, *unsigned_ = NULL;
    int rc = parse_object(t->content, "Content", arena, &content, err);
    char random[19];
    if (rc == 0 && t->unsigned_.s)
        rc = parse_object(t->unsigned_, "Unsigned", arena, &unsigned_, err);
    if (rc)
        return rc;
    set_references(e, t, arena);
    set_redacts(e, content, t, arena);
    mx_json_set(e, arena, "content", content);
    mx_json_set(e, arena, "depth", mx_json_new_i64(arena, t->depth));
    mx_json_set(e, arena, "origin_server_ts", mx_json_new_i64(arena, t->origin_server_ts));
    if (t->version->format == MX_FORMAT_V1) {
        gg_random_text(random, 18, GG_LETTERS);
        set_text(e, arena, "event_id", gg_str(gg_arena_printf(arena, "$%s:%s", random, server)));
    }
    set_text(e, arena, "room_id", t->room_id);
    set_text(e, arena, "sender", t->sender);
    set_text(e, arena, "state_key", t->state_key);
    set_text(e, arena, "type", t->type);
    if (unsigned_)
        mx_json_set(e, arena, "unsigned", unsigned_);
    *out = e;
    return 0;
}

static void set_hash(struct mx_json *e, struct gg_arena *arena)
{
    struct mx_json *hashes = mx_json_object(arena);
    uint8_t hash[32];
    char text[mx_base64_size(32)];
    mx_content_hash(e, hash);
    mx_json_set(hashes, arena, "sha256", mx_json_new_string(arena, gg_strn(text, mx_base64(hash, 32, false, text))));
    mx_json_set(e, arena, "hashes", hashes);
}

/* Signs the redacted form; the same bytes give the event id. s NULL for format 1, which has its id already. */
static struct gg_str sign(struct mx_json *e, const struct mx_room_version *version, const char *server,
                          const struct mx_signing_key *key, struct gg_arena *arena)
{
    struct mx_json *signatures = mx_json_object(arena), *mine = mx_json_object(arena);
    struct gg_buf bytes = GG_BUF_INIT;
    struct gg_str id = {NULL, 0};
    uint8_t hash[32], signature[64];
    char text[mx_base64_size(64)];
    mx_event_reference_bytes(&bytes, e, version, arena);
    mx_sign(key, gg_buf_view(&bytes), signature);
    if (version->format != MX_FORMAT_V1) {
        mx_sha256(gg_buf_view(&bytes), hash);
        id = mx_event_id_of_hash(hash, version, arena);
    }
    gg_buf_done(&bytes);
    mx_json_set(mine, arena, key->id, mx_json_new_string(arena, gg_strn(text, mx_base64(signature, 64, false, text))));
    mx_json_set(signatures, arena, server, mine);
    mx_json_set(e, arena, "signatures", signatures);
    return id;
}

static int seal(struct mx_json *e, const struct mx_event_template *t, const char *server,
                const struct mx_signing_key *key, struct gg_arena *arena, struct mx_event **out, struct gg_error *err)
{
    struct gg_buf text = GG_BUF_INIT;
    struct gg_str id;
    int rc;
    set_hash(e, arena);
    id = sign(e, t->version, server, key, arena);
    mx_json_write(&text, e);
    if (text.n > MX_EVENT_BYTES_MAX)
        rc = gg_refuse(err, 413, "M_TOO_LARGE", "event too large");
    else
        rc = mx_event_from_text(gg_buf_view(&text), t->version, id, &t->meta, gg_strn(NULL, 0), out, err);
    gg_buf_done(&text);
    return rc;
}

int mx_event_build(const struct mx_event_template *t, const char *server, const struct mx_signing_key *key,
                   struct mx_event **out, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_json *e = NULL;
    int rc = outline(t, server, arena, &e, err);
    if (rc == 0)
        rc = mx_event_check_format(e, t->version, err);
    if (rc == 0)
        rc = seal(e, t, server, key, arena, out, err);
    gg_arena_free(arena);
    return rc;
}
