/* bench_mx.c: what sync and messages do with events, and what a state change costs in a large room. */
#include <ganglion/matrix/state.h>
#include <stdio.h>
#include <time.h>

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static volatile size_t sink;

#define MEASURE(name_, times_, ...)                                                                                    \
    do {                                                                                                               \
        double start_ = seconds();                                                                                     \
        for (int i_ = 0; i_ < (times_); i_++) {                                                                        \
            __VA_ARGS__;                                                                                               \
        }                                                                                                              \
        printf("%-44s %9.0f ns\n", name_, (seconds() - start_) / (double)(times_)*1e9);                                \
    } while (0)

static struct mx_event *make(const struct mx_signing_key *key)
{
    static const struct gg_str ids[] = {{"$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 44},
                                        {"$bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", 44},
                                        {"$ccccccccccccccccccccccccccccccccccccccccccc", 44}};
    struct mx_event_template t = {.version = mx_room_version_find(GG_STR("11")),
                                  .room_id = GG_STR("!abcdefghijklmnopqr:example.org"),
                                  .type = GG_STR("m.room.message"),
                                  .sender = GG_STR("@somebody:example.org"),
                                  .content = GG_STR("{\"msgtype\":\"m.text\",\"body\":\"A message of usual length, "
                                                    "with a \\\"quotation\\\" and a line\\nbreak.\"}"),
                                  .unsigned_ = GG_STR("{\"age_ts\":1700000000000}"),
                                  .origin_server_ts = 1700000000000,
                                  .depth = 1234,
                                  .prev_events = ids,
                                  .n_prev = 1,
                                  .auth_events = ids,
                                  .n_auth = 3};
    struct gg_error err = GG_ERROR_INIT;
    struct mx_event *e = NULL;
    if (mx_event_build(&t, "example.org", key, &e, &err) != 0)
        printf("%s\n", err.message);
    return e;
}

static void bench_events(struct gg_arena *arena)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_signing_key *keys;
    struct mx_client_format format = {.now_ms = 1700000005000};
    struct gg_buf out = GG_BUF_INIT;
    struct mx_event *e, *other;
    size_t n;
    if (mx_signing_keys_parse(mx_signing_key_generate(arena), arena, &keys, &n, &err) != 0)
        return;
    e = make(keys);
    printf("an event of %zu bytes\n", e->json.n);
    MEASURE("build, hash and sign", 5000, other = make(keys); mx_event_unref(other));
    MEASURE("load from the database", 200000,
            if (mx_event_load(e->json, e->version, e->event_id, GG_STR("{}"), &other, &err) == 0)
                mx_event_unref(other));
    MEASURE("parse with checks and id", 50000,
            if (mx_event_parse(e->json, e->version, gg_strn(NULL, 0), &other, &err) == 0) mx_event_unref(other));
    MEASURE("write for clients", 500000, gg_buf_clear(&out); mx_event_write_client(&out, e, &format));
    MEASURE("check JSON", 500000, sink += (size_t)mx_json_check(e->json, 100, &err));
    MEASURE("find the last top-level member", 1000000, sink += mx_json_get(e->json, "unsigned").n);
    MEASURE("verify the signature", 2000, {
        struct gg_arena *a = gg_arena_new();
        sink += (size_t)mx_event_verify(mx_json_raw(a, e->json), e->version, "example.org", keys[0].id,
                                        keys[0].public_key, &err);
        gg_arena_free(a);
    });
    gg_buf_done(&out);
    mx_event_unref(e);
}

static struct gg_str member_key(char *out, int i)
{
    return gg_strn(out, (size_t)snprintf(out, 64, "@user%06d:example.org", i));
}

static void bench_state(void)
{
    enum { MEMBERS = 100000 };
    static const char id[] = "$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    struct mx_state *big = mx_state_new(), *copy;
    struct mx_state_entry entry;
    size_t cursor;
    char key[64];
    int i = 0;
    printf("a room of %d members\n", MEMBERS);
    MEASURE("insert", MEMBERS,
            mx_state_set(big, GG_STR("m.room.member"), member_key(key, i++ * 7919 % MEMBERS), gg_str(id)));
    printf("%-44s %9.0f bytes each\n", "memory", (double)mx_state_bytes(big) / MEMBERS);
    MEASURE("look up", 1000000, sink += mx_state_get(big, GG_STR("m.room.member"), member_key(key, i++ % MEMBERS)).n);
    MEASURE("copy, change one, compare, drop", 100000, {
        copy = mx_state_copy(big);
        mx_state_set(copy, GG_STR("m.room.member"), member_key(key, i++ % MEMBERS), GG_STR("$b"));
        sink += mx_state_equal(copy, big);
        mx_state_unref(copy);
    });
    cursor = 0;
    MEASURE("iterate", MEMBERS, sink += mx_state_next_of(big, GG_STR("m.room.member"), &cursor, &entry));
    MEASURE("drop the map (each entry)", 1, mx_state_unref(big));
}

int main(void)
{
    struct gg_arena *arena = gg_arena_new();
    bench_events(arena);
    bench_state();
    gg_arena_free(arena);
    return 0;
}
