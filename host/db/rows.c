/* host/db/rows.c: results in PostgreSQL's binary format, read in place. */
#include "db/stmt.h"

#include <endian.h>
#include <stdlib.h>

#include <ganglion/log.h>

/* Type numbers are fixed in PostgreSQL's catalogue. */
enum {
    T_BOOL = 16, T_BYTEA = 17, T_CHAR = 18, T_NAME = 19, T_INT8 = 20, T_INT2 = 21, T_INT4 = 23, T_TEXT = 25,
    T_OID = 26, T_JSON = 114, T_FLOAT4 = 700, T_FLOAT8 = 701, T_BPCHAR = 1042, T_VARCHAR = 1043, T_NUMERIC = 1700,
    T_JSONB = 3802,
};

struct gg_rows {
    PGresult *result;
    int n_rows, n_columns;
};

static void clear_result(void *result)
{
    PQclear(result);
}

struct gg_rows *gg_rows_wrap(struct gg_arena *arena, PGresult *result)
{
    struct gg_rows *rows = GG_NEW(arena, struct gg_rows);
    rows->result = result;
    rows->n_rows = PQntuples(result);
    rows->n_columns = PQnfields(result);
    gg_arena_defer(arena, clear_result, result);
    return rows;
}

size_t gg_rows_count(const struct gg_rows *rows)
{
    return (size_t)rows->n_rows;
}

int64_t gg_rows_affected(const struct gg_rows *rows)
{
    return strtoll(PQcmdTuples(rows->result), NULL, 10);
}

struct field {
    const unsigned char *data; /* NULL: SQL NULL */
    size_t n;
    Oid type;
};

static struct field field_at(const struct gg_rows *rows, size_t row, int column)
{
    GG_ASSERT(row < (size_t)rows->n_rows && column >= 0 && column < rows->n_columns);
    struct field f = {NULL, 0, PQftype(rows->result, column)};
    if (PQgetisnull(rows->result, (int)row, column))
        return f;
    f.data = (const unsigned char *)PQgetvalue(rows->result, (int)row, column);
    f.n = (size_t)PQgetlength(rows->result, (int)row, column);
    return f;
}

bool gg_rows_null(const struct gg_rows *rows, size_t row, int column)
{
    return field_at(rows, row, column).data == NULL;
}

static uint64_t read_be(const unsigned char *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | p[i];
    return v;
}

static int64_t read_int(const unsigned char *p, size_t n)
{
    switch (n) {
    case 1:
        return p[0];
    case 2:
        return (int16_t)read_be(p, 2);
    case 4:
        return (int32_t)read_be(p, 4);
    default:
        return (int64_t)read_be(p, 8);
    }
}

/* The integral part of a numeric, which sums of bigint are: base 10000 digits,
 * the first of weight 10000^weight. Saturates. */
static int64_t numeric_int(const unsigned char *p, size_t n)
{
    if (n < 8)
        return 0;
    int digits = (int)read_be(p, 2), weight = (int16_t)read_be(p + 2, 2);
    bool negative = read_be(p + 4, 2) == 0x4000;
    uint64_t v = 0;
    for (int i = 0; i <= weight; i++) {
        uint64_t digit = i < digits && 8 + 2 * (size_t)i + 2 <= n ? read_be(p + 8 + 2 * (size_t)i, 2) : 0;
        if (v > ((uint64_t)INT64_MAX - digit) / 10000)
            return negative ? INT64_MIN : INT64_MAX;
        v = v * 10000 + digit;
    }
    return negative ? -(int64_t)v : (int64_t)v;
}

int64_t gg_rows_i64(const struct gg_rows *rows, size_t row, int column)
{
    struct field f = field_at(rows, row, column);
    if (!f.data)
        return 0;
    switch (f.type) {
    case T_BOOL:
    case T_INT2:
    case T_INT4:
    case T_INT8:
        return read_int(f.data, f.n);
    case T_OID:
        return (int64_t)read_be(f.data, f.n);
    case T_NUMERIC:
        return numeric_int(f.data, f.n);
    default:
        gg_panic(__FILE__, __LINE__, "column %d (%s) is no integer: type %u", column,
                 PQfname(rows->result, column), f.type);
    }
}

bool gg_rows_bool(const struct gg_rows *rows, size_t row, int column)
{
    return gg_rows_i64(rows, row, column) != 0;
}

double gg_rows_double(const struct gg_rows *rows, size_t row, int column)
{
    struct field f = field_at(rows, row, column);
    if (!f.data)
        return 0;
    if (f.type == T_FLOAT8) {
        uint64_t bits = read_be(f.data, 8);
        double v;
        memcpy(&v, &bits, 8);
        return v;
    }
    if (f.type == T_FLOAT4) {
        uint32_t bits = (uint32_t)read_be(f.data, 4);
        float v;
        memcpy(&v, &bits, 4);
        return v;
    }
    return (double)gg_rows_i64(rows, row, column);
}

struct gg_str gg_rows_str(const struct gg_rows *rows, size_t row, int column)
{
    struct field f = field_at(rows, row, column);
    if (!f.data)
        return gg_strn(NULL, 0);
    switch (f.type) {
    case T_BOOL:
    case T_INT2:
    case T_INT4:
    case T_INT8:
    case T_OID:
    case T_NUMERIC:
    case T_FLOAT4:
    case T_FLOAT8:
        gg_panic(__FILE__, __LINE__, "column %d (%s) is no text: type %u", column, PQfname(rows->result, column),
                 f.type);
    case T_JSONB: /* one byte of version in front */
        return gg_strn((const char *)f.data + 1, f.n - 1);
    default:
        return gg_strn((const char *)f.data, f.n);
    }
}

/* An array's elements one after another. */
struct elements {
    const unsigned char *at, *end;
    size_t n;
};

static bool elements_open(struct elements *e, struct field f)
{
    memset(e, 0, sizeof(*e));
    if (!f.data)
        return false;
    e->end = f.data + f.n;
    GG_ASSERT(f.n >= 12);
    int dimensions = (int)read_be(f.data, 4);
    GG_ASSERT(dimensions == 0 || (dimensions == 1 && f.n >= 20));
    e->n = dimensions ? (size_t)read_be(f.data + 12, 4) : 0;
    e->at = f.data + (dimensions ? 20 : 12);
    GG_ASSERT(e->n <= f.n / 4);
    return true;
}

static struct gg_str elements_next(struct elements *e)
{
    GG_ASSERT(e->end - e->at >= 4);
    uint32_t n = (uint32_t)read_be(e->at, 4);
    e->at += 4;
    if (n == UINT32_MAX)
        return gg_strn(NULL, 0);
    GG_ASSERT((size_t)(e->end - e->at) >= n);
    struct gg_str s = {(const char *)e->at, n};
    e->at += n;
    return s;
}

struct gg_str *gg_rows_texts(const struct gg_rows *rows, size_t row, int column, struct gg_arena *arena, size_t *n_out)
{
    struct elements e;
    *n_out = 0;
    if (!elements_open(&e, field_at(rows, row, column)))
        return NULL;
    struct gg_str *texts = GG_NEW_ARRAY(arena, struct gg_str, e.n + 1);
    for (size_t i = 0; i < e.n; i++) {
        struct gg_str s = elements_next(&e);
        texts[i] = s.s ? gg_arena_str(arena, s) : s;
    }
    *n_out = e.n;
    return texts;
}

int64_t *gg_rows_i64s(const struct gg_rows *rows, size_t row, int column, struct gg_arena *arena, size_t *n_out)
{
    struct elements e;
    *n_out = 0;
    if (!elements_open(&e, field_at(rows, row, column)))
        return NULL;
    int64_t *values = GG_NEW_ARRAY(arena, int64_t, e.n + 1);
    for (size_t i = 0; i < e.n; i++) {
        struct gg_str s = elements_next(&e);
        GG_ASSERT(!s.s || s.n == 1 || s.n == 2 || s.n == 4 || s.n == 8);
        values[i] = s.s ? read_int((const unsigned char *)s.s, s.n) : GG_NULL_I64;
    }
    *n_out = e.n;
    return values;
}
