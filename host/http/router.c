/* The trie of path segments: building it from route tables and searching it. */
#include "http/router.h"

#include <ganglion/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct prefix { /* a GG_ROUTE_PREFIX pattern: text that the rest of the path begins with */
    struct prefix *next;
    char *text;
    size_t n;
    struct gg_router_entry *here;
};

struct node {
    char *key; /* the segment; not NUL-terminated by meaning, but in fact */
    size_t n_key;
    struct node **kids; /* literals, sorted by length, then bytes */
    size_t n_kids;
    struct node *any; /* {name} */
    struct gg_router_entry *here;
    struct prefix *below;
};

struct gg_router {
    struct node root;
    struct gg_router_entry **entries;
    size_t n, cap;
};

static const struct {
    const char *name;
    uint32_t bit;
} resources_by_name[] = {
    {"client", GG_RES_CLIENT},   {"consent", GG_RES_CONSENT}, {"federation", GG_RES_FEDERATION},
    {"health", GG_RES_HEALTH},   {"keys", GG_RES_KEYS},       {"media", GG_RES_MEDIA},
    {"metrics", GG_RES_METRICS}, {"openid", GG_RES_OPENID},   {"replication", GG_RES_REPLICATION},
    {"static", GG_RES_STATIC},
};

static uint32_t resource_bit(struct gg_str name)
{
    for (size_t i = 0; i < GG_COUNT(resources_by_name); i++)
        if (gg_str_is(name, resources_by_name[i].name))
            return resources_by_name[i].bit;
    return 0;
}

uint32_t gg_resource_bits(const char *names)
{
    uint32_t bits = 0;
    for (const char *from = names; from != NULL;) {
        const char *bar = strchr(from, '|');
        uint32_t bit = resource_bit(gg_strn(from, bar != NULL ? (size_t)(bar - from) : strlen(from)));
        if (bit == 0)
            return 0;
        bits |= bit;
        from = bar != NULL ? bar + 1 : NULL;
    }
    return bits;
}

/* ---- nodes ---- */

static void *grown(void *p, size_t n, size_t size)
{
    p = realloc(p, n * size);
    GG_ASSERT(p != NULL);
    return p;
}

static char *copy(const char *s, size_t n)
{
    char *p = strndup(s, n);
    GG_ASSERT(p != NULL);
    return p;
}

static struct node *node_new(const char *key, size_t n)
{
    struct node *node = calloc(1, sizeof(*node));
    GG_ASSERT(node != NULL);
    node->key = copy(key, n);
    node->n_key = n;
    return node;
}

static int compare_key(const char *s, size_t n, const struct node *node)
{
    if (n != node->n_key)
        return n < node->n_key ? -1 : 1;
    return memcmp(s, node->key, n);
}

/* The place of a literal among the kids; *found_out: it is there already. */
static size_t kid_place(const struct node *node, const char *s, size_t n, bool *found_out)
{
    size_t low = 0, high = node->n_kids;
    *found_out = false;
    while (low < high) {
        size_t mid = (low + high) / 2;
        int order = compare_key(s, n, node->kids[mid]);
        if (order == 0) {
            *found_out = true;
            return mid;
        }
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

static struct node *kid_find(const struct node *node, const char *s, size_t n)
{
    bool found;
    size_t at = kid_place(node, s, n, &found);
    return found ? node->kids[at] : NULL;
}

static struct node *kid_make(struct node *node, const char *s, size_t n)
{
    bool found;
    size_t at = kid_place(node, s, n, &found);
    if (found)
        return node->kids[at];
    node->kids = grown(node->kids, node->n_kids + 1, sizeof(struct node *));
    memmove(node->kids + at + 1, node->kids + at, (node->n_kids - at) * sizeof(struct node *));
    node->n_kids++;
    return node->kids[at] = node_new(s, n);
}

static bool is_param(const char *s, size_t n)
{
    return n > 2 && s[0] == '{' && s[n - 1] == '}';
}

/* ---- adding ---- */

static void entry_free(struct gg_router_entry *entry)
{
    for (size_t i = 0; i < entry->n_names; i++)
        free(entry->names[i]);
    free(entry->spelling);
    free(entry);
}

static int bad_pattern(const struct gg_router_entry *entry, const char *why, struct gg_error *err)
{
    return gg_fail(err, GG_E_INVALID, "the route %s %s of %s %s", entry->route->method, entry->spelling, entry->owner,
                   why);
}

/* Where an entry of that spelling belongs: the list head of its node or prefix;
 * also collects the names of its parameters. */
static int place(struct gg_router *router, struct gg_router_entry *entry, struct gg_router_entry ***out,
                 struct gg_error *err)
{
    bool prefix = (entry->route->flags & GG_ROUTE_PREFIX) != 0;
    struct node *node = &router->root;
    if (entry->spelling[0] != '/')
        return bad_pattern(entry, "does not begin with a slash", err);
    size_t segments = 0;
    for (const char *from = entry->spelling + 1;;) {
        const char *slash = strchr(from, '/');
        size_t n = slash != NULL ? (size_t)(slash - from) : strlen(from);
        bool param = is_param(from, n);
        if (++segments > GG_ROUTER_MAX_SEGMENTS || (param && entry->n_names == GG_ROUTER_MAX_PARAMS))
            return bad_pattern(entry, "has too many segments or parameters", err);
        if (!param && memchr(from, '{', n) != NULL)
            return bad_pattern(entry, "has a parameter that is not a whole segment", err);
        if (prefix && slash == NULL) {
            if (param)
                return bad_pattern(entry, "ends with a parameter, which a prefix cannot", err);
            struct prefix *below = node->below;
            while (below != NULL && (below->n != n || memcmp(below->text, from, n) != 0))
                below = below->next;
            if (below == NULL) {
                below = calloc(1, sizeof(*below));
                GG_ASSERT(below != NULL);
                *below = (struct prefix){.next = node->below, .text = copy(from, n), .n = n};
                node->below = below;
            }
            *out = &below->here;
            return 0;
        }
        if (param) {
            entry->names[entry->n_names++] = copy(from + 1, n - 2);
            if (node->any == NULL)
                node->any = node_new("", 0);
            node = node->any;
        } else {
            node = kid_make(node, from, n);
        }
        if (slash == NULL)
            break;
        from = slash + 1;
    }
    *out = &node->here;
    return 0;
}

/* Another entry of the same method and path is there: 1: keep it, drop the new
 * one; 0: overwritten by the new one; negative: a conflict. */
static int settle(struct gg_router_entry *there, const struct gg_router_entry *entry, struct gg_error *err)
{
    if (there->route == entry->route || entry->route->handler == NULL)
        return 1;
    if (there->route->handler != NULL)
        return gg_fail(err, GG_E_CONFLICT, "%s %s is claimed by both %s and %s", entry->route->method, entry->spelling,
                       there->owner, entry->owner);
    there->route = entry->route;
    there->self = entry->self;
    there->owner = entry->owner;
    there->resources = entry->resources;
    for (size_t i = 0; i < there->n_names; i++)
        free(there->names[i]);
    for (size_t i = 0; i < entry->n_names; i++)
        there->names[i] = copy(entry->names[i], strlen(entry->names[i]));
    return 0;
}

static int add_spelling(struct gg_router *router, const struct gg_route *route, void *self, const char *owner,
                        const char *spelling, struct gg_error *err)
{
    struct gg_router_entry *entry = calloc(1, sizeof(*entry));
    GG_ASSERT(entry != NULL);
    *entry = (struct gg_router_entry){
        .route = route, .self = self, .owner = owner, .resources = gg_resource_bits(route->resource)};
    entry->spelling = copy(spelling, strlen(spelling));
    struct gg_router_entry **list = NULL;
    int rc = entry->resources != 0 ? place(router, entry, &list, err)
                                   : bad_pattern(entry, "belongs to a resource that no listener can have", err);
    if (rc < 0)
        goto drop;
    for (struct gg_router_entry *there = *list; there != NULL; there = there->next) {
        if (strcmp(there->route->method, route->method) == 0) {
            rc = settle(there, entry, err);
            goto drop;
        }
    }
    entry->next = *list;
    *list = entry;
    if (router->n == router->cap) {
        router->cap = router->cap != 0 ? router->cap * 2 : 256;
        router->entries = grown(router->entries, router->cap, sizeof(struct gg_router_entry *));
    }
    router->entries[router->n++] = entry;
    return 0;
drop:
    entry_free(entry);
    return rc < 0 ? rc : 0;
}

int gg_router_add(struct gg_router *router, const struct gg_route *route, void *self, const char *owner,
                  struct gg_error *err)
{
    char **spellings = gg_spellings(route->path, err);
    if (spellings == NULL)
        return err->code;
    int rc = 0;
    for (size_t i = 0; rc == 0 && spellings[i] != NULL; i++)
        rc = add_spelling(router, route, self, owner, spellings[i], err);
    gg_spellings_free(spellings);
    return rc;
}

const struct gg_router_entry *gg_router_at(const struct gg_router *router, size_t i)
{
    return i < router->n ? router->entries[i] : NULL;
}

/* ---- life ---- */

struct gg_router *gg_router_new(void)
{
    struct gg_router *router = calloc(1, sizeof(*router));
    GG_ASSERT(router != NULL);
    return router;
}

static void node_done(struct node *node)
{
    while (node->below != NULL) {
        struct prefix *below = node->below;
        node->below = below->next;
        free(below->text);
        free(below);
    }
    free(node->kids);
    free(node->key);
}

/* Depth is bounded by GG_ROUTER_MAX_SEGMENTS, and patterns are our own. */
static void node_free(struct node *node)
{
    for (size_t i = 0; i < node->n_kids; i++) {
        node_free(node->kids[i]);
        free(node->kids[i]);
    }
    if (node->any != NULL) {
        node_free(node->any);
        free(node->any);
    }
    node_done(node);
}

void gg_router_free(struct gg_router *router)
{
    if (router == NULL)
        return;
    node_free(&router->root);
    for (size_t i = 0; i < router->n; i++)
        entry_free(router->entries[i]);
    free(router->entries);
    free(router);
}

/* ---- searching ---- */

struct branch { /* a {name} alternative that was passed by in favour of a literal */
    const struct node *node;
    const char *rest; /* what follows the segment; NULL: nothing */
    struct gg_str value;
    size_t n_values;
};

struct search {
    const char *method, *end;
    uint32_t resources;
    struct branch stack[GG_ROUTER_MAX_SEGMENTS];
    size_t depth;
    struct gg_router_match now, prefix;
    const char *prefix_end; /* of the longest prefix so far */
    bool known;             /* the path exists under another method */
    char *allowed;          /* gg_router_allowed's output, or NULL */
    size_t allowed_size;
};

static void note_allowed(struct search *s, const char *method)
{
    size_t n = strlen(s->allowed);
    snprintf(s->allowed + n, s->allowed_size - n, "%s%s", n != 0 ? ", " : "", method);
}

static const struct gg_router_entry *pick(struct search *s, const struct gg_router_entry *list)
{
    for (; list != NULL; list = list->next) {
        if ((list->resources & s->resources) == 0)
            continue;
        if (s->allowed != NULL)
            note_allowed(s, list->route->method);
        else if (strcmp(list->route->method, s->method) == 0)
            return list;
        s->known = true;
    }
    return NULL;
}

static void try_prefixes(struct search *s, const struct node *node, const char *from)
{
    for (const struct prefix *p = node->below; p != NULL; p = p->next) {
        if ((size_t)(s->end - from) < p->n || memcmp(from, p->text, p->n) != 0 || from + p->n < s->prefix_end)
            continue;
        const struct gg_router_entry *entry = pick(s, p->here);
        if (entry == NULL)
            continue;
        s->prefix = s->now;
        s->prefix.entry = entry;
        s->prefix_end = from + p->n;
    }
}

/* Walks down from node, literals first; what is passed by goes on the stack. */
static bool walk(struct search *s, const struct node *node, const char *from)
{
    while (from != NULL) {
        if (node->below != NULL)
            try_prefixes(s, node, from);
        const char *slash = memchr(from, '/', (size_t)(s->end - from));
        struct gg_str segment = gg_strn(from, (size_t)((slash != NULL ? slash : s->end) - from));
        const char *rest = slash != NULL ? slash + 1 : NULL;
        const struct node *kid = kid_find(node, segment.s, segment.n);
        if (kid != NULL && node->any != NULL && s->depth < GG_ROUTER_MAX_SEGMENTS)
            s->stack[s->depth++] = (struct branch){node->any, rest, segment, s->now.n_values};
        if (kid == NULL && node->any != NULL) {
            kid = node->any;
            s->now.values[s->now.n_values++] = segment;
        }
        if (kid == NULL)
            return false;
        node = kid;
        from = rest;
    }
    s->now.entry = pick(s, node->here);
    return s->now.entry != NULL;
}

static bool search(struct search *s, const struct gg_router *router, const char *from)
{
    if (walk(s, &router->root, from))
        return true;
    while (s->depth > 0) {
        const struct branch *b = &s->stack[--s->depth];
        s->now.values[b->n_values] = b->value;
        s->now.n_values = b->n_values + 1;
        if (walk(s, b->node, b->rest))
            return true;
    }
    if (s->prefix.entry == NULL)
        return false;
    s->now = s->prefix;
    return true;
}

int gg_router_find(const struct gg_router *router, const char *method, struct gg_str path, uint32_t resources,
                   struct gg_router_match *out)
{
    struct search s;
    s.method = strcmp(method, "HEAD") == 0 ? "GET" : method;
    s.end = path.s + path.n;
    s.resources = resources;
    s.depth = 0;
    s.now.entry = s.prefix.entry = NULL;
    s.now.n_values = 0;
    s.prefix_end = NULL;
    s.known = false;
    s.allowed = NULL;
    if (path.n == 0 || path.s[0] != '/' || !search(&s, router, path.s + 1)) {
        out->entry = NULL;
        out->n_values = 0;
        return path.n > 0 && path.s[0] == '/' && s.known ? GG_E_INVALID : GG_E_NOT_FOUND;
    }
    out->entry = s.now.entry;
    out->n_values = s.now.n_values;
    memcpy(out->values, s.now.values, s.now.n_values * sizeof(out->values[0]));
    return 0;
}

void gg_router_allowed(const struct gg_router *router, struct gg_str path, uint32_t resources, char *out, size_t size)
{
    struct search s;
    memset(&s, 0, sizeof(s));
    out[0] = '\0';
    s.method = "";
    s.end = path.s + path.n;
    s.resources = resources;
    s.allowed = out;
    s.allowed_size = size;
    if (path.n > 0 && path.s[0] == '/')
        search(&s, router, path.s + 1);
}
