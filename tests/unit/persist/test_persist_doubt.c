/* The connection is lost while COMMIT is on its way: what was committed is acknowledged, what was not is written again,
 * and nothing is there twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../db/pg_proxy.h"
#include "rooms.h"

static struct pg_proxy proxy;

static void say_and_count(struct test_room *room, const char *text)
{
    struct gg_error err = GG_ERROR_INIT;
    int64_t stream;
    int64_t before = world_number("SELECT count(*) FROM events");
    if (room_try(room, &(struct test_event){.type = GG_STR("m.room.message")}, NULL, &stream, &err))
        fail_msg("%s: %s", text, err.message);
    assert_int_equal(world_number("SELECT count(*) FROM events"), before + 1);
    assert_int_equal(world_number("SELECT max(stream_ordering) FROM events"), stream);
    assert_true(gg_stream_position(world.server->events, "master") >= stream);
}

WORLD_TEST(a_commit_whose_answer_is_lost_counts)
{
    struct gg_arena *arena = gg_arena_new();
    struct test_room room;
    world_start(NULL);
    room_make(&room, arena, "lost");
    world_stop();
    proxy_start(&proxy, world.conninfo);
    world.through = proxy.port;
    world_start(NULL);
    /* The proxy knows COMMIT by its text, which travels once for each connection: a new one is needed. */
    world_do("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test' AND datname = current_database()");
    gg_sleep(50);
    proxy.mode = PROXY_CUT_COMMIT;
    say_and_count(&room, "in doubt");
    assert_int_equal(proxy.cuts, 1);
    say_and_count(&room, "after it");
    assert_int_equal(world_number("SELECT count(*) FROM event_forward_extremities WHERE room_id = '!lost:test.local'"),
                     1);
    world_stop();
    world.through = 0;
    proxy_stop(&proxy);
    gg_arena_free(arena);
}

/* The server itself dies at COMMIT, once. */
WORLD_TEST(a_commit_that_failed_is_done_again)
{
    struct gg_arena *arena = gg_arena_new();
    struct test_room room;
    world_start(NULL);
    room_make(&room, arena, "died");
    world_do("CREATE SEQUENCE dies; CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
             " IF nextval('dies') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(5); END IF;"
             " RETURN NULL; END $$;"
             "CREATE CONSTRAINT TRIGGER die AFTER INSERT ON events DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
             " EXECUTE FUNCTION die()");
    say_and_count(&room, "dies once");
    assert_int_equal(world_number("SELECT last_value FROM dies"), 2);
    world_do("DROP TRIGGER die ON events");
    say_and_count(&room, "after it");
    world_stop();
    gg_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_commit_whose_answer_is_lost_counts),
        cmocka_unit_test(test_a_commit_that_failed_is_done_again),
    };
    return cmocka_run_group_tests(tests, world_up, world_down);
}
