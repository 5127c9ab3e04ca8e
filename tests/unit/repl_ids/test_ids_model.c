/* Ids of a stream: sharding, sets of ranges, and the model under random interleavings of several processes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include <ganglion/repl.h>

#include "repl/ids_model.h"

/* ---- sharding: measured on Synapse ---- */

static void test_shard(void **state)
{
    static const struct {
        const char *key;
        size_t mod[6]; /* 2 3 4 5 7 8 */
    } known[] = {
        {"!BwbuB8qSBhcoylnvHILeMD3GrdYhbdlph6OrgdCjBvU", {1, 2, 3, 3, 3, 7}},
        {"!abcdefghij:example.com", {1, 2, 1, 3, 1, 1}},
        {"!room:localhost", {0, 2, 2, 0, 2, 2}},
        {"example.com", {1, 0, 3, 1, 4, 3}},
        {"matrix.org", {1, 2, 3, 4, 6, 3}},
        {"localhost:25200", {1, 1, 1, 0, 2, 5}},
        {"@alice:example.com", {0, 0, 2, 1, 4, 6}},
        {"@bob:example.com", {1, 0, 3, 1, 6, 7}},
        {"", {1, 1, 3, 4, 3, 3}},
        {"\xc3\xa9", {0, 0, 2, 3, 1, 2}},
    };
    static const size_t n[] = {2, 3, 4, 5, 7, 8};
    for (size_t i = 0; i < GG_COUNT(known); i++) {
        assert_int_equal(gg_shard(gg_str(known[i].key), 1), 0);
        for (size_t j = 0; j < GG_COUNT(n); j++)
            assert_int_equal(gg_shard(gg_str(known[i].key), n[j]), known[i].mod[j]);
    }
}

/* ---- ranges, against an array of flags ---- */

static void check_ranges(const struct gg_ranges *set, const bool *in, int size)
{
    int64_t below = -1, min = -1;
    for (size_t i = 0; i + 1 < set->n; i++)
        assert_true(set->at[i].last + 1 < set->at[i + 1].first);
    for (int id = 0; id < size; id++) {
        assert_int_equal(gg_ranges_has(set, id), in[id]);
        assert_int_equal(gg_ranges_below(set, id, -1), below);
        if (in[id]) {
            below = id;
            min = min < 0 ? id : min;
        }
    }
    assert_int_equal(gg_ranges_min(set, -1), min);
}

static void test_ranges(void **state)
{
    enum { SIZE = 60 };
    srand(7);
    for (int round = 0; round < 300; round++) {
        struct gg_ranges set = {0};
        bool in[SIZE] = {false};
        for (int step = 0; step < 100; step++) {
            int id = rand() % SIZE, last = id + rand() % 5;
            last = last < SIZE ? last : SIZE - 1;
            switch (rand() % 9) {
            case 0:
                gg_ranges_remove_to(&set, id);
                memset(in, 0, (size_t)id + 1);
                break;
            case 1:
            case 2:
            case 3:
                gg_ranges_remove(&set, id);
                in[id] = false;
                break;
            default:
                gg_ranges_add(&set, id, last);
                memset(in + id, 1, (size_t)(last - id + 1));
            }
            check_ranges(&set, in, SIZE);
        }
        gg_ranges_done(&set);
    }
}

/* ---- several processes and a database ---- */

enum { PROCESSES = 3, JOBS = 4, LINES = 4096, IDS = 200000, STEPS = 4000 };

enum phase { IDLE, BEGUN, DRAWN, RECORDED, SETTLED };

/* One write: begin, draw ids, hear of them, commit or roll back, finish. */
struct job {
    enum phase phase;
    struct gg_inflight flight;
    int64_t ids[3];
    size_t n;
};

struct process {
    struct gg_ids ids;
    bool writes;
    struct job jobs[JOBS];
    int64_t sent; /* announced so far */
    int64_t line[PROCESSES][LINES]; /* what each writer announced, not read yet */
    int64_t heard[PROCESSES];       /* up to where its rows have come */
    size_t head[PROCESSES], tail[PROCESSES];
    int64_t last_upto, last_current;
};

struct world {
    struct process p[PROCESSES];
    int writers;
    int64_t sequence;
    char done[IDS]; /* 0 never drawn, 1 drawn and open, 2 done */
    char owner[IDS];
};

static const char *const names[PROCESSES] = {"w0", "w1", "w2"};

static struct world *world_new(int writers)
{
    struct world *w = calloc(1, sizeof(*w));
    w->writers = writers;
    w->sequence = 1;
    for (int i = 0; i < PROCESSES; i++) {
        struct process *p = &w->p[i];
        gg_ids_init(&p->ids);
        p->writes = i < writers;
        for (int j = 0; j < writers; j++) {
            struct gg_writer *writer = gg_ids_writer(&p->ids, names[j]);
            writer->pos = 1;
            writer->known = true;
            if (j == i)
                p->ids.me = writer;
        }
        p->ids.upto = p->ids.max_seen = p->ids.local_max = p->sent = 1;
    }
    return w;
}

static void world_free(struct world *w)
{
    for (int i = 0; i < PROCESSES; i++)
        gg_ids_done(&w->p[i].ids);
    free(w);
}

/* What a reader may rely on. */
static void check_process(struct world *w, int i)
{
    struct process *p = &w->p[i];
    assert_true(p->ids.upto >= p->last_upto);
    p->last_upto = p->ids.upto;
    for (int64_t id = p->ids.upto; id > 1 && id > p->ids.upto - 40; id--) {
        assert_int_equal(w->done[id], 2); /* never past an id that is open or not even drawn */
        assert_true(w->owner[id] == i || p->heard[(int)w->owner[id]] >= id); /* nor past rows that have not come */
    }
    for (int j = 0; j < w->writers; j++) {
        int64_t at = gg_ids_current(&p->ids, gg_ids_find(&p->ids, names[j]));
        for (int64_t id = at; id > 1 && id > at - 40; id--)
            assert_false(w->done[id] == 1 && w->owner[id] == j);
    }
    if (p->writes) {
        assert_true(p->ids.local_max >= p->last_current);
        p->last_current = p->ids.local_max;
    }
}

static void announce(struct world *w, int i)
{
    struct process *p = &w->p[i];
    int64_t token = gg_ids_current(&p->ids, p->ids.me);
    if (!p->writes || token == p->sent)
        return;
    p->sent = token;
    for (int j = 0; j < PROCESSES; j++) {
        struct process *to = &w->p[j];
        if (j != i)
            to->line[i][to->tail[i]++ % LINES] = token;
        assert_true(to->tail[i] - to->head[i] < LINES);
    }
}

static void hear(struct world *w, int i, int from)
{
    struct process *p = &w->p[i];
    if (p->head[from] == p->tail[from])
        return;
    int64_t token = p->line[from][p->head[from]++ % LINES];
    p->heard[from] = token;
    gg_ids_foreign(&p->ids, gg_ids_writer(&p->ids, names[from]), token, w->owner[token] == from);
}

static void step_job(struct world *w, int i, struct job *job)
{
    struct gg_ids *ids = &w->p[i].ids;
    switch (job->phase) {
    case IDLE:
        gg_ids_begin(ids, &job->flight);
        job->phase = BEGUN;
        break;
    case BEGUN:
        job->n = 1 + (size_t)rand() % 3;
        for (size_t k = 0; k < job->n; k++) {
            job->ids[k] = ++w->sequence;
            w->done[w->sequence] = 1;
            w->owner[w->sequence] = (char)i;
        }
        job->phase = DRAWN;
        break;
    case DRAWN:
        if (rand() % 12 == 0) { /* the answer got lost: drawn and never used */
            for (size_t k = 0; k < job->n; k++)
                w->done[job->ids[k]] = 2;
            gg_ids_abandon(ids, &job->flight);
            job->phase = IDLE;
        } else {
            gg_ids_record(ids, &job->flight, job->ids, job->n);
            job->phase = RECORDED;
        }
        break;
    case RECORDED:
        for (size_t k = 0; k < job->n; k++)
            w->done[job->ids[k]] = 2;
        job->phase = SETTLED;
        break;
    case SETTLED:
        gg_ids_finish(ids, job->ids, job->n);
        job->phase = IDLE;
        break;
    }
}

static void step(struct world *w, bool quiet)
{
    int i = rand() % PROCESSES;
    struct process *p = &w->p[i];
    switch (rand() % 4) {
    case 0:
        hear(w, i, rand() % w->writers);
        break;
    case 1:
        announce(w, i);
        break;
    default:
        if (p->writes) {
            struct job *job = &p->jobs[rand() % JOBS];
            if (!quiet || job->phase != IDLE)
                step_job(w, i, job);
        }
    }
    check_process(w, i);
}

static bool at_rest(const struct world *w)
{
    for (int i = 0; i < PROCESSES; i++) {
        if (w->p[i].ids.upto != w->p[0].ids.upto || gg_ids_pending(&w->p[i].ids))
            return false;
        for (int j = 0; j < w->writers; j++) {
            if (w->p[i].head[j] != w->p[i].tail[j])
                return false;
        }
    }
    return true;
}

/* The highest id that was not lost on its way: those count for nothing. */
static void run_world(int writers, unsigned seed)
{
    srand(seed);
    struct world *w = world_new(writers);
    for (int i = 0; i < STEPS; i++)
        step(w, false);
    int left = 200000;
    for (int i = 0; i < PROCESSES; i++) { /* one more write each: what was lost is passed */
        for (int j = 0; j < JOBS; j++) {
            while (w->p[i].writes && w->p[i].jobs[j].phase != IDLE)
                step_job(w, i, &w->p[i].jobs[j]);
        }
    }
    while (left-- && !(at_rest(w) && w->p[0].ids.upto == w->p[0].ids.max_seen))
        step(w, true);
    assert_true(left > 0); /* all that was persisted became visible, to everybody */
    for (int i = 0; i < PROCESSES; i++) {
        assert_int_equal(w->p[i].ids.upto, w->p[0].ids.max_seen);
        assert_true(w->p[i].ids.finished.n == 0 && w->p[i].ids.seen.n == 0);
    }
    world_free(w);
}

static void test_single_writer(void **state)
{
    for (unsigned seed = 1; seed <= 60; seed++)
        run_world(1, seed);
}

static void test_two_writers(void **state)
{
    for (unsigned seed = 1; seed <= 60; seed++)
        run_world(2, seed);
}

static void test_three_writers(void **state)
{
    for (unsigned seed = 1; seed <= 60; seed++)
        run_world(3, seed);
}

/* ---- single facts ---- */

/* A later id that is finished first stays hidden, and a gap does not matter. */
static void test_out_of_order(void **state)
{
    struct gg_ids ids;
    struct gg_inflight a, b;
    gg_ids_init(&ids);
    ids.me = gg_ids_writer(&ids, "me");
    ids.me->pos = ids.upto = ids.max_seen = ids.local_max = 10;
    ids.me->known = true;
    gg_ids_begin(&ids, &a);
    gg_ids_begin(&ids, &b);
    gg_ids_record(&ids, &a, (int64_t[]){12}, 1); /* 11 was burned */
    gg_ids_record(&ids, &b, (int64_t[]){13, 14}, 2);
    gg_ids_finish(&ids, (int64_t[]){13, 14}, 2);
    assert_int_equal(ids.upto, 10);
    assert_int_equal(ids.local_max, 10);
    gg_ids_finish(&ids, (int64_t[]){12}, 1);
    assert_int_equal(ids.upto, 14);
    assert_int_equal(ids.local_max, 14);
    gg_ids_begin(&ids, &a); /* in flight: nothing new may be passed */
    gg_ids_begin(&ids, &b);
    gg_ids_record(&ids, &b, (int64_t[]){16}, 1);
    gg_ids_finish(&ids, (int64_t[]){16}, 1);
    assert_int_equal(ids.upto, 14);
    gg_ids_abandon(&ids, &a);
    assert_int_equal(ids.upto, 16);
    gg_ids_done(&ids);
}

/* A configured writer that never runs: runs without gaps go on, the first gap stops
 * upto, its own announcement frees it (measured on Synapse). */
static void test_missing_writer(void **state)
{
    struct gg_ids ids;
    gg_ids_init(&ids);
    struct gg_writer *one = gg_ids_writer(&ids, "persister1"), *two = gg_ids_writer(&ids, "persister2");
    one->pos = two->pos = ids.upto = ids.max_seen = ids.local_max = 224;
    one->known = two->known = true;
    for (int64_t id = 225; id <= 227; id++)
        gg_ids_foreign(&ids, one, id, true);
    assert_int_equal(ids.upto, 227);
    for (int64_t id = 229; id <= 231; id++)
        gg_ids_foreign(&ids, one, id, true);
    assert_int_equal(ids.upto, 227);
    assert_int_equal(gg_ids_current(&ids, one), 231);
    assert_int_equal(gg_ids_current(&ids, two), 227);
    gg_ids_foreign(&ids, two, 231, false);
    assert_int_equal(ids.upto, 231);
    gg_ids_done(&ids);
}

/* A slow allocation is in flight while a later one is finished; when the ids up to it are complete, the own position is
 * there too: else it would be announced without its rows. */
static void test_complete_beside_a_slow_one(void **state)
{
    struct gg_ids ids;
    struct gg_inflight slow, quick;
    int64_t id = 6, before = 5;
    gg_ids_init(&ids);
    ids.me = gg_ids_writer(&ids, "me");
    struct gg_writer *other = gg_ids_writer(&ids, "other");
    gg_ids_foreign(&ids, other, 4, true);
    gg_ids_begin(&ids, &quick);
    gg_ids_record(&ids, &quick, &before, 1);
    gg_ids_finish(&ids, &before, 1);
    assert_int_equal(ids.me->pos, 5);
    gg_ids_begin(&ids, &slow); /* will be 7 */
    gg_ids_begin(&ids, &quick);
    gg_ids_record(&ids, &quick, &id, 1);
    gg_ids_finish(&ids, &id, 1);
    assert_int_equal(ids.me->pos, ids.upto > 5 ? ids.upto : 5);
    gg_ids_foreign(&ids, other, 6, false);
    assert_int_equal(ids.upto, 6);
    assert_int_equal(ids.me->pos, 6);
    assert_int_equal(ids.local_max, 6);
    gg_ids_abandon(&ids, &slow);
    gg_ids_done(&ids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_complete_beside_a_slow_one),
        cmocka_unit_test(test_shard),         cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_out_of_order),  cmocka_unit_test(test_missing_writer),
        cmocka_unit_test(test_single_writer), cmocka_unit_test(test_two_writers),
        cmocka_unit_test(test_three_writers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
