/* Heads and caches follow what other processes announce; caches stay within their bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ganglion/matrix/cache.h>

#include "heads/heads.h"
#include "rooms.h"

static int64_t token;

/* Rows of one token, as another process announces them. */
static void announce(struct gg_stream *stream, const char *const *rows, size_t n)
{
    struct gg_row list[8];
    char sql[100];
    snprintf(sql, sizeof(sql), "SELECT nextval('%s')", gg_stream_def(stream)->sequence);
    token = world_number(sql);
    for (size_t i = 0; i < n; i++)
        list[i] = (struct gg_row){"w2", token, gg_str(rows[i])};
    gg_stream_take(stream, "w2", token, list, n);
}
#define ANNOUNCE(stream_, ...)                                                                                         \
    announce((stream_), (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static const struct mx_head *head_of(struct test_room *room)
{
    struct gg_error err = GG_ERROR_INIT;
    const struct mx_head *head;
    if (mx_heads_get(world.server, room->id, room->arena, &head, &err))
        fail_msg("%s", err.message);
    return head;
}

WORLD_TEST(state_of_others_is_followed)
{
    struct gg_arena *arena = gg_arena_new();
    struct test_room room;
    world_start(NULL);
    room_make(&room, arena, "follow");
    const struct mx_head *before = head_of(&room);
    ANNOUNCE(world.server->events,
             "[\"ev\", [\"$j\", \"!follow:test.local\", \"m.room.member\", \"@bob:test.local\", null, null, \"join\", "
             "false, false]]",
             "[\"state\", [\"!follow:test.local\", \"m.room.member\", \"@bob:test.local\", \"$j\"]]");
    const struct mx_head *head = head_of(&room);
    assert_ptr_not_equal(before, head);
    assert_null(mx_state_get(before->state, GG_STR("m.room.member"), BOB).s); /* a snapshot stays what it was */
    assert_true(gg_str_is(mx_state_get(head->state, GG_STR("m.room.member"), BOB), "$j"));
    assert_int_equal(head->n_joined, 2);
    assert_int_equal(head->position, token);
    ANNOUNCE(world.server->events, "[\"state\",[\"!follow:test.local\",\"m.room.member\",\"@bob:test.local\",null]]");
    assert_null(mx_state_get(head_of(&room)->state, GG_STR("m.room.member"), BOB).s);
    assert_int_equal(head_of(&room)->n_joined, 1);
    ANNOUNCE(world.server->events, "[\"state-all\",[\"!follow:test.local\"]]");
    assert_null(mx_heads_cached(world.server, room.id));
    ANNOUNCE(world.server->events, "[\"nonsense\"]", "17", "[\"ev\",[\"$x\"]]"); /* is dropped */
    world_stop();
    gg_arena_free(arena);
}

WORLD_TEST(extremities_of_others)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    struct test_room room;
    const struct mx_head *head;
    char row[300];
    world_start(NULL);
    room_make(&room, arena, "ends");
    (void)head_of(&room);
    /* An event that we made and somebody else persists: we know what it does. */
    struct mx_event *mine = room_build(&room, &(struct test_event){.type = GG_STR("m.room.message")});
    mx_heads_expect(world.server, mine, room.group);
    snprintf(row, sizeof(row), "[\"ev\",[\"%.*s\",\"%s\",\"m.room.message\",null,null,null,null,false,false]]",
             GG_FMT(mine->event_id), room.id.s);
    ANNOUNCE(world.server->events, row);
    head = head_of(&room);
    assert_int_equal(head->n_extremities, 1);
    assert_true(gg_str_eq(head->extremities[0], mine->event_id));
    assert_int_equal(head->max_depth, mine->depth);
    assert_int_equal(head->group, room.group);
    /* One that nobody told us about: asked of the database. */
    ANNOUNCE(world.server->events,
             "[\"ev\",[\"$who\",\"!ends:test.local\",\"m.room.message\",null,null,null,null,false,false]]");
    assert_int_equal(head_of(&room)->n_extremities, 0);
    assert_int_equal(mx_heads_extremities(world.server, room.id, arena, &head, &err), 0);
    assert_int_equal(head->n_extremities, 1);
    assert_true(gg_str_eq(head->extremities[0], room.last));
    /* Rejected ones and outliers change nothing. */
    ANNOUNCE(world.server->events,
             "[\"ev\",[\"$no\",\"!ends:test.local\",\"m.room.message\",null,null,null,null,true,false]]",
             "[\"ev\",[\"$out\",\"!ends:test.local\",\"m.room.message\",null,null,null,null,false,true]]");
    assert_int_equal(head_of(&room)->n_extremities, 1);
    mx_event_unref(mine);
    world_stop();
    gg_arena_free(arena);
}

WORLD_TEST(events_of_others_are_followed)
{
    struct gg_arena *arena = gg_arena_new();
    struct test_room room;
    char row[400];
    world_start(NULL);
    room_make(&room, arena, "cached");
    struct mx_event *made = room_build(&room, &(struct test_event){.type = GG_STR("m.room.message")});
    mx_store_keep(world.server, made);
    snprintf(row, sizeof(row), "[\"ev\",[\"%.*s\",\"%s\",\"m.room.message\",null,null,null,null,false,false]]",
             GG_FMT(made->event_id), room.id.s);
    ANNOUNCE(world.server->events, row);
    const struct mx_event *held = mx_store_cached(world.server, made->event_id);
    assert_non_null(held);
    assert_int_equal(held->meta.stream_ordering, token);
    assert_true(gg_str_is(held->meta.instance, "w2"));
    snprintf(row, sizeof(row),
             "[\"ev\",[\"$redaction\",\"%s\",\"m.room.redaction\",null,\"%.*s\",null,null,false,false]]", room.id.s,
             GG_FMT(made->event_id));
    ANNOUNCE(world.server->events, row);
    assert_null(mx_store_cached(world.server, made->event_id));
    mx_event_unref(made);
    world_stop();
    gg_arena_free(arena);
}

/* ---- caches ---- */

static char *text_of(const char *s)
{
    return strdup(s);
}

static size_t forgotten;

static void count_forgotten(void *self, const struct gg_str *keys, size_t n)
{
    forgotten += keys ? n : 100;
}

WORLD_TEST(caches_obey)
{
    world_start(NULL);
    struct mx_cache *cache = mx_cache_new(world.server, &(struct mx_cache_def){"get_device", 4096, NULL});
    mx_caches_on(world.server, "cs_cache_fake", count_forgotten, NULL);
    assert_true(mx_cache_put(cache,
                             GG_STR("@a:s\x1f"
                                    "D1"),
                             text_of("1"), 2, mx_cache_tick(cache)));
    assert_true(mx_cache_put(cache,
                             GG_STR("@a:s\x1f"
                                    "D2"),
                             text_of("2"), 2, mx_cache_tick(cache)));
    assert_true(mx_cache_put(cache,
                             GG_STR("@ab:s\x1f"
                                    "D2"),
                             text_of("3"), 2, mx_cache_tick(cache)));
    ANNOUNCE(world.server->caches_stream, "[\"get_device\",[\"@a:s\",\"D1\"],1]");
    assert_null(mx_cache_get(cache, GG_STR("@a:s\x1f"
                                           "D1")));
    assert_string_equal(mx_cache_get(cache, GG_STR("@a:s\x1f"
                                                   "D2")),
                        "2");
    ANNOUNCE(world.server->caches_stream, "[\"get_device\", [\"@a:s\"], 1]", "[\"unheard_of\",[],1]", "[5]");
    assert_null(mx_cache_get(cache, GG_STR("@a:s\x1f"
                                           "D2")));
    assert_int_equal(mx_cache_count(cache), 1);
    ANNOUNCE(world.server->caches_stream, "[\"get_device\",null,1]");
    assert_int_equal(mx_cache_count(cache), 0);
    /* What was read before a drop is not kept after it. */
    uint64_t tick = mx_cache_tick(cache);
    mx_cache_drop(cache, GG_STR("@z:s"));
    assert_false(mx_cache_put(cache, GG_STR("@z:s"), text_of("old"), 4, tick));
    ANNOUNCE(world.server->caches_stream, "[\"cs_cache_fake\",[\"!r:s\",\"@a:s\",\"@b:s\"],1]");
    assert_int_equal(forgotten, 3);
    for (int i = 0; i < 1000; i++) {
        char key[16];
        snprintf(key, sizeof(key), "k%d", i);
        mx_cache_put(cache, gg_str(key), text_of("v"), 2, mx_cache_tick(cache));
        assert_true(mx_cache_bytes(cache) <= 4096 / 2); /* half: the global factor */
    }
    assert_non_null(mx_cache_get(cache, GG_STR("k999")));
    assert_null(mx_cache_get(cache, GG_STR("k1")));
    world_stop();
}

struct writing {
    struct mx_forget forget;
    struct gg_arena *arena;
    int tries;
};

static int write_rows(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct writing *w = arg;
    struct gg_str keys[2] = {GG_STR("@q\"uote\\d:s"), GG_STR("D")};
    static const struct gg_stmt fail_once = {"SELECT pg_notify('x', 'y')", GG_LANE_POINT};
    mx_forget_again(&w->forget);
    mx_forget_add(&w->forget, "get_device", keys, 2);
    mx_forget_add(&w->forget, "get_device", keys, 2); /* the same: once */
    mx_forget_add(&w->forget, "ignored_by", NULL, 0);
    mx_forget_add(&w->forget, "get_monthly_active_count", keys, 0);
    w->tries++;
    int status = mx_forget_write(&w->forget, txn, err);
    if (!status)
        status = gg_txn_exec(txn, &fail_once, GG_NO_PARAMS, w->arena, NULL, err);
    return status;
}

WORLD_TEST(invalidations_are_written_and_applied)
{
    struct gg_error err = GG_ERROR_INIT;
    struct writing w = {.arena = gg_arena_new()};
    world_start(NULL);
    struct mx_cache *cache = mx_cache_new(world.server, &(struct mx_cache_def){"get_device", 4096, NULL});
    mx_cache_put(cache,
                 GG_STR("@q\"uote\\d:s\x1f"
                        "D"),
                 text_of("1"), 2, mx_cache_tick(cache));
    mx_forget_begin(&w.forget, world.server, w.arena);
    int status = gg_db_txn(world.server->db, "test", 0, write_rows, &w, &err);
    assert_int_equal(status, 0);
    assert_non_null(mx_cache_get(cache, GG_STR("@q\"uote\\d:s\x1f"
                                               "D"))); /* not before it is announced */
    mx_forget_end(&w.forget, gg_maybe_committed(status));
    assert_null(mx_cache_get(cache, GG_STR("@q\"uote\\d:s\x1f"
                                           "D")));
    assert_int_equal(
        world_number("SELECT count(*) FROM cache_invalidation_stream_by_instance WHERE instance_name = 'master'"
                     " AND ((cache_func = 'get_device' AND keys = ARRAY['@q\"uote\\d:s', 'D'])"
                     " OR (cache_func = 'ignored_by' AND keys IS NULL)"
                     " OR (cache_func = 'get_monthly_active_count' AND keys = '{}'))"),
        3);
    assert_int_equal(world_number("SELECT count(*) FROM cache_invalidation_stream_by_instance WHERE cache_func IN"
                                  " ('get_device', 'ignored_by', 'get_monthly_active_count')"),
                     3);
    world_stop();
    gg_arena_free(w.arena);
}

/* What fetch reads is what was announced: rows built once equal rows read back. */
struct heard {
    struct gg_arena *arena;
    struct gg_str rows[64];
    int64_t tokens[64];
    size_t n;
};

static void hear(void *self, struct gg_stream *stream, const char *instance, int64_t at, const struct gg_row *rows,
                 size_t n, bool moved)
{
    struct heard *h = self;
    for (size_t i = 0; i < n && !moved && h->n < 64; i++) {
        h->tokens[h->n] = at;
        h->rows[h->n++] = gg_arena_str(h->arena, rows[i].row);
    }
}

static struct gg_str compact(struct gg_arena *arena, struct gg_str row)
{
    struct gg_error err = GG_ERROR_INIT;
    struct gg_buf out = GG_BUF_INIT;
    struct mx_json *tree;
    assert_int_equal(mx_json_parse(row, 100, arena, &tree, &err), 0);
    mx_json_canonical(&out, tree);
    struct gg_str text = gg_arena_str(arena, gg_buf_view(&out));
    gg_buf_done(&out);
    return text;
}

WORLD_TEST(rows_are_read_back_as_announced)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    struct heard heard = {.arena = arena};
    struct gg_fetched *rows;
    struct test_room room;
    size_t n;
    int64_t reached;
    world_start(NULL);
    int64_t from = gg_stream_upto(world.server->events);
    gg_stream_follow(world.server->events, hear, &heard);
    room_make(&room, arena, "rows");
    struct gg_str said = room_say(&room, "x");
    room_send(&room, &(struct test_event){
                         .type = GG_STR("m.reaction"),
                         .content = gg_str(gg_arena_printf(arena,
                                                           "{\"m.relates_to\":{\"rel_type\":"
                                                           "\"m.annotation\",\"event_id\":\"%.*s\",\"key\":\"k\"}}",
                                                           GG_FMT(said)))});
    room_send(&room, &(struct test_event){.type = GG_STR("m.room.redaction"), .redacts = said});
    room_member(&room, ALICE, BOB, "invite");
    int64_t to = gg_stream_upto(world.server->events);
    assert_int_equal(
        gg_stream_def(world.server->events)
            ->fetch(world.server, world.server->events, "master", from, to, 100, arena, &rows, &n, &reached, &err),
        0);
    assert_int_equal(reached, to);
    assert_int_equal(n, heard.n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(rows[i].token, heard.tokens[i]);
        struct gg_str read = compact(arena, rows[i].row), said_row = compact(arena, heard.rows[i]);
        if (!gg_str_eq(read, said_row))
            fail_msg("read %.*s, announced %.*s", GG_FMT(read), GG_FMT(said_row));
    }
    /* In small pieces the same rows come. */
    size_t total = 0;
    for (int64_t at = from; at < to; at = reached) {
        assert_int_equal(
            gg_stream_def(world.server->events)
                ->fetch(world.server, world.server->events, "master", at, to, 2, arena, &rows, &n, &reached, &err),
            0);
        assert_true(reached > at);
        total += n;
    }
    assert_int_equal(total, heard.n);
    world_stop();
    gg_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_state_of_others_is_followed),
        cmocka_unit_test(test_extremities_of_others),
        cmocka_unit_test(test_events_of_others_are_followed),
        cmocka_unit_test(test_caches_obey),
        cmocka_unit_test(test_invalidations_are_written_and_applied),
        cmocka_unit_test(test_rows_are_read_back_as_announced),
    };
    return cmocka_run_group_tests(tests, world_up, world_down);
}
