/* matrix/federation/candidates.c: servers that are asked one after the other until one of them does it. */
#include "federation/candidates.h"

#include <ganglion/fiber.h>
#include <ganglion/log.h>
#include <ganglion/matrix/id.h>

static struct gg_logger logger = {"ganglion.federation"};

void mx_candidates_add(struct mx_server *server, struct mx_candidates *to, struct gg_str name, struct gg_arena *arena)
{
    if (name.s == NULL || to->n == MX_CANDIDATES_MAX || !mx_server_name_valid(name) || gg_str_is(name, server->name))
        return;
    for (size_t i = 0; i < to->n; i++)
        if (gg_str_is(name, to->names[i]))
            return;
    to->names[to->n++] = gg_arena_strndup(arena, name.s, name.n);
}

void mx_candidates_prefer(struct mx_candidates *c, const char *name)
{
    for (size_t i = 0; i < c->n; i++) {
        if (strcmp(c->names[i], name) != 0)
            continue;
        const char *preferred = c->names[i];
        memmove(&c->names[1], &c->names[0], i * sizeof(c->names[0]));
        c->names[0] = preferred;
        return;
    }
}

static bool listed(const char *const *list, const char *word)
{
    for (; list != NULL && *list != NULL; list++)
        if (strcmp(*list, word) == 0)
            return true;
    return false;
}

/* Its word on the matter, which another server would only repeat. What did not come over the wire is no word. */
static bool is_answer(const struct gg_error *err, const char *const *go_on)
{
    return !err->inward && err->http_status >= 300 && err->http_status < 500 && !listed(go_on, err->errcode);
}

int mx_candidates_ask(const struct mx_candidates *c, const char *what, const char *const *go_on, mx_candidate_fn *fn,
                      void *arg, struct gg_error *err)
{
    for (size_t i = 0; i < c->n; i++) {
        *err = (struct gg_error)GG_ERROR_INIT;
        int rc = fn(arg, c->names[i], err);
        if (rc == 0 || gg_cancelled() || gg_get_deadline() <= gg_now_ms() || is_answer(err, go_on))
            return rc;
        gg_info(&logger, "failed to %s via %s: %s", what, c->names[i], err->message);
    }
    return gg_refuse(err, 502, "M_UNKNOWN", "Failed to %s via any server%s", what,
                     c->n == 0 ? ": No servers specified." : "");
}

bool mx_fed_unknown_endpoint(const struct gg_error *err)
{
    return (err->http_status == 404 || err->http_status == 405 || err->http_status == 400) &&
           (strcmp(err->errcode, "M_UNRECOGNIZED") == 0 ||
            (err->http_status != 400 && strcmp(err->errcode, "M_UNKNOWN") == 0));
}
