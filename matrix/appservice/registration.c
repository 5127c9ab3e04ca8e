/* matrix/appservice/registration.c: one registration file (application service API, "Registration"). */
#include "appservice/pattern.h"

#include <ctype.h>
#include <ganglion/config.h>
#include <ganglion/matrix/appservice.h>
#include <ganglion/matrix/id.h>

struct reading {
    const struct gg_node *top;
    const char *file, *server_name;
    struct gg_arena *arena;
    struct mx_appservice *out;
};

static int bad(const struct reading *r, struct gg_error *err, const char *key, const char *why)
{
    return gg_fail(err, GG_E_INVALID, "%s: %s: %s", r->file, key, why);
}

static int read_text(const struct reading *r, const char *key, const char **out, struct gg_error *err)
{
    const char *text = gg_node_text(gg_node_get(r->top, key));
    if (text == NULL)
        return bad(r, err, key, "must be text");
    *out = gg_arena_strdup(r->arena, text);
    return 0;
}

/* Tokens travel in headers; one that is empty would let everybody in. */
static bool is_token(const char *text)
{
    for (const char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p < 0x21 || (unsigned char)*p > 0x7e)
            return false;
    return *text != '\0';
}

static int read_names(const struct reading *r, struct gg_error *err)
{
    struct mx_appservice *s = r->out;
    int rc = read_text(r, "id", &s->id, err);
    if (rc == 0)
        rc = read_text(r, "as_token", &s->as_token, err);
    if (rc == 0)
        rc = read_text(r, "hs_token", &s->hs_token, err);
    if (rc != 0)
        return rc;
    if (strchr(s->id, '|') != NULL)
        return bad(r, err, "id", "must not hold '|', which stands between service and network in lists of rooms");
    if (!is_token(s->as_token) || !is_token(s->hs_token))
        return bad(r, err, is_token(s->as_token) ? "hs_token" : "as_token", "must be visible ASCII characters");
    return 0;
}

/* What a URL takes as it is: anything else would be another name where it is written into one. */
static int read_sender(const struct reading *r, struct gg_error *err)
{
    const char *localpart = NULL;
    int rc = read_text(r, "sender_localpart", &localpart, err);
    if (rc != 0)
        return rc;
    for (const char *p = localpart; *p != '\0'; p++)
        if (!isalnum((unsigned char)*p) && strchr("_.-~/", *p) == NULL)
            return bad(r, err, "sender_localpart", "needs characters that a URL takes unencoded");
    r->out->sender = gg_arena_printf(r->arena, "@%s:%s", localpart, r->server_name);
    return strlen(r->out->sender) <= MX_ID_MAX ? 0 : bad(r, err, "sender_localpart", "is too long");
}

/* Left out it would be a service that is silently sent nothing. */
static int read_url(const struct reading *r, struct gg_error *err)
{
    const struct gg_node *node = gg_node_get(r->top, "url");
    if (node == NULL || (gg_node_kind(node) != GG_NODE_NULL && gg_node_text(node) == NULL))
        return bad(r, err, "url", "must be text, or null for a service that is sent nothing");
    const char *text = gg_node_text(node);
    if (text == NULL || *text == '\0')
        return 0;
    if (strncmp(text, "http://", 7) != 0 && strncmp(text, "https://", 8) != 0)
        return bad(r, err, "url", "must begin with http:// or https://");
    char *url = gg_arena_strdup(r->arena, text);
    for (size_t n = strlen(url); n > 0 && url[n - 1] == '/'; n--)
        url[n - 1] = '\0';
    r->out->url = url;
    return 0;
}

static int read_namespace(const struct reading *r, const char *key, struct mx_namespaces *out, struct gg_error *err)
{
    const struct gg_node *all = gg_node_get(r->top, "namespaces"), *list = gg_node_get(all, key);
    if (gg_node_kind(all) != GG_NODE_MAP)
        return bad(r, err, "namespaces", "must be a map");
    if (list == NULL)
        return 0;
    if (gg_node_kind(list) != GG_NODE_LIST)
        return bad(r, err, key, "must be a list");
    out->v = GG_NEW_ARRAY(r->arena, struct mx_namespace, gg_node_count(list) + 1);
    for (size_t i = 0; i < gg_node_count(list); i++) {
        const struct gg_node *entry = gg_node_at(list, i, NULL), *exclusive = gg_node_get(entry, "exclusive");
        const char *regex = gg_node_text(gg_node_get(entry, "regex"));
        if (gg_node_kind(entry) != GG_NODE_MAP || regex == NULL || gg_node_kind(exclusive) != GG_NODE_BOOL)
            return bad(r, err, key, "each entry needs \"regex\" (text) and \"exclusive\" (true or false)");
        out->v[i].exclusive = gg_node_bool(exclusive);
        int rc = mx_pattern_new(regex, r->arena, &out->v[i].pattern, err);
        if (rc != 0) {
            gg_error_prefix(err, "%s: %s", r->file, key);
            return rc;
        }
        out->n++;
    }
    return 0;
}

/* A list of texts, one text or none. */
static int read_list(const struct reading *r, const char *key, const char ***out, size_t *n_out, struct gg_error *err)
{
    const struct gg_node *list = gg_node_get(r->top, key);
    if (list == NULL || gg_node_kind(list) == GG_NODE_NULL)
        return 0;
    if (gg_node_kind(list) != GG_NODE_LIST)
        return bad(r, err, key, "must be a list");
    *out = GG_NEW_ARRAY(r->arena, const char *, gg_node_count(list) + 1);
    for (size_t i = 0; i < gg_node_count(list); i++) {
        const char *text = gg_node_text(gg_node_at(list, i, NULL));
        if (text == NULL)
            return bad(r, err, key, "must hold texts");
        (*out)[(*n_out)++] = gg_arena_strdup(r->arena, text);
    }
    return 0;
}

static int read_ranges(const struct reading *r, struct gg_error *err)
{
    const char **texts = NULL;
    size_t n = 0;
    int rc = read_list(r, "ip_range_whitelist", &texts, &n, err);
    r->out->from = GG_NEW_ARRAY(r->arena, struct gg_ip_range, n + 1);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = gg_ip_range_parse(texts[i], &r->out->from[r->out->n_from++], err);
    if (rc != 0)
        gg_error_prefix(err, "%s", r->file);
    return rc;
}

static int read_switch(const struct reading *r, const char *key, bool *out, struct gg_error *err)
{
    const struct gg_node *node = gg_node_get(r->top, key);
    if (node == NULL || gg_node_kind(node) == GG_NODE_NULL)
        return 0;
    if (gg_node_kind(node) != GG_NODE_BOOL)
        return bad(r, err, key, "must be true or false");
    *out = gg_node_bool(node);
    return 0;
}

static int read_switches(const struct reading *r, struct gg_error *err)
{
    const struct {
        const char *key;
        bool *out;
    } table[] = {{"rate_limited", &r->out->rate_limited},
                 {"receive_ephemeral", &r->out->ephemeral},
                 {"de.sorunome.msc2409.push_ephemeral", &r->out->unstable_ephemeral},
                 {"org.matrix.msc3202", &r->out->extensions},
                 {"io.element.msc4190", &r->out->manages_devices}};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < GG_COUNT(table); i++)
        rc = read_switch(r, table[i].key, table[i].out, err);
    return rc;
}

int mx_appservice_read(const struct gg_node *top, const char *file, const char *server_name, struct gg_arena *arena,
                       struct mx_appservice *out, struct gg_error *err)
{
    const struct reading r = {top, file, server_name, arena, out};
    *out = (struct mx_appservice){.rate_limited = true};
    if (gg_node_kind(top) != GG_NODE_MAP)
        return gg_fail(err, GG_E_INVALID, "%s: is no registration of an application service", file);
    int rc = read_names(&r, err);
    if (rc == 0)
        rc = read_sender(&r, err);
    if (rc == 0)
        rc = read_url(&r, err);
    if (rc == 0)
        rc = read_namespace(&r, "users", &out->users, err);
    if (rc == 0)
        rc = read_namespace(&r, "aliases", &out->aliases, err);
    if (rc == 0)
        rc = read_namespace(&r, "rooms", &out->rooms, err);
    if (rc == 0)
        rc = read_list(&r, "protocols", &out->protocols, &out->n_protocols, err);
    if (rc == 0)
        rc = read_ranges(&r, err);
    return rc == 0 ? read_switches(&r, err) : rc;
}
