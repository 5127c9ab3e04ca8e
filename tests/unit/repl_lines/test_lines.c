/* Two processes tell each other what they write, over a real Redis: rows, batches, gaps, losses, restarts, strangers.
 */
#include "two_hosts.h"

#include "../db/pg_proxy.h"

#include <time.h>

/* ---- the line itself ---- */

static void test_parse(void **state)
{
    struct gg_line line;
    assert_true(gg_line_parse(GG_STR("RDATA events w1 12 [\"a b\",1]"), &line));
    assert_int_equal(line.kind, GG_LINE_RDATA);
    assert_true(gg_str_is(line.stream, "events") && gg_str_is(line.instance, "w1") &&
                gg_str_is(line.row, "[\"a b\",1]"));
    assert_true(line.token == 12 && !line.batch);
    assert_true(gg_line_parse(GG_STR("RDATA events w1 batch []"), &line) && line.batch);
    assert_true(gg_line_parse(GG_STR("POSITION events w1 11 9223372036854775807"), &line));
    assert_true(line.kind == GG_LINE_POSITION && line.prev == 11 && line.token == INT64_MAX);
    assert_true(gg_line_parse(GG_STR("REPLICATE"), &line) && gg_str_is(line.name, "REPLICATE") && line.rest.n == 0);
    assert_true(gg_line_parse(GG_STR("REPLICATE "), &line) && gg_str_is(line.name, "REPLICATE") && line.rest.n == 0);
    assert_true(gg_line_parse(GG_STR("USER_SYNC a b c"), &line) && line.kind == GG_LINE_COMMAND &&
                gg_str_is(line.rest, "a b c"));
    static const char *const bad[] = {"",
                                      " ",
                                      " x",
                                      "RDATA",
                                      "RDATA ",
                                      "RDATA events",
                                      "RDATA events w1",
                                      "RDATA events w1 3",
                                      "RDATA events w1 3 ",
                                      "RDATA events w1 x []",
                                      "RDATA  w1 3 []",
                                      "RDATA events  3 []",
                                      "POSITION events w1 1",
                                      "POSITION events w1 1 x",
                                      "POSITION events w1 1 2 3",
                                      "POSITION events w1 -1 2",
                                      "POSITION events w1 1 9223372036854775808",
                                      "POSITION events w1 1 99999999999999999999",
                                      "POSITION events w1  2"};
    for (size_t i = 0; i < GG_COUNT(bad); i++)
        if (gg_line_parse(gg_str(bad[i]), &line))
            fail_msg("accepted: %s", bad[i]);
    assert_false(gg_line_parse(gg_strn("POSITION a\0b w1 1 2", 19), &line));
}

/* ---- talking ---- */

FIBER_TEST(rows)
{
    start_both();
    int64_t first = write_row(&main_proc, main_proc.things, "\"one\"", true);
    int64_t second = write_row(&w1_proc, w1_proc.things, "\"two\"", false); /* must be read to be announced */
    wait_heard(&w1_proc.things_heard, "master %lld \"one\"", first);
    wait_heard(&main_proc.things_heard, "w1 %lld \"two\"", second);
    /* Both announce that they have nothing below the other's id: so the minimum moves for all. */
    wait_until(gg_stream_upto(main_proc.things) == second && gg_stream_upto(w1_proc.things) == second);
    int64_t mood = feel(&w1_proc, "\"glad\"");
    wait_heard(&main_proc.moods_heard, "w1 %lld \"glad\"", mood);
    int64_t mine = write_row(&main_proc, main_proc.shared, "\"drop\"", true);
    wait_heard(&w1_proc.shared_heard, "master %lld \"drop\"", mine);
    stop_both();
}

FIBER_TEST(what_is_on_the_wire)
{
    struct spy spy;
    const char *channels[2] = {"elsewhere", channel};
    start_both();
    spy_open(&spy, channels, 2);
    int64_t things = write_row(&main_proc, main_proc.things, "[\"a\",null]", true);
    int64_t shared = write_row(&w1_proc, w1_proc.shared, "[]", true);
    feel(&w1_proc, "\"dark\"");
    char line[200];
    snprintf(line, sizeof(line), "RDATA things master %lld [\"a\",null]", (long long)things);
    wait_until(heard_line(&spy.lines, line));
    snprintf(line, sizeof(line), "POSITION things w1 1 %lld", (long long)things);
    wait_until(heard_line(&spy.lines, line)); /* says so although it wrote nothing */
    snprintf(line, sizeof(line), "RDATA shared w1 %lld []", (long long)shared);
    wait_until(heard_line(&spy.lines, line));
    wait_until(heard_line(&spy.lines, "RDATA moods w1 1 \"dark\""));
    forget_heard(&spy.lines);
    say(&spy, "REPLICATE "); /* all say where they stand; nobody says it of a stream that Synapse cannot know, or of a
                                quiet one */
    wait_until(count_starting(&spy.lines, "POSITION ") == 7);
    assert_int_equal(gg_sleep(100), 0);
    assert_int_equal(count_starting(&spy.lines, "POSITION "), 7);
    assert_int_equal(count_starting(&spy.lines, "POSITION things master"), 1);
    assert_int_equal(count_starting(&spy.lines, "POSITION moods w1 1 1"), 1);
    assert_int_equal(count_starting(&spy.lines, "POSITION moods master"), 0);
    assert_int_equal(count_starting(&spy.lines, "POSITION com.example"), 0);
    assert_int_equal(count_starting(&spy.lines, "RDATA com.example"), 0);
    assert_int_equal(count_starting(&spy.lines, "POSITION hushed"), 0);
    assert_string_equal(spy.lines.line[1] + strlen("POSITION shared"),
                        strchr(spy.lines.line[1] + 9, ' ')); /* before all others */
    spy_close(&spy);
    stop_both();
}

FIBER_TEST(own_streams_have_their_own_channel)
{
    struct spy spy;
    char own[100];
    start_both();
    snprintf(own, sizeof(own), "%s/ganglion", channel);
    const char *channels[1] = {own};
    spy_open(&spy, channels, 1);
    snprintf(w1_proc.mood[0].text, sizeof(w1_proc.mood[0].text), "\"ours\"");
    w1_proc.mood[0].token = 1;
    w1_proc.n_moods = 1;
    gg_stream_advance(w1_proc.secret, NULL, 0);
    wait_heard(&main_proc.secret_heard, "w1 %lld \"ours\"", 1);
    wait_until(heard_line(&spy.lines, "RDATA com.example.secret w1 1 \"ours\""));
    assert_int_equal(count_starting(&spy.lines, "RDATA com.example.secret"), spy.lines.n);
    spy_close(&spy);
    stop_both();
}

/* ---- batches ---- */

FIBER_TEST(batches)
{
    struct spy spy;
    const char *channels[1] = {channel};
    start_both();
    spy_open(&spy, channels, 1);
    struct gg_error err = GG_ERROR_INIT;
    int64_t id;
    assert_ok(gg_stream_allocate(main_proc.things, NULL, 1, &id, &err), err);
    struct gg_fetched rows[3] = {{id, GG_STR("1")}, {id, GG_STR("2")}, {id, GG_STR("3")}};
    gg_stream_finish_rows(main_proc.things, &id, 1, rows, 3);
    wait_heard(&w1_proc.things_heard, "master %lld 3", id);
    assert_int_equal(w1_proc.things_heard.n, 3);
    assert_int_equal(count_starting(&spy.lines, "RDATA things master batch "), 2);
    /* Two strangers' batches interleave: each keeps its own rows. */
    say(&spy, "POSITION things x 1 1");
    say(&spy, "POSITION things y 1 1");
    say(&spy, "RDATA things x batch \"x1\"");
    say(&spy, "RDATA things y batch \"y1\"");
    say(&spy, "RDATA things x 1000 \"x2\"");
    say(&spy, "RDATA things y 1001 \"y2\"");
    wait_heard(&main_proc.things_heard, "y %lld \"y2\"", 1001);
    assert_true(heard_line(&main_proc.things_heard, "x 1000 \"x1\"") &&
                heard_line(&main_proc.things_heard, "x 1000 \"x2\""));
    assert_true(heard_line(&main_proc.things_heard, "y 1001 \"y1\""));
    spy_close(&spy);
    stop_both();
}

/* ---- what was missed ---- */

FIBER_TEST(gaps)
{
    struct spy spy;
    const char *channels[1] = {channel};
    start_both();
    spy_open(&spy, channels, 1);
    /* Rows of somebody else of whom no line came; 250 of them, more than one read gives. */
    side_run("INSERT INTO things SELECT i, 'x', '\"' || i || '\"' FROM generate_series(100, 349) AS i");
    say(&spy, "POSITION things x 349 349");
    wait_heard(&main_proc.things_heard, "x %lld \"349\"", 349);
    wait_heard(&w1_proc.things_heard, "x %lld \"349\"", 349);
    assert_int_equal(w1_proc.things_heard.n, 250);
    assert_string_equal(w1_proc.things_heard.line[0], "x 100 \"100\"");
    assert_int_equal(gg_stream_position(w1_proc.things, "x"), 349);
    /* A row of somebody who never said where it stands: what is below it is read. */
    side_run("INSERT INTO things VALUES (401, 'y', '\"a\"'), (402, 'y', '\"b\"')");
    say(&spy, "RDATA things y 402 \"b\"");
    wait_heard(&w1_proc.things_heard, "y %lld \"b\"", 402);
    assert_true(heard_line(&w1_proc.things_heard, "y 401 \"a\""));
    /* While rows are read, lines wait their turn, and those that are old news by then are dropped. */
    side_run("INSERT INTO things SELECT i, 'x', '\"' || i || '\"' FROM generate_series(500, 699) AS i");
    say(&spy, "POSITION things x 690 690");
    say(&spy, "RDATA things x 691 \"691\"");
    say(&spy, "RDATA things x 650 \"old\"");
    say(&spy, "RDATA things x 700 \"700\"");
    wait_heard(&w1_proc.things_heard, "x %lld \"700\"", 700);
    assert_int_equal(w1_proc.things_heard.n, 250 + 2 + 191 + 2 - 0);
    assert_false(heard_line(&w1_proc.things_heard, "x 650 \"old\""));
    spy_close(&spy);
    stop_both();
}

FIBER_TEST(late_reader_of_memory)
{
    make_tables();
    make(&w1_proc);
    start(&w1_proc);
    feel(&w1_proc, "\"early\"");
    feel(&w1_proc, "\"later\"");
    make(&main_proc);
    start(&main_proc); /* asks w1 over HTTP */
    wait_heard(&main_proc.moods_heard, "w1 %lld \"later\"", 2);
    assert_true(heard_line(&main_proc.moods_heard, "w1 1 \"early\""));
    /* w1 restarts: its memory begins anew, and its token goes back. */
    stop(&w1_proc);
    make(&w1_proc);
    start(&w1_proc);
    wait_until(gg_stream_position(main_proc.moods, "w1") == 0);
    feel(&w1_proc, "\"new\"");
    wait_heard(&main_proc.moods_heard, "w1 %lld \"new\"", 1);
    stop_both();
}

/* ---- Redis goes away ---- */

FIBER_TEST(redis_away)
{
    struct pg_proxy proxy;
    char where[100];
    snprintf(where, sizeof(where), "host=%s port=%d", redis_host, redis_port_number);
    proxy_start(&proxy, where);
    make_tables();
    main_proc.redis_port = proxy.port;
    make(&main_proc);
    make(&w1_proc);
    start(&main_proc);
    start(&w1_proc);
    int64_t id = write_row(&w1_proc, w1_proc.things, "\"before\"", true);
    wait_heard(&main_proc.things_heard, "w1 %lld \"before\"", id);
    proxy.mode = PROXY_DOWN;
    wait_until(!gg_repl_connected(main_proc.host));
    assert_true(gg_repl_connected(w1_proc.host));
    int64_t there = write_row(&w1_proc, w1_proc.things, "\"there\"", true),
            here = write_row(&main_proc, main_proc.things, "\"here\"", true);
    feel(&w1_proc, "\"alone\"");
    assert_int_equal(gg_sleep(50), 0);
    assert_false(heard_line(&w1_proc.things_heard, "master 4 \"here\""));
    proxy.mode = PROXY_UP;
    wait_heard(&main_proc.things_heard, "w1 %lld \"there\"", there);
    wait_heard(&w1_proc.things_heard, "master %lld \"here\"", here);
    wait_heard(&main_proc.moods_heard, "w1 %lld \"alone\"", 1);
    assert_true(gg_repl_connected(main_proc.host));
    stop_both();
    proxy_stop(&proxy);
}

/* A process starts, though Redis is not there, and joins when it is. */
FIBER_TEST(start_without_redis)
{
    struct pg_proxy proxy;
    char where[100];
    snprintf(where, sizeof(where), "host=%s port=%d", redis_host, redis_port_number);
    proxy_start(&proxy, where);
    proxy.mode = PROXY_DOWN;
    make_tables();
    main_proc.redis_port = proxy.port;
    make(&main_proc);
    make(&w1_proc);
    start(&w1_proc);
    start(&main_proc);
    assert_false(gg_repl_connected(main_proc.host));
    int64_t id = write_row(&w1_proc, w1_proc.things, "\"x\"", true);
    struct gg_buf ready = GG_BUF_INIT;
    assert_false(gg_host_ready(main_proc.host, &ready));
    assert_non_null(strstr(ready.data, "\"redis\":false"));
    gg_buf_done(&ready);
    proxy.mode = PROXY_UP;
    wait_heard(&main_proc.things_heard, "w1 %lld \"x\"", id);
    stop_both();
    proxy_stop(&proxy);
}

/* ---- names ---- */

FIBER_TEST(same_name_twice)
{
    struct gg_error err = GG_ERROR_INIT;
    static struct proc twin = {.name = "w1"}; /* too large for a stack */
    twin.redis_port = redis_port_number;
    start_both();
    make(&twin);
    assert_int_equal(start_lines(&twin, &err), GG_E_CONFLICT);
    assert_non_null(strstr(err.message, "w1 is running already"));
    stop(&twin);
    assert_true(gg_repl_connected(w1_proc.host));
    stop_both();
}

/* ---- strangers and nonsense ---- */

struct said {
    size_t n;
    char last[200];
};

static void on_command(void *self, const char *command, struct gg_str rest)
{
    struct said *said = self;
    said->n++;
    snprintf(said->last, sizeof(said->last), "%s|%.*s", command, GG_FMT(rest));
}

FIBER_TEST(commands_and_nonsense)
{
    struct spy spy;
    char ip_channel[100];
    struct said sync = {0}, ip = {0}, own = {0};
    make_tables();
    make(&main_proc);
    make(&w1_proc);
    gg_repl_on_command(main_proc.host, "USER_SYNC", on_command, &sync);
    gg_repl_on_command(main_proc.host, "USER_IP", on_command, &ip);
    gg_repl_on_command(w1_proc.host, "com.example.poke", on_command, &own);
    start(&main_proc);
    start(&w1_proc);
    snprintf(ip_channel, sizeof(ip_channel), "%s/USER_IP", channel);
    const char *channels[2] = {ip_channel, channel};
    spy_open(&spy, channels, 2);
    static const char *const nonsense[] = {"",
                                           " ",
                                           "RDATA",
                                           "RDATA things",
                                           "RDATA things w1 batch",
                                           "POSITION things w1 x y",
                                           "POSITION nobody w1 1 2",
                                           "RDATA nobody w1 3 []",
                                           "HELLO",
                                           "RDATA things z 5 [",
                                           "POSITION things w1 18446744073709551616 3",
                                           "\xff\xfe",
                                           "SERVER x"};
    for (size_t i = 0; i < GG_COUNT(nonsense); i++)
        say(&spy, nonsense[i]);
    gg_repl_send(w1_proc.host, "USER_SYNC", GG_STR("abcde @u:x DEV start 17"));
    gg_repl_send(w1_proc.host, "USER_IP", GG_STR("@u:x [\"t\",\"127.0.0.1\"]"));
    gg_repl_send(main_proc.host, "com.example.poke", GG_STR("1"));
    gg_repl_send(main_proc.host, "USER_SYNC", GG_STR("two\nlines")); /* never sent */
    wait_until(sync.n == 1 && ip.n == 1 && own.n == 1);
    assert_string_equal(sync.last, "USER_SYNC|abcde @u:x DEV start 17");
    assert_string_equal(ip.last, "USER_IP|@u:x [\"t\",\"127.0.0.1\"]");
    assert_int_equal(count_starting(&spy.lines, "com.example"), 0);
    int64_t id = write_row(&w1_proc, w1_proc.things, "\"still\"", true);
    wait_heard(&main_proc.things_heard, "w1 %lld \"still\"", id);
    spy_close(&spy);
    stop_both();
}

/* What is said as a process stops still arrives. */
FIBER_TEST(last_words)
{
    struct said said = {0};
    make_tables();
    make(&main_proc);
    make(&w1_proc);
    gg_repl_on_command(main_proc.host, "CLEAR_USER_SYNC", on_command, &said);
    start(&main_proc);
    start(&w1_proc);
    int64_t id = write_row(&w1_proc, w1_proc.things, "\"bye\"", true);
    gg_repl_send(w1_proc.host, "CLEAR_USER_SYNC", GG_STR("abcde"));
    stop(&w1_proc);
    wait_heard(&main_proc.things_heard, "w1 %lld \"bye\"", id);
    wait_until(said.n == 1);
    stop(&main_proc);
    gg_db_free(side_db);
}

/* ---- keys ---- */

FIBER_TEST(shared_keys)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_str value;
    start_both();
    gg_repl_cache_set(main_proc.host, "cache_v1:test:1", GG_STR("[\"a\"]"), 60000);
    wait_until(gg_repl_cache_get(w1_proc.host, "cache_v1:test:1", arena, &value));
    assert_true(gg_str_is(value, "[\"a\"]"));
    assert_false(gg_repl_cache_get(w1_proc.host, "cache_v1:test:none", arena, &value));
    gg_arena_free(arena);
    stop_both();
}

/* ---- a line that was lost ---- */

FIBER_TEST(lost_lines_heal)
{
    make_tables();
    make(&main_proc);
    make(&w1_proc);
    gg_lines_of(main_proc.host)->compare_ms = 300;
    start(&main_proc);
    start(&w1_proc);
    wait_until(gg_stream_position(main_proc.things, "w1") >= 1);
    side_run("INSERT INTO things VALUES (70, 'w1', '\"lost\"'); SELECT setval('things_seq', 70);"
             "INSERT INTO stream_positions VALUES ('things_pos', 'w1', 70) ON CONFLICT (stream_name, instance_name)"
             " DO UPDATE SET stream_id = 70;"
             "INSERT INTO shared VALUES (80, 'z', '\"gone\"')");
    wait_heard(&main_proc.things_heard, "w1 %lld \"lost\"", 70);
    wait_heard(&main_proc.shared_heard, "z %lld \"gone\"", 80);
    stop_both();
}

/* Nor does what the database told stand for the lines that were lost: the writer is further than its row of
 * stream_positions, which is written behind, and its next line does not follow on that. */
FIBER_TEST(healed_and_still_behind)
{
    struct spy spy;
    const char *channels[1] = {channel};
    make_tables();
    make(&main_proc);
    gg_lines_of(main_proc.host)->compare_ms = 300;
    start(&main_proc);
    spy_open(&spy, channels, 1);
    side_run("INSERT INTO things VALUES (70, 'w1', '\"told\"'), (71, 'w1', '\"lost\"'), (72, 'w1', '\"next\"');"
             "SELECT setval('things_seq', 72);"
             "INSERT INTO stream_positions VALUES ('things_pos', 'w1', 70) ON CONFLICT (stream_name, instance_name)"
             " DO UPDATE SET stream_id = 70;");
    wait_heard(&main_proc.things_heard, "w1 %lld \"told\"", 70);
    say(&spy, "RDATA things w1 72 \"next\"");
    wait_heard(&main_proc.things_heard, "w1 %lld \"next\"", 72);
    wait_heard(&main_proc.things_heard, "w1 %lld \"lost\"", 71);
    spy_close(&spy);
    stop(&main_proc);
    gg_db_free(side_db);
}

/* Lines are lost while rows are read: that these are all there does not make up for it. */
FIBER_TEST(lost_while_reading)
{
    struct spy spy;
    const char *channels[1] = {channel};
    make_tables();
    make(&main_proc);
    start(&main_proc);
    spy_open(&spy, channels, 1);
    struct gg_lines *lines = gg_lines_of(main_proc.host);
    side_run("INSERT INTO things VALUES (70, 'w1', '\"read\"'), (71, 'w1', '\"lost\"'), (72, 'w1', '\"next\"');");
    say(&spy, "POSITION things w1 60 70");
    struct gg_line_stream *things = NULL;
    for (size_t i = 0; i < lines->n; i++)
        things = lines->all[i].stream == main_proc.things ? &lines->all[i] : things;
    wait_until(things->busy || heard_line(&main_proc.things_heard, "w1 70 \"read\""));
    gg_lines_forget_connections(lines); /* as when the subscription is made anew */
    wait_until(!things->busy);
    say(&spy, "RDATA things w1 72 \"next\"");
    wait_heard(&main_proc.things_heard, "w1 %lld \"next\"", 72);
    assert_true(heard_line(&main_proc.things_heard, "w1 70 \"read\"") && heard_line(&main_proc.things_heard, "w1 71 \"lost\""));
    spy_close(&spy);
    stop(&main_proc);
    gg_db_free(side_db);
}

/* ---- cost ---- */

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Bounds are wide, for slow machines; what was measured is printed. */
FIBER_TEST(cost)
{
    enum { LINES = 20000 };
    struct spy spy;
    char line[200];
    start_both();
    stop(&w1_proc);
    struct gg_line parsed;
    const char *channels[1] = {"elsewhere"};
    spy_open(&spy, channels, 1);
    struct gg_lines *lines = main_proc.host->repl->lines;
    double before = seconds();
    for (int i = 0; i < LINES; i++) {
        snprintf(line, sizeof(line), "RDATA lonely w1 %d [\"$event\",\"!room:example.com\",\"m.room.member\",null]",
                 i + 2);
        assert_true(gg_line_parse(gg_str(line), &parsed));
        gg_lines_read(lines, gg_str(line), &parsed);
    }
    double each = (seconds() - before) / LINES * 1e6;
    print_message("a line of a stream that nobody follows: %.2f us, with its making\n", each);
    assert_true(each < 50);
    /* All rows of a turn leave in one write: nothing yields between them. */
    before = seconds();
    for (int i = 0; i < LINES; i++)
        gg_repl_send(main_proc.host, "USER_SYNC", GG_STR("abcde @somebody:example.com DEVICE start 1795397430921"));
    each = (seconds() - before) / LINES * 1e6;
    print_message("a line queued: %.2f us\n", each);
    assert_true(each < 50);
    spy_close(&spy);
    stop(&main_proc);
    gg_db_free(side_db);
}

int main(void)
{
    const struct CMUnitTest pure[] = {cmocka_unit_test(test_parse)};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_what_is_on_the_wire),
        cmocka_unit_test(test_own_streams_have_their_own_channel),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_late_reader_of_memory),
        cmocka_unit_test(test_redis_away),
        cmocka_unit_test(test_start_without_redis),
        cmocka_unit_test(test_same_name_twice),
        cmocka_unit_test(test_commands_and_nonsense),
        cmocka_unit_test(test_last_words),
        cmocka_unit_test(test_shared_keys),
        cmocka_unit_test(test_lost_lines_heal),
        cmocka_unit_test(test_healed_and_still_behind),
        cmocka_unit_test(test_lost_while_reading),
        cmocka_unit_test(test_cost),
    };
    int failed = cmocka_run_group_tests(pure, NULL, NULL);
    if (!have_redis())
        return failed;
    return failed + cmocka_run_group_tests(tests, database_up, database_down);
}
