/* host/db/param.c: parameters in PostgreSQL's binary format. */
#include "db/stmt.h"

#include <endian.h>
#include <limits.h>

/* The server refuses fields above 1 GiB; so do we, before copying them. */
static const size_t MAX_FIELD = (size_t)1 << 30;

static void put_be32(char *out, uint32_t v)
{
    v = htobe32(v);
    memcpy(out, &v, 4);
}

static void put_be64(char *out, uint64_t v)
{
    v = htobe64(v);
    memcpy(out, &v, 8);
}

static size_t array_bytes(const struct gg_param *p)
{
    size_t total = 20;
    for (uint32_t i = 0; i < p->n; i++) {
        if (p->type == GG_P_TEXTS)
            total += 4 + (p->texts[i].s ? p->texts[i].n : 0);
        else
            total += p->type == GG_P_I64S ? 12 : 5;
    }
    return total;
}

static size_t param_bytes(const struct gg_param *p)
{
    switch (p->type) {
    case GG_P_TEXT:
    case GG_P_BYTES:
        return p->text.n;
    case GG_P_TEXTS:
    case GG_P_I64S:
    case GG_P_BOOLS:
        return array_bytes(p);
    default:
        return 8;
    }
}

static bool has_null(const struct gg_param *p)
{
    for (uint32_t i = 0; i < p->n; i++) {
        if ((p->type == GG_P_TEXTS && !p->texts[i].s) || (p->type == GG_P_I64S && p->i64s[i] == GG_NULL_I64))
            return true;
    }
    return false;
}

static char *put_element(char *out, const struct gg_param *p, uint32_t i)
{
    if (p->type == GG_P_BOOLS) {
        put_be32(out, 1);
        out[4] = p->bools[i] ? 1 : 0;
        return out + 5;
    }
    if (p->type == GG_P_I64S && p->i64s[i] != GG_NULL_I64) {
        put_be32(out, 8);
        put_be64(out + 4, (uint64_t)p->i64s[i]);
        return out + 12;
    }
    if (p->type == GG_P_TEXTS && p->texts[i].s) {
        put_be32(out, (uint32_t)p->texts[i].n);
        if (p->texts[i].n)
            memcpy(out + 4, p->texts[i].s, p->texts[i].n);
        return out + 4 + p->texts[i].n;
    }
    put_be32(out, UINT32_MAX); /* NULL */
    return out + 4;
}

/* Layout: dimensions, has-null flag, element type, length, lower bound, elements. */
static size_t put_array(char *out, const struct gg_param *p)
{
    uint32_t element = p->type == GG_P_TEXTS ? GG_P_TEXT : p->type == GG_P_I64S ? GG_P_I64 : GG_P_BOOL;
    put_be32(out, p->n ? 1 : 0);
    put_be32(out + 4, has_null(p) ? 1 : 0);
    put_be32(out + 8, gg_param_oid(element));
    if (!p->n)
        return 12;
    put_be32(out + 12, p->n);
    put_be32(out + 16, 1);
    char *at = out + 20;
    for (uint32_t i = 0; i < p->n; i++)
        at = put_element(at, p, i);
    return (size_t)(at - out);
}

static size_t put_scalar(char *out, const struct gg_param *p)
{
    switch (p->type) {
    case GG_P_I64:
        put_be64(out, (uint64_t)p->i64);
        return 8;
    case GG_P_I32:
        put_be32(out, (uint32_t)p->i64);
        return 4;
    default:
        out[0] = p->i64 ? 1 : 0;
        return 1;
    }
}

static void encode_one(struct gg_encoded *out, size_t i, char **at, const struct gg_param *p)
{
    size_t n;
    out->formats[i] = 1;
    switch (p->type) {
    case GG_P_NULL:
        out->values[i] = NULL;
        out->lengths[i] = 0;
        return;
    case GG_P_TEXT:
    case GG_P_BYTES:
        out->values[i] = p->text.s;
        out->lengths[i] = (int)p->text.n;
        return;
    case GG_P_TEXTS:
    case GG_P_I64S:
    case GG_P_BOOLS:
        n = put_array(*at, p);
        break;
    default:
        n = put_scalar(*at, p);
        break;
    }
    out->values[i] = *at;
    out->lengths[i] = (int)n;
    *at += n;
}

int gg_params_encode(struct gg_encoded *out, struct gg_buf *scratch, const struct gg_param *params, size_t n,
                     struct gg_error *err)
{
    size_t total = 0;
    for (size_t i = 0; i < n; i++) {
        size_t bytes = param_bytes(&params[i]);
        if (bytes >= MAX_FIELD)
            return gg_fail(err, GG_E_LIMIT, "a value of %zu bytes is too large for the database", bytes);
        if (params[i].type != GG_P_TEXT && params[i].type != GG_P_BYTES)
            total += bytes;
    }
    gg_buf_clear(scratch);
    gg_buf_reserve(scratch, total + 8);
    char *at = scratch->data;
    for (size_t i = 0; i < n; i++)
        encode_one(out, i, &at, &params[i]);
    return 0;
}
