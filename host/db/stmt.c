/* host/db/stmt.c: the register of statements and of the types they are called with. */
#include "db/stmt.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include <ganglion/log.h>

enum { FIRST_SLOTS = 256, MAX_SHAPES = 16 };

struct slot {
    const struct gg_stmt *stmt;
    struct gg_variant *newest;
};

struct gg_stmts {
    struct slot *slots;
    size_t n_slots, n_used; /* n_slots is a power of two */
    uint32_t next_id;
};

static void *must_calloc(size_t n, size_t size)
{
    void *p = calloc(n, size);
    GG_ASSERT(p != NULL);
    return p;
}

struct gg_stmts *gg_stmts_new(void)
{
    struct gg_stmts *stmts = must_calloc(1, sizeof(*stmts));
    stmts->n_slots = FIRST_SLOTS;
    stmts->slots = must_calloc(stmts->n_slots, sizeof(struct slot));
    return stmts;
}

void gg_stmts_free(struct gg_stmts *stmts)
{
    if (!stmts)
        return;
    for (size_t i = 0; i < stmts->n_slots; i++) {
        for (struct gg_variant *v = stmts->slots[i].newest, *older; v; v = older) {
            older = v->older;
            free(v);
        }
    }
    free(stmts->slots);
    free(stmts);
}

static struct slot *find_slot(struct slot *slots, size_t n_slots, const struct gg_stmt *stmt)
{
    uint64_t h = (uint64_t)(uintptr_t)stmt * 0x9E3779B97F4A7C15u;
    size_t i = (size_t)(h >> 32) & (n_slots - 1);
    while (slots[i].stmt && slots[i].stmt != stmt)
        i = (i + 1) & (n_slots - 1);
    return &slots[i];
}

static void grow(struct gg_stmts *stmts)
{
    size_t n = stmts->n_slots * 2;
    struct slot *slots = must_calloc(n, sizeof(struct slot));
    for (size_t i = 0; i < stmts->n_slots; i++) {
        if (stmts->slots[i].stmt)
            *find_slot(slots, n, stmts->slots[i].stmt) = stmts->slots[i];
    }
    free(stmts->slots);
    stmts->slots = slots;
    stmts->n_slots = n;
}

Oid gg_param_oid(uint32_t type)
{
    static const Oid oids[] = {[GG_P_NULL] = 0,   [GG_P_TEXT] = 25,    [GG_P_I64] = 20,    [GG_P_I32] = 23,
                               [GG_P_BOOL] = 16,  [GG_P_BYTES] = 17,   [GG_P_TEXTS] = 1009, [GG_P_I64S] = 1016,
                               [GG_P_BOOLS] = 1000};
    return type < GG_COUNT(oids) ? oids[type] : 0;
}

static bool fits(const struct gg_variant *v, const struct gg_param *params, size_t n)
{
    if (v->n != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        Oid oid = gg_param_oid(params[i].type);
        if (oid && oid != v->types[i])
            return false;
    }
    return true;
}

/* The first word of the statement, from a closed set so that metrics stay few. */
static const char *verb_of(const char *sql)
{
    static const char *const verbs[] = {"SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "BEGIN", "COMMIT", "ROLLBACK"};
    while (isspace((unsigned char)*sql))
        sql++;
    for (size_t i = 0; i < GG_COUNT(verbs); i++) {
        size_t len = strlen(verbs[i]);
        if (strncasecmp(sql, verbs[i], len) == 0 && !isalnum((unsigned char)sql[len]))
            return verbs[i];
    }
    return "OTHER";
}

static struct gg_variant *add_variant(struct gg_stmts *stmts, struct slot *slot, const struct gg_stmt *stmt,
                                      const struct gg_param *params, size_t n)
{
    struct gg_variant *v = must_calloc(1, sizeof(*v)), *known = slot->newest;
    v->stmt = stmt;
    v->id = stmts->next_id++;
    snprintf(v->name, sizeof(v->name), "g%u", v->id);
    v->verb = verb_of(stmt->sql);
    v->n = (uint32_t)n;
    for (size_t i = 0; i < n; i++) {
        v->types[i] = gg_param_oid(params[i].type);
        if (!v->types[i] && known && known->n == n)
            v->types[i] = known->types[i];
    }
    v->older = known;
    slot->newest = v;
    return v;
}

struct gg_variant *gg_stmts_get(struct gg_stmts *stmts, const struct gg_stmt *stmt, const struct gg_param *params,
                                size_t n, struct gg_error *err)
{
    if (n > GG_MAX_PARAMS) {
        gg_fail(err, GG_E_INTERNAL, "%zu parameters, at most %d are possible: %.60s", n, GG_MAX_PARAMS, stmt->sql);
        return NULL;
    }
    struct slot *slot = find_slot(stmts->slots, stmts->n_slots, stmt);
    size_t shapes = 0;
    for (struct gg_variant *v = slot->newest; v; v = v->older, shapes++) {
        if (fits(v, params, n))
            return v;
    }
    if (shapes >= MAX_SHAPES) {
        gg_fail(err, GG_E_INTERNAL, "too many different types of parameters: %.60s", stmt->sql);
        return NULL;
    }
    if (!slot->stmt) {
        if ((stmts->n_used + 1) * 2 > stmts->n_slots) {
            grow(stmts);
            slot = find_slot(stmts->slots, stmts->n_slots, stmt);
        }
        slot->stmt = stmt;
        stmts->n_used++;
    }
    return add_variant(stmts, slot, stmt, params, n);
}
