/* matrix/federation/check_pdus.c: events as other servers sent them: read on threads, keys fetched for all of them at
 * once, signatures checked on threads (server-server API, "Checks performed on receipt of a PDU", 1 to 3). */
#include "federation/crew.h"
#include "federation/keyring.h"
#include "federation/keys.h"
#include "federation/signers.h"

#include "events/received.h"

#include <ganglion/log.h>
#include <ganglion/map.h>
#include <ganglion/matrix/id.h>
#include <ganglion/memory.h>
#include <stdlib.h>

static struct gg_logger logger = {"ganglion.federation.pdus"};

enum {
    PIECE = 16,              /* events that one thread takes at a time */
    ALONE = 2,               /* so few are done where we are: a thread would cost more */
    WINDOW = 4096,           /* events held with all that belongs to them ... */
    WINDOW_BYTES = 8 << 20,  /* ... and their JSON, whichever is reached first */
};

/* A signature and the key that it needs, by its place in the window's wants. */
struct need {
    struct gg_str base64;
    size_t want;
};

struct signer_needs {
    struct mx_signer signer;
    struct need needs[MX_SIGNER_KEYS_MAX];
    size_t n;
};

struct pdu {
    struct gg_str json;
    struct mx_received received;
    const char *why; /* in the piece's arena; NULL: nothing against it so far */
    struct signer_needs *signers;
    size_t n_signers;
};

struct piece {
    struct pdu *pdus;
    size_t n;
    struct gg_arena *arena; /* only the thread that works on the piece touches it, or the loop when none does */
    const struct mx_room_version *version;
    const struct mx_key_want *wants;
    int64_t now_ms;
};

struct window {
    struct mx_server *server;
    const struct mx_room_version *version;
    struct piece *pieces;
    size_t n_pieces;
    struct mx_key_want *wants;
    size_t n_wants, cap_wants;
    struct gg_map *places; /* "server\x1fkey id" -> its place among the wants, plus one */
    struct gg_arena *arena;
};

/* ---- first on threads ---- */

static void read_one(struct piece *piece, struct pdu *pdu)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_signer signers[MX_SIGNERS_MAX];
    int rc = mx_event_receive(pdu->json, piece->version, piece->now_ms, piece->arena, &pdu->received, &err);
    if (!rc)
        rc = mx_signers_of(pdu->received.event, piece->arena, signers, &pdu->n_signers, &err);
    if (rc) {
        pdu->why = gg_arena_strdup(piece->arena, err.message);
        return;
    }
    pdu->signers = GG_NEW_ARRAY(piece->arena, struct signer_needs, pdu->n_signers ? pdu->n_signers : 1);
    for (size_t i = 0; i < pdu->n_signers; i++)
        pdu->signers[i].signer = signers[i];
}

static void read_piece(void *arg)
{
    struct piece *piece = arg;
    for (size_t i = 0; i < piece->n; i++)
        read_one(piece, &piece->pdus[i]);
}

/* ---- then on the loop: which keys ---- */

static size_t want_key(struct window *w, struct gg_str server, struct gg_str id, int64_t valid_at_ms)
{
    struct gg_buf key = GG_BUF_INIT;
    gg_buf_printf(&key, "%.*s\x1f%.*s", GG_FMT(server), GG_FMT(id));
    size_t place = (size_t)(uintptr_t)gg_map_get(w->places, gg_buf_view(&key));
    if (!place) {
        if (w->n_wants == w->cap_wants) {
            w->cap_wants = w->cap_wants ? w->cap_wants * 2 : 64;
            w->wants = gg_xrealloc(w->wants, w->cap_wants * sizeof(w->wants[0]));
        }
        w->wants[w->n_wants] = (struct mx_key_want){.server = server, .id = id};
        place = ++w->n_wants;
        gg_map_put(w->places, gg_buf_view(&key), (void *)(uintptr_t)place);
    }
    gg_buf_done(&key);
    struct mx_key_want *want = &w->wants[place - 1];
    if (valid_at_ms > want->valid_at_ms)
        want->valid_at_ms = valid_at_ms;
    return place - 1;
}

static int64_t valid_at(const struct mx_room_version *version, const struct mx_event *event)
{
    return version->enforce_key_validity ? event->origin_server_ts : 0;
}

static void collect(struct window *w, struct piece *piece, struct pdu *pdu)
{
    for (size_t i = 0; i < pdu->n_signers; i++) {
        struct signer_needs *s = &pdu->signers[i];
        struct mx_signature signatures[MX_SIGNER_KEYS_MAX];
        const char *name = gg_arena_strndup(piece->arena, s->signer.server.s, s->signer.server.n);
        s->n = mx_signatures_of(pdu->received.signatures, name, signatures);
        for (size_t k = 0; k < s->n; k++)
            s->needs[k] = (struct need){signatures[k].base64,
                                        want_key(w, s->signer.server, signatures[k].key_id,
                                                 valid_at(w->version, pdu->received.event))};
        if (!s->n) {
            pdu->why = gg_arena_printf(piece->arena, "unable to verify signature for %s %s: Not signed by %s",
                                       s->signer.role, name, name);
            return;
        }
    }
}

/* ---- and on threads again ---- */

static const char *check_signer(const struct piece *piece, const struct pdu *pdu, const struct signer_needs *s)
{
    size_t good = 0;
    for (size_t i = 0; i < s->n; i++) {
        struct mx_key_want key = piece->wants[s->needs[i].want]; /* others asked for other times */
        uint8_t signature[88];
        key.valid_at_ms = valid_at(piece->version, pdu->received.event);
        if (!mx_key_good(&key))
            continue;
        if (mx_key_banned(key.public_key))
            return "the key has been banned by this server";
        if (s->needs[i].base64.n > sizeof(signature) || mx_unbase64(s->needs[i].base64, signature) != 64 ||
            !mx_verify(key.public_key, pdu->received.signed_bytes, signature))
            return "Invalid signature";
        good++;
    }
    return good ? NULL : "Failed to find any key to satisfy it";
}

static void verify_piece(void *arg)
{
    struct piece *piece = arg;
    for (size_t i = 0; i < piece->n; i++) {
        struct pdu *pdu = &piece->pdus[i];
        for (size_t k = 0; k < pdu->n_signers && !pdu->why; k++) {
            const struct signer_needs *s = &pdu->signers[k];
            const char *why = check_signer(piece, pdu, s);
            if (why)
                pdu->why = gg_arena_printf(piece->arena, "unable to verify signature for %s %.*s: %s", s->signer.role,
                                           GG_FMT(s->signer.server), why);
        }
    }
}

/* ---- the whole ---- */

static void run(struct window *w, void (*fn)(void *piece), size_t n)
{
    if (n > ALONE)
        mx_crew_run(fn, w->pieces, w->n_pieces, sizeof(w->pieces[0]));
    else
        fn(&w->pieces[0]);
}

static void cut(struct window *w, const struct gg_str *json, size_t n)
{
    struct pdu *pdus = GG_NEW_ARRAY(w->arena, struct pdu, n);
    w->n_pieces = (n + PIECE - 1) / PIECE;
    w->pieces = GG_NEW_ARRAY(w->arena, struct piece, w->n_pieces);
    for (size_t i = 0; i < n; i++)
        pdus[i].json = json[i];
    for (size_t i = 0; i < w->n_pieces; i++)
        w->pieces[i] = (struct piece){.pdus = pdus + i * PIECE,
                                      .n = n - i * PIECE < PIECE ? n - i * PIECE : PIECE,
                                      .arena = gg_arena_new(),
                                      .version = w->version,
                                      .now_ms = gg_wall_ms()};
}

static int find_keys(struct window *w, struct gg_error *err)
{
    for (size_t i = 0; i < w->n_pieces; i++)
        for (size_t k = 0; k < w->pieces[i].n; k++)
            if (!w->pieces[i].pdus[k].why)
                collect(w, &w->pieces[i], &w->pieces[i].pdus[k]);
    int rc = mx_keys_find(w->server, w->wants, w->n_wants, 0, w->arena, err);
    for (size_t i = 0; i < w->n_pieces; i++)
        w->pieces[i].wants = w->wants;
    return rc;
}

static void unref_event(void *event)
{
    mx_event_unref(event);
}

/* Good events go to the caller's arena, and the reasons against the others. */
static void hand_over(const struct piece *piece, struct gg_arena *arena, const struct mx_event **out, const char **why)
{
    for (size_t i = 0; i < piece->n; i++) {
        struct pdu *pdu = &piece->pdus[i];
        if (pdu->why) {
            why[i] = gg_arena_strdup(arena, pdu->why);
            continue;
        }
        if (pdu->received.tampered)
            gg_info(&logger, "the content of %.*s is not what was hashed: taken as redacted",
                    GG_FMT(pdu->received.event->event_id));
        out[i] = pdu->received.event;
        pdu->received.event = NULL;
        gg_arena_defer(arena, unref_event, (void *)(uintptr_t)out[i]);
    }
}

static void end(struct window *w)
{
    for (size_t i = 0; i < w->n_pieces; i++) {
        for (size_t k = 0; k < w->pieces[i].n; k++)
            mx_event_unref(w->pieces[i].pdus[k].received.event);
        gg_arena_free(w->pieces[i].arena);
    }
    gg_map_free(w->places);
    free(w->wants);
    gg_arena_free(w->arena);
}

static int check_window(struct mx_server *server, const struct mx_room_version *version, const struct gg_str *json,
                        size_t n, struct gg_arena *arena, const struct mx_event **out, const char **why,
                        struct gg_error *err)
{
    struct window w = {.server = server, .version = version, .places = gg_map_new(NULL), .arena = gg_arena_new()};
    cut(&w, json, n);
    run(&w, read_piece, n);
    int rc = find_keys(&w, err);
    if (!rc) {
        run(&w, verify_piece, n);
        for (size_t i = 0; i < w.n_pieces; i++)
            hand_over(&w.pieces[i], arena, out + i * PIECE, why + i * PIECE);
    }
    end(&w);
    return rc;
}

int mx_fed_check_pdus(struct mx_server *server, const struct mx_room_version *version, const struct gg_str *json,
                      size_t n, struct gg_arena *arena, const struct mx_event **out, const char **why,
                      struct gg_error *err)
{
    int rc = 0;
    for (size_t i = 0; i < n; i++) {
        out[i] = NULL;
        why[i] = NULL;
    }
    for (size_t from = 0, to; from < n && !rc; from = to) {
        size_t bytes = json[from].n;
        for (to = from + 1; to < n && to - from < WINDOW && bytes + json[to].n <= WINDOW_BYTES; to++)
            bytes += json[to].n;
        rc = check_window(server, version, json + from, to - from, arena, out + from, why + from, err);
    }
    return rc;
}
