/* Streams on a real database: what is loaded and checked at start, ids in and out
 * of transactions, positions written behind, followers, waiting. */
#include "../db/db_test.h"

#include "repl/ids.h"

static const struct gg_stream_table things[] = {{"things", "stream_id", "instance_name"}, {NULL, NULL, NULL}};
static const struct gg_stream_table old_tables[] = {{"olds", "stream_ordering", "instance_name"},
                                              {"more_olds", "id", NULL},
                                              {NULL, NULL, NULL}};
static const struct gg_stream_table cached[] = {{"cached", "stream_id", "instance_name"}, {NULL, NULL, NULL}};

static const struct gg_stream_def things_def = {.name = "things", .position_name = "things_stream",
                                                .sequence = "things_seq", .writers_key = "things", .tables = things};
static const struct gg_stream_def olds_def = {.name = "olds", .position_name = "olds", .sequence = "olds_seq",
                                              .writers_key = "things", .negative = true, .tables = old_tables};
static const struct gg_stream_def main_def = {.name = "mains", .position_name = "mains", .sequence = "mains_seq"};
static const struct gg_stream_def cached_def = {.name = "cached", .sequence = "cached_seq", .writers_key = "*",
                                                .tables = cached};
static const struct gg_stream_def typing_def = {.name = "typing", .writers_key = "things", .may_go_back = true};

static const char *const two_writers[] = {"w1", "w2", NULL};

static const char *const *writers_of(void *self, const char *group, size_t *n_out)
{
    assert_string_equal(group, "things");
    *n_out = 2;
    return two_writers;
}

static void script(struct gg_db *db, const char *sql)
{
    struct gg_error err = GG_ERROR_INIT;
    assert_ok(gg_db_script(db, sql, &err), err);
}

static struct gg_db *fresh_db(void)
{
    struct gg_db_options options = {.conninfo = test_conninfo};
    struct gg_db *db = gg_db_new(&options);
    script(db, "DROP SCHEMA public CASCADE; CREATE SCHEMA public;"
               "CREATE TABLE stream_positions (stream_name text, instance_name text, stream_id bigint,"
               " UNIQUE (stream_name, instance_name));"
               "CREATE TABLE instance_map (instance_id serial PRIMARY KEY, instance_name text UNIQUE);"
               "CREATE TABLE things (stream_id bigint, instance_name text, what text);"
               "CREATE TABLE olds (stream_ordering bigint, instance_name text);"
               "CREATE TABLE more_olds (id integer);"
               "CREATE TABLE cached (stream_id bigint, instance_name text);"
               "CREATE SEQUENCE things_seq; CREATE SEQUENCE olds_seq; CREATE SEQUENCE mains_seq;"
               "CREATE SEQUENCE cached_seq;"
               "SELECT nextval('things_seq'), nextval('olds_seq'), nextval('mains_seq'), nextval('cached_seq')");
    return db;
}

static struct gg_streams *open_streams(const char *instance)
{
    struct gg_streams_options options = {.instance = instance, .writers = writers_of};
    struct gg_streams *streams = gg_streams_new(&options);
    gg_streams_register(streams, &things_def, NULL);
    gg_streams_register(streams, &olds_def, NULL);
    gg_streams_register(streams, &main_def, NULL);
    gg_streams_register(streams, &cached_def, NULL);
    gg_streams_register(streams, &typing_def, NULL);
    return streams;
}

static struct gg_streams *load_streams(struct gg_db *db, const char *instance)
{
    struct gg_error err = GG_ERROR_INIT;
    struct gg_streams *streams = open_streams(instance);
    assert_ok(gg_streams_load(streams, db, &err), err);
    return streams;
}

static void close_streams(struct gg_streams *streams)
{
    gg_streams_stop(streams);
    gg_streams_free(streams);
}

static int64_t number(struct gg_db *db, const struct gg_stmt *stmt, const char *param)
{
    struct gg_error err = GG_ERROR_INIT;
    struct gg_rows *rows;
    struct gg_arena *arena = gg_arena_new();
    assert_ok(gg_db_read(db, stmt, GG_PARAMS(gg_p_text(param)), arena, &rows, &err), err);
    int64_t v = gg_rows_count(rows) ? gg_rows_i64(rows, 0, 0) : -999;
    gg_arena_free(arena);
    return v;
}

static int64_t position_row(struct gg_db *db, const char *stream_and_instance)
{
    static const struct gg_stmt get = {
        "SELECT stream_id FROM stream_positions WHERE stream_name || '/' || instance_name = $1", 0};
    return number(db, &get, stream_and_instance);
}

static int64_t one_id(struct gg_stream *stream)
{
    struct gg_error err = GG_ERROR_INIT;
    int64_t id;
    assert_ok(gg_stream_allocate(stream, NULL, 1, &id, &err), err);
    return id;
}

/* ---- the start ---- */

FIBER_TEST(empty_database)
{
    struct gg_db *db = fresh_db();
    struct gg_streams *w1 = load_streams(db, "w1"), *other = load_streams(db, "reader");
    struct gg_stream *s = gg_streams_find(w1, "things");
    assert_true(gg_stream_is_writer(s));
    assert_false(gg_stream_is_writer(gg_streams_find(w1, "mains")));
    assert_true(gg_stream_is_writer(gg_streams_find(other, "cached")));
    assert_false(gg_stream_is_writer(gg_streams_find(other, "things")));
    for (size_t i = 0; i < gg_streams_count(w1); i++) {
        int64_t first = gg_stream_def(gg_streams_at(w1, i))->sequence ? 1 : 0;
        assert_int_equal(gg_stream_upto(gg_streams_at(w1, i)), first);
        assert_int_equal(gg_stream_upto(gg_streams_at(other, i)), first);
    }
    assert_string_equal(gg_stream_writer_of(s, GG_STR("example.com")), "w2");
    assert_string_equal(gg_stream_writer_of(gg_streams_find(w1, "mains"), GG_STR("x")), "master");
    struct gg_error err = GG_ERROR_INIT;
    int64_t id;
    assert_int_equal(gg_stream_allocate(gg_streams_find(w1, "mains"), NULL, 1, &id, &err), GG_E_INTERNAL);
    assert_int_equal(one_id(s), 2);
    gg_stream_finish(s, (int64_t[]){2}, 1);
    close_streams(w1);
    close_streams(other);
    gg_db_free(db);
}

FIBER_TEST(loads_what_was_left)
{
    struct gg_db *db = fresh_db();
    script(db, "SELECT setval('things_seq', 30), setval('olds_seq', 20), setval('cached_seq', 9);"
               "INSERT INTO stream_positions VALUES ('things_stream', 'w1', 20), ('things_stream', 'w2', 24),"
               " ('things_stream', 'gone', 29), ('olds', 'w2', -12);"
               "INSERT INTO things SELECT i, 'w1' FROM unnest(ARRAY[18,19,20,21,22,23,26]) i;"
               "INSERT INTO things VALUES (24, 'w2'), (28, 'w2'); INSERT INTO olds VALUES (-12, 'w2'), (-13, 'w2');"
               "INSERT INTO more_olds VALUES (-14); INSERT INTO cached VALUES (8, 'w7')");
    struct gg_streams *reader = load_streams(db, "reader");
    struct gg_stream *s = gg_streams_find(reader, "things");
    assert_int_equal(position_row(db, "things_stream/gone"), -999); /* not configured: removed by whoever starts */
    assert_int_equal(gg_stream_upto(s), 24); /* 21..24 without a gap above w1's 20 */
    assert_int_equal(gg_stream_position(s, "w1"), 24);
    assert_int_equal(gg_stream_upto(gg_streams_find(reader, "olds")), 14);
    assert_int_equal(gg_stream_upto(gg_streams_find(reader, "cached")), 8);
    assert_int_equal(gg_stream_upto(gg_streams_find(reader, "mains")), 1);
    close_streams(reader);
    struct gg_streams *w1 = load_streams(db, "w1");
    s = gg_streams_find(w1, "things");
    assert_int_equal(gg_stream_current(s, "w1"), 30); /* its own position is the sequence's */
    assert_int_equal(gg_stream_minimal_local(s), 30);
    assert_int_equal(gg_stream_upto(s), 24);
    const char *names[4];
    int64_t at[4];
    assert_int_equal(gg_stream_ahead(s, names, at, 4), 1);
    assert_string_equal(names[0], "w1");
    assert_int_equal(at[0], 30);
    gg_stream_foreign(s, "w2", 30, true);
    assert_int_equal(gg_stream_upto(s), 30);
    assert_int_equal(gg_stream_ahead(s, names, at, 4), 0);
    close_streams(w1);
    gg_db_free(db);
}

FIBER_TEST(done_above_a_hole)
{
    struct gg_db *db = fresh_db();
    struct gg_streams *w1 = load_streams(db, "w1");
    struct gg_stream *s = gg_streams_find(w1, "things");
    int64_t before = gg_stream_minimal_local(s), first = one_id(s), second = one_id(s);
    assert_int_equal(gg_stream_done_local(s), before);
    gg_stream_finish(s, &second, 1);
    assert_int_equal(gg_stream_minimal_local(s), before);
    assert_int_equal(gg_stream_done_local(s), second);
    gg_stream_finish(s, &first, 1);
    assert_int_equal(gg_stream_minimal_local(s), second);
    assert_int_equal(gg_stream_done_local(s), second);
    close_streams(w1);
    gg_db_free(db);
}

FIBER_TEST(checks_at_start)
{
    static const struct gg_stmt last = {"SELECT last_value FROM things_seq WHERE $1::text <> ''", 0};
    struct gg_db *db = fresh_db();
    struct gg_error err = GG_ERROR_INIT;
    script(db, "INSERT INTO things VALUES (50, 'w1'); INSERT INTO more_olds VALUES (-60)");
    struct gg_streams *w1 = load_streams(db, "w1"); /* sequences behind their tables are mended */
    assert_int_equal(number(db, &last, "x"), 50);
    assert_int_equal(one_id(gg_streams_find(w1, "things")), 51);
    assert_int_equal(one_id(gg_streams_find(w1, "olds")), 61);
    gg_stream_finish(gg_streams_find(w1, "things"), (int64_t[]){51}, 1);
    gg_stream_finish(gg_streams_find(w1, "olds"), (int64_t[]){61}, 1);
    close_streams(w1);
    script(db, "UPDATE stream_positions SET stream_id = 5000 WHERE stream_name = 'things_stream'");
    struct gg_streams *wrong = open_streams("w1");
    assert_int_equal(gg_streams_load(wrong, db, &err), GG_E_CONFLICT);
    assert_non_null(strstr(err.message, "things_seq"));
    gg_streams_free(wrong);
    gg_db_free(db);
}

/* ---- ids ---- */

struct put {
    struct gg_stream *stream;
    size_t n;
    int64_t ids[8];
    bool fail;
};

static int put_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    static const struct gg_stmt insert = {"INSERT INTO things SELECT unnest($1::bigint[]), $2", 0};
    struct put *p = arg;
    int rc = gg_stream_allocate(p->stream, txn, p->n, p->ids, err);
    if (rc == 0)
        rc = gg_txn_queue(txn, &insert, GG_PARAMS(gg_p_i64s(p->ids, p->n), gg_p_text("w1")), err);
    return rc == 0 && p->fail ? gg_fail(err, GG_E_FORBIDDEN, "no") : rc;
}

FIBER_TEST(ids_and_positions)
{
    struct gg_db *db = fresh_db();
    struct gg_error err = GG_ERROR_INIT;
    struct gg_streams *w1 = load_streams(db, "w1");
    struct gg_stream *s = gg_streams_find(w1, "things"), *olds = gg_streams_find(w1, "olds");
    struct put p = {.stream = s, .n = 3};
    assert_ok(gg_db_txn(db, "put", 0, put_body, &p, &err), err);
    assert_int_equal(p.ids[0], 2);
    assert_int_equal(p.ids[2], 4);
    int64_t late = one_id(s);
    assert_int_equal(late, 5);
    assert_int_equal(gg_stream_current(s, "w1"), 1);
    gg_stream_finish(s, p.ids, p.n);
    assert_int_equal(gg_stream_current(s, "w1"), 4);
    struct put q = {.stream = s, .n = 2, .fail = true};
    assert_int_equal(gg_db_txn(db, "put", 0, put_body, &q, &err), GG_E_FORBIDDEN);
    gg_stream_finish(s, q.ids, q.n);
    assert_int_equal(gg_stream_current(s, "w1"), 4); /* 5 is still open */
    gg_stream_finish(s, &late, 1);
    assert_int_equal(gg_stream_current(s, "w1"), 7);
    assert_int_equal(gg_stream_max_seen(s), 7);
    int64_t old = one_id(olds);
    gg_stream_finish(olds, &old, 1);
    gg_sleep(400);
    assert_int_equal(position_row(db, "things_stream/w1"), 7);
    assert_int_equal(position_row(db, "olds/w1"), -2);
    int64_t last = one_id(s);
    gg_stream_finish(s, &last, 1);
    gg_streams_stop(w1); /* what is due is written before the end */
    assert_int_equal(position_row(db, "things_stream/w1"), 8);
    script(db, "UPDATE stream_positions SET stream_id = stream_id * 10");
    gg_streams_free(w1);
    gg_db_free(db);
}

/* ---- followers and waiters ---- */

struct heard {
    char text[2000];
};

static void hear(void *self, struct gg_stream *stream, const char *instance, int64_t token, const struct gg_row *rows,
                 size_t n, bool moved)
{
    struct heard *h = self;
    size_t used = strlen(h->text);
    used += (size_t)snprintf(h->text + used, sizeof(h->text) - used, " %s %s%lld@%lld", moved ? "+" : "-", instance,
                             (long long)token, (long long)gg_stream_current(stream, instance));
    for (size_t i = 0; i < n; i++)
        used += (size_t)snprintf(h->text + used, sizeof(h->text) - used, "[%.*s]", GG_FMT(rows[i].row));
}

static const char *heard_so_far(struct heard *h)
{
    static char text[2000];
    memcpy(text, h->text, sizeof(text));
    h->text[0] = 0;
    return text;
}

/* After a crash of PostgreSQL its sequences may give out once more what readers have passed already. */
FIBER_TEST(a_sequence_that_went_back)
{
    struct gg_db *db = fresh_db();
    struct gg_error err = GG_ERROR_INIT;
    struct gg_streams *w1 = load_streams(db, "w1");
    struct gg_stream *s = gg_streams_find(w1, "things");
    int64_t first = one_id(s), second = one_id(s), again[2];
    gg_stream_finish(s, (int64_t[]){first, second}, 2);
    gg_stream_foreign(s, "w2", second + 3, true);
    assert_ok(gg_db_script(db, "SELECT setval('things_seq', 1)", &err), err);
    assert_ok(gg_stream_allocate(s, NULL, 2, again, &err), err);
    assert_int_equal(again[0], second + 4);
    assert_int_equal(again[1], second + 5);
    gg_stream_finish(s, again, 2);
    gg_stream_foreign(s, "w2", INT64_MAX / 2, true); /* nonsense on the channel stops nobody */
    assert_int_equal(one_id(s), second + 6);
    close_streams(w1);
    gg_db_free(db);
}

/* With nobody to announce them, rows would not be kept. */
static void ignore_poke(void *self)
{
}

FIBER_TEST(followers)
{
    struct gg_db *db = fresh_db();
    struct gg_error err = GG_ERROR_INIT;
    struct gg_streams *w1 = load_streams(db, "w1");
    struct gg_stream *s = gg_streams_find(w1, "things");
    static struct heard h;
    gg_stream_follow(s, hear, &h);
    gg_streams_on_poke(w1, ignore_poke, NULL);
    int64_t a[2], b = 0;
    assert_ok(gg_stream_allocate(s, NULL, 2, a, &err), err);
    b = one_id(s);
    char text[] = "x";
    struct gg_fetched rows[] = {{b, gg_strn(text, 1)}, {b, GG_STR("y")}};
    gg_stream_finish_rows(s, &b, 1, rows, 2);
    text[0] = '?'; /* was copied */
    assert_string_equal(heard_so_far(&h), " - w14@1[x][y]");
    struct gg_fetched more[] = {{2, GG_STR("p")}, {3, GG_STR("q")}};
    gg_stream_finish_rows(s, a, 2, more, 2);
    assert_string_equal(heard_so_far(&h), " - w12@1[p] - w13@1[q] + w12@4[p] + w13@4[q] + w14@4[x][y]");
    const struct gg_fetched *handed;
    size_t n;
    assert_true(gg_stream_handed(s, 1, 4, &handed, &n));
    assert_int_equal(n, 4);
    assert_int_equal(handed[0].token, 2);
    assert_true(gg_stream_handed(s, 2, 3, &handed, &n));
    assert_int_equal(n, 1);
    assert_string_equal(handed[0].row.s, "q");
    gg_stream_forget_handed(s, 3);
    assert_true(gg_stream_handed(s, 3, 4, &handed, &n));
    assert_int_equal(n, 2);
    int64_t c = one_id(s), d = one_id(s);
    gg_stream_finish(s, &c, 1);
    assert_string_equal(heard_so_far(&h), " - w15@4 + w15@5");
    gg_stream_finish_rows(s, &d, 1, NULL, 0); /* rolled back: nothing to read */
    assert_string_equal(heard_so_far(&h), " + w16@6");
    assert_false(gg_stream_handed(s, 4, 6, &handed, &n)); /* 5 must be read */
    assert_true(gg_stream_handed(s, 5, 6, &handed, &n));
    assert_int_equal(n, 0);
    struct gg_row foreign = {"w2", 9, GG_STR("f")};
    gg_stream_take(s, "w2", 9, &foreign, 1);
    assert_string_equal(heard_so_far(&h), " - w29@6[f] + w29@9[f]");
    assert_int_equal(gg_stream_current(s, "w1"), 9); /* follows, as nothing of ours is open */
    assert_int_equal(gg_stream_upto(s), 9);
    close_streams(w1);
    gg_db_free(db);
}

struct waiting {
    struct gg_stream *stream;
    const char *instance;
    int64_t token;
    int rc;
};

static void waiting_main(void *arg)
{
    struct waiting *w = arg;
    w->rc = w->instance ? gg_stream_wait(w->stream, w->instance, w->token, gg_deadline(1000))
                        : gg_stream_wait_upto(w->stream, w->token, gg_deadline(1000));
}

FIBER_TEST(waiting)
{
    struct gg_db *db = fresh_db();
    struct gg_streams *w1 = load_streams(db, "w1");
    struct gg_stream *s = gg_streams_find(w1, "things");
    struct waiting a = {s, "w2", 3, 1}, b = {s, NULL, 3, 1}, c = {s, "w1", 2, 1}, d = {s, NULL, 4, 1};
    assert_int_equal(gg_stream_wait(s, "w2", 1, gg_deadline(1000)), 0);
    assert_int_equal(gg_stream_wait_upto(s, 2, gg_deadline(20)), GG_E_TIMEOUT);
    int64_t id = one_id(s);
    struct waiting *all[] = {&a, &b, &c, &d};
    for (size_t i = 0; i < GG_COUNT(all); i++)
        gg_spawn(NULL, "waiting", waiting_main, all[i]);
    gg_sleep(20);
    gg_stream_foreign(s, "w2", 3, true);
    gg_sleep(20);
    assert_int_equal(a.rc, 0);
    assert_int_equal(b.rc, 1); /* 2 is open */
    assert_int_equal(c.rc, 1);
    gg_stream_finish(s, &id, 1);
    gg_sleep(20);
    assert_int_equal(b.rc, 0);
    assert_int_equal(c.rc, 0);
    assert_int_equal(d.rc, 1);
    gg_sleep(1100);
    assert_int_equal(d.rc, GG_E_TIMEOUT);
    close_streams(w1);
    gg_db_free(db);
}

FIBER_TEST(in_memory)
{
    struct gg_db *db = fresh_db();
    struct gg_streams *w1 = load_streams(db, "w1"), *reader = load_streams(db, "reader");
    struct gg_stream *s = gg_streams_find(w1, "typing"), *r = gg_streams_find(reader, "typing");
    static struct heard h;
    gg_stream_follow(s, hear, &h);
    assert_int_equal(gg_stream_advance(s, NULL, 0), 1);
    assert_int_equal(gg_stream_advance(s, (const struct gg_str[]){GG_STR("[\"a\"]"), GG_STR("[\"b\"]")}, 2), 2);
    assert_string_equal(heard_so_far(&h), " - w11@0 + w11@1 - w12@1[[\"a\"]][[\"b\"]] + w12@2[[\"a\"]][[\"b\"]]");
    assert_int_equal(gg_stream_current(s, "w1"), 2);
    gg_stream_foreign(r, "w1", 2, true);
    assert_int_equal(gg_stream_upto(r), 2);
    gg_stream_foreign(r, "w1", 0, true); /* its writer started again */
    assert_int_equal(gg_stream_upto(r), 0);
    assert_int_equal(gg_stream_position(r, "w1"), 0);
    close_streams(w1);
    close_streams(reader);
    gg_db_free(db);
}

FIBER_TEST(instance_numbers)
{
    struct gg_db *db = fresh_db();
    struct gg_error err = GG_ERROR_INIT;
    int32_t a = 0, b = 0, again = 0;
    struct gg_streams *w1 = load_streams(db, "w1");
    assert_ok(gg_streams_instance(w1, "w1", &a, &err), err);
    assert_ok(gg_streams_instance(w1, "w2", &b, &err), err);
    assert_int_equal(a, 1);
    assert_int_equal(b, 2);
    close_streams(w1);
    w1 = load_streams(db, "w2");
    assert_ok(gg_streams_instance(w1, "w2", &again, &err), err);
    assert_int_equal(again, 2);
    close_streams(w1);
    gg_db_free(db);
}

/* ---- two writers and a reader, with a wire between them ---- */

struct node {
    struct gg_streams *streams;
    struct gg_stream *s;
    const char *name;
    struct gg_db *db;
    int64_t sent;
    struct node *peers[2];
    int failed;
};

/* What the announcer will do: after each poke, our position to everybody. */
static void announce(void *self)
{
    struct node *node = self;
    int64_t token = gg_stream_current(node->s, node->name);
    if (!gg_stream_is_writer(node->s) || token == node->sent)
        return;
    node->sent = token;
    for (size_t i = 0; i < 2; i++)
        gg_stream_foreign(node->peers[i]->s, node->name, token, false);
}

static void writer_main(void *arg)
{
    static const struct gg_stmt visible = {
        "SELECT count(*) FROM (SELECT generate_series(2, $1::text::bigint) EXCEPT SELECT stream_id FROM things) t", 0};
    struct node *node = arg;
    for (int i = 0; i < 30; i++) {
        struct gg_error err = GG_ERROR_INIT;
        struct put p = {.stream = node->s, .n = 1 + (size_t)i % 3};
        if (gg_db_txn(node->db, "put", GG_TXN_READ_COMMITTED, put_body, &p, &err))
            node->failed++;
        if (i % 4 == 0)
            gg_sleep(3);
        gg_stream_finish(node->s, p.ids, p.n);
        char text[30];
        snprintf(text, sizeof(text), "%lld", (long long)gg_stream_upto(node->s));
        if (number(node->db, &visible, text) != 0) /* all up to `upto` is in the table */
            node->failed++;
    }
}

FIBER_TEST(two_writers_at_work)
{
    static const struct gg_stmt top = {"SELECT max(stream_id) FROM things WHERE $1::text <> ''", 0};
    struct gg_db *db = fresh_db();
    struct node nodes[3] = {{.name = "w1"}, {.name = "w2"}, {.name = "reader"}};
    for (size_t i = 0; i < 3; i++) {
        nodes[i].db = db;
        nodes[i].streams = load_streams(db, nodes[i].name);
        nodes[i].s = gg_streams_find(nodes[i].streams, "things");
        nodes[i].peers[0] = &nodes[(i + 1) % 3];
        nodes[i].peers[1] = &nodes[(i + 2) % 3];
        nodes[i].sent = 1;
        gg_streams_on_poke(nodes[i].streams, announce, &nodes[i]);
    }
    struct gg_scope *scope = gg_scope_new(NULL, "writers");
    for (size_t i = 0; i < 20; i++)
        gg_spawn(scope, "writer", writer_main, &nodes[i % 2]);
    assert_int_equal(gg_scope_join(scope, gg_deadline(60000)), 0);
    gg_scope_end(scope);
    int64_t last = number(db, &top, "x");
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(nodes[i].failed, 0);
        assert_int_equal(gg_stream_upto(nodes[i].s), last);
        close_streams(nodes[i].streams);
    }
    /* Whoever wrote last; the other one's row stays where its own last write was. */
    static const struct gg_stmt highest = {"SELECT max(stream_id) FROM stream_positions WHERE $1::text <> ''", 0};
    assert_int_equal(number(db, &highest, "x"), last);
    gg_db_free(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_database),   cmocka_unit_test(test_loads_what_was_left),
        cmocka_unit_test(test_done_above_a_hole),
        cmocka_unit_test(test_checks_at_start),  cmocka_unit_test(test_ids_and_positions),
        cmocka_unit_test(test_a_sequence_that_went_back),
        cmocka_unit_test(test_followers),        cmocka_unit_test(test_waiting),
        cmocka_unit_test(test_in_memory),        cmocka_unit_test(test_instance_numbers),
        cmocka_unit_test(test_two_writers_at_work),
    };
    return cmocka_run_group_tests(tests, database_up, database_down);
}
