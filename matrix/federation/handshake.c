/* matrix/federation/handshake.c: the first half of joining, leaving and knocking where another server has the room
 * (server-server API, "Joining Rooms", "Leaving Rooms", "Knocking upon a room"). */
#include "federation/handshake.h"

#include "federation/client.h"
#include "federation/keyring.h"

#include <ganglion/buf.h>
#include <ganglion/matrix/id.h>

static void unref_event(void *event)
{
    mx_event_unref(event);
}

/* ---- asking ---- */

static const char *make_path(const struct mx_handshake *h, struct gg_arena *arena)
{
    struct gg_buf path = GG_BUF_INIT;
    gg_buf_printf(&path, "/_matrix/federation/v1/make_%s/", h->membership);
    gg_buf_urlencode(&path, h->room_id);
    gg_buf_char(&path, '/');
    gg_buf_urlencode(&path, h->user_id);
    size_t n;
    const struct mx_room_version *versions = mx_room_version_all(&n);
    for (size_t i = 0; i < n && strcmp(h->membership, "leave") != 0; i++) {
        gg_buf_text(&path, i == 0 ? "?ver=" : "&ver=");
        gg_buf_urlencode(&path, gg_str(versions[i].id));
    }
    const char *out = gg_arena_strndup(arena, path.data, path.n);
    gg_buf_done(&path);
    return out;
}

enum { ONE_OF_SEVERAL_MS = 30000 }; /* for an answer, where somebody else can be asked as well */

struct asking {
    struct mx_server *server;
    const struct mx_handshake *h;
    bool several;
    const char *path;
    struct gg_arena *arena;
    struct mx_made *out;
};

static int ask_one(void *arg, const char *name, struct gg_error *err)
{
    struct asking *a = arg;
    struct gg_str body;
    struct mx_fed_request request = {.destination = name,
                                     .method = "GET",
                                     .path = a->path,
                                     .timeout_ms = a->several ? ONE_OF_SEVERAL_MS : 0,
                                     .max_answer = 1024 * 1024,
                                     .ignore_backoff = strcmp(a->h->membership, "leave") == 0};
    int rc = mx_fed_call(a->server, &request, a->arena, &body, err);
    if (rc == 0)
        rc = mx_fed_make_read(body, a->h, a->server->name, &a->server->keys[0], a->arena, &a->out->event, err);
    if (rc == 0)
        a->out->origin = name;
    return rc;
}

int mx_fed_make(struct mx_server *server, const struct mx_candidates *servers, const struct mx_handshake *h,
                struct gg_arena *arena, struct mx_made *out, struct gg_error *err)
{
    static const char *const others[] = {"M_NOT_FOUND", NULL};
    static const char *const others_join[] = {"M_NOT_FOUND", "M_UNABLE_TO_AUTHORISE_JOIN", "M_UNABLE_TO_GRANT_JOIN",
                                              NULL};
    /* a leave does not wait for them for ever: it is one without them, too */
    bool several = servers->n > 1 || strcmp(h->membership, "leave") == 0;
    struct asking a = {server, h, several, make_path(h, arena), arena, out};
    const char *what = gg_arena_printf(arena, "make_%s", h->membership);
    return mx_candidates_ask(servers, what, strcmp(h->membership, "join") == 0 ? others_join : others, ask_one, &a,
                             err);
}

/* ---- reading the proposal ---- */

static int nonsense(struct gg_error *err, const char *what)
{
    return gg_fail(err, GG_E_PROTOCOL, "the answer's event has a bad %s", what);
}

/* Without a version the room is of version 1 or 2, which is the same for an event. */
static int read_version(struct gg_str answer, const struct mx_handshake *h, struct gg_arena *arena,
                        const struct mx_room_version **out, struct gg_error *err)
{
    struct gg_str text = mx_json_get(answer, "room_version");
    *out = mx_room_version_find(text.s != NULL ? mx_json_string(text, arena) : GG_STR("1"));
    if (*out == NULL)
        return gg_refuse(err, 400, "M_UNSUPPORTED_ROOM_VERSION", "Homeserver does not support this room version");
    if (strcmp(h->membership, "knock") == 0 && !(*out)->knock)
        return gg_refuse(err, 400, "M_FORBIDDEN", "This room version does not support knocking");
    return 0;
}

static bool says(const struct mx_json *event, const char *key, struct gg_str what)
{
    struct gg_str text = mx_json_text(mx_json_member(event, key));
    return text.s != NULL && gg_str_eq(text, what);
}

/* Ids, plain or as the pairs of the first event format. */
static int read_ids(const struct mx_json *event, const char *key, size_t most, struct gg_arena *arena,
                    struct gg_str **out, size_t *n_out, struct gg_error *err)
{
    const struct mx_json *list = mx_json_member(event, key);
    if (list == NULL || list->kind != MX_JSON_ARRAY || list->n > most)
        return nonsense(err, key);
    *out = GG_NEW_ARRAY(arena, struct gg_str, list->n + 1);
    *n_out = list->n;
    for (uint32_t i = 0; i < list->n; i++) {
        const struct mx_json *id = list->items[i];
        if (id->kind == MX_JSON_ARRAY && id->n > 0)
            id = id->items[0];
        (*out)[i] = mx_json_text(id);
        if ((*out)[i].s == NULL || !mx_event_id_valid((*out)[i]))
            return nonsense(err, key);
    }
    return 0;
}

static int lay_over(const struct mx_json *proposed, struct gg_str ours, struct gg_arena *arena, struct gg_str *out,
                    struct gg_error *err)
{
    struct mx_json *mine, *content = mx_json_copy_level(proposed, arena);
    int rc = mx_json_parse(ours, 200, arena, &mine, err);
    if (rc != 0)
        return rc;
    for (uint32_t i = 0; mine->kind == MX_JSON_OBJECT && i < mine->n; i++)
        mx_json_set(content, arena, gg_arena_strndup(arena, mine->members[i].key.s, mine->members[i].key.n),
                    mine->members[i].value);
    struct gg_buf text = GG_BUF_INIT;
    mx_json_write(&text, content);
    *out = gg_arena_str(arena, gg_buf_view(&text));
    gg_buf_done(&text);
    return 0;
}

/* The event is about whom we asked for, in the room that we asked for: nothing else is signed. */
static int check_proposal(const struct mx_json *event, const struct mx_handshake *h, struct gg_error *err)
{
    const struct mx_json *content = mx_json_member(event, "content");
    if (!says(event, "type", GG_STR("m.room.member")))
        return nonsense(err, "type");
    if (!says(event, "sender", h->user_id) || !says(event, "state_key", h->user_id))
        return nonsense(err, "sender or state_key");
    if (!says(event, "room_id", h->room_id))
        return nonsense(err, "room_id");
    if (content == NULL || content->kind != MX_JSON_OBJECT || !says(content, "membership", gg_str(h->membership)))
        return nonsense(err, "content");
    return 0;
}

static int build(const struct mx_json *event, const struct mx_handshake *h, const struct mx_room_version *version,
                 const char *server, const struct mx_signing_key *key, struct gg_arena *arena, struct mx_event **out,
                 struct gg_error *err)
{
    const struct mx_json *depth = mx_json_member(event, "depth");
    struct mx_event_template t = {.version = version,
                                  .room_id = h->room_id,
                                  .type = GG_STR("m.room.member"),
                                  .sender = h->user_id,
                                  .state_key = h->user_id,
                                  .origin_server_ts = gg_wall_ms(),
                                  .meta = h->meta};
    struct gg_str *prev, *auth;
    t.unsigned_ = gg_str(gg_arena_printf(arena, "{\"age_ts\":%lld}", (long long)t.origin_server_ts));
    if (depth == NULL || depth->kind != MX_JSON_NUMBER || !mx_json_i64(depth->text, &t.depth) || t.depth < 0)
        return nonsense(err, "depth");
    int rc = read_ids(event, "prev_events", 20, arena, &prev, &t.n_prev, err);
    if (rc == 0)
        rc = read_ids(event, "auth_events", 10, arena, &auth, &t.n_auth, err);
    if (rc == 0)
        rc = lay_over(mx_json_member(event, "content"), h->content, arena, &t.content, err);
    if (rc != 0)
        return rc;
    t.prev_events = prev;
    t.auth_events = auth;
    return mx_event_build(&t, server, key, out, err);
}

int mx_fed_make_read(struct gg_str answer, const struct mx_handshake *h, const char *server,
                     const struct mx_signing_key *key, struct gg_arena *arena, struct mx_event **out,
                     struct gg_error *err)
{
    const struct mx_room_version *version;
    struct mx_json *event = NULL;
    struct gg_str text;
    if (mx_json_check(answer, 200, err) != 0 || !mx_json_is_object(answer))
        return gg_fail(err, GG_E_PROTOCOL, "the answer is no JSON object");
    int rc = read_version(answer, h, arena, &version, err);
    text = mx_json_get(answer, "event");
    if (rc == 0 && !mx_json_is_object(text))
        rc = gg_fail(err, GG_E_PROTOCOL, "the answer holds no event");
    if (rc == 0)
        rc = mx_json_parse(text, 200, arena, &event, err);
    if (rc == 0)
        rc = check_proposal(event, h, err);
    if (rc != 0)
        return rc;
    rc = build(event, h, version, server, key, arena, out, err);
    if (rc != 0)
        return gg_fail(err, GG_E_PROTOCOL, "no event can be made of the answer: %s", err->message);
    gg_arena_defer(arena, unref_event, *out);
    return 0;
}

int mx_fed_event_remade(const struct mx_event *event, const struct mx_json *json, struct gg_arena *arena,
                        struct mx_event **out, struct gg_error *err)
{
    struct gg_buf text = GG_BUF_INIT, meta = GG_BUF_INIT;
    struct mx_event *loaded = NULL;
    mx_json_write(&text, json);
    mx_event_meta_json(event, &meta);
    int rc = mx_event_load(gg_buf_view(&text), event->version, event->event_id, gg_buf_view(&meta), &loaded, err);
    if (rc == 0) {
        *out = mx_event_with_meta(loaded, &event->meta);
        gg_arena_defer(arena, unref_event, *out);
    }
    mx_event_unref(loaded);
    gg_buf_done(&text);
    gg_buf_done(&meta);
    return rc;
}

/* ---- signatures of others ---- */

struct gg_str mx_fed_pdu_text(const struct mx_event *event, struct gg_arena *arena)
{
    struct gg_buf text = GG_BUF_INIT;
    mx_event_write_pdu(&text, event);
    struct gg_str out = gg_arena_str(arena, gg_buf_view(&text));
    gg_buf_done(&text);
    return out;
}

/* The id covers all that is signed; in the first format it is a name only, and the hash says whether it is ours. */
static bool same_event(const struct mx_event *event, const struct mx_json *theirs, struct gg_arena *arena)
{
    if (event->version->format != MX_FORMAT_V1)
        return gg_str_eq(mx_reference_id(theirs, event->version, arena), event->event_id);
    struct mx_json *ours = mx_json_raw(arena, event->json);
    const struct mx_json *a = mx_json_member(mx_json_member(ours, "hashes"), "sha256");
    const struct mx_json *hashes = mx_json_member(theirs, "hashes");
    const struct mx_json *b =
        hashes != NULL && hashes->kind == MX_JSON_OBJECT ? mx_json_member(hashes, "sha256") : NULL;
    return says(theirs, "event_id", event->event_id) && mx_json_text(b).s != NULL &&
           gg_str_eq(mx_json_text(a), mx_json_text(b));
}

static const struct mx_json *member_of(const struct mx_json *object, struct gg_str key)
{
    for (uint32_t i = 0; object != NULL && object->kind == MX_JSON_OBJECT && i < object->n; i++)
        if (gg_str_eq(object->members[i].key, key))
            return object->members[i].value;
    return NULL;
}

int mx_fed_countersigned(struct mx_server *server, const struct mx_event *event, struct gg_str signed_,
                         struct gg_str signer, struct gg_arena *arena, struct mx_event **out, struct gg_error *err)
{
    struct mx_json *theirs = NULL, *ours = mx_json_raw(arena, event->json);
    int rc = mx_json_parse(signed_, 200, arena, &theirs, err);
    if (rc != 0 || theirs->kind != MX_JSON_OBJECT || !same_event(event, theirs, arena))
        return gg_fail(err, GG_E_PROTOCOL, "another event than ours came back");
    const struct mx_json *signatures = member_of(mx_json_member(theirs, "signatures"), signer);
    if (signatures == NULL || signatures->kind != MX_JSON_OBJECT)
        return gg_fail(err, GG_E_PROTOCOL, "%.*s did not sign the event", GG_FMT(signer));
    struct mx_json *all = mx_json_copy_level(mx_json_member(ours, "signatures"), arena);
    mx_json_set(all, arena, gg_arena_strndup(arena, signer.s, signer.n), mx_json_copy_level(signatures, arena));
    mx_json_set(ours, arena, "signatures", all);
    rc = mx_fed_verify_json(server, mx_redact(ours, event->version, arena), signer, 0, arena, err);
    if (rc != 0)
        return gg_fail(err, GG_E_PROTOCOL, "signature of %.*s: %s", GG_FMT(signer), err->message);
    return mx_fed_event_remade(event, ours, arena, out, err);
}
