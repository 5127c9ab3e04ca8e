/* updates/updates.h: background updates that work on rows. */
#ifndef MX_UPDATES_UPDATES_H
#define MX_UPDATES_UPDATES_H

#include <ganglion/matrix/server.h>

/* One step of an update. */
struct mx_update_step {
    struct mx_server *server;
    struct gg_arena *arena;   /* of the step */
    const char *name;
    struct gg_str progress;   /* JSON object, as the last step left it ({} at first) */
    int64_t batch;            /* about how many items to work on */
    int64_t items;            /* out: how many it were */
    bool done;                /* out: that was all; the row is gone */
};
/* Works on a batch and, in the same transaction, calls mx_update_note or mx_update_finish. */
typedef GG_YIELDS int mx_update_fn(struct mx_update_step *step, struct gg_error *err);

struct mx_data_update {
    const char *name;
    mx_update_fn *fn;
    bool (*may)(const struct mx_server *server); /* can this process do it? NULL: any can */
};
extern const struct mx_data_update mx_data_updates[]; /* ends with a name of NULL */
bool mx_update_may_tell_quarantined(const struct mx_server *server);

/* How far it is: an object with one member (numeric: a number, else a text), or as JSON. */
GG_CHECKED int mx_update_note(struct gg_txn *txn, struct mx_update_step *step, const char *key, struct gg_str value,
                              bool numeric, struct gg_error *err);
GG_CHECKED int mx_update_note_json(struct gg_txn *txn, struct mx_update_step *step, const char *json, struct gg_error *err);
/* The row goes; sets done once the transaction is through (steps whose transaction fails are run again). */
GG_CHECKED int mx_update_finish(struct gg_txn *txn, struct mx_update_step *step, struct gg_error *err);
/* The same in a transaction of its own. */
GG_YIELDS GG_CHECKED int mx_update_end(struct mx_update_step *step, struct gg_error *err);
/* A member of the progress as text, s NULL: none. */
struct gg_str mx_update_progress(const struct mx_update_step *step, const char *key);

/* What the status endpoint tells. */
struct mx_update_report {
    int64_t items, spent_ms;
};
/* Runs it to its end, or until cancelled or *paused. */
GG_YIELDS GG_CHECKED int mx_data_update_run(struct mx_server *server, const struct mx_data_update *update, const bool *paused,
                                            struct mx_update_report *report, struct gg_error *err);

mx_update_fn mx_update_plain, mx_update_outbox, mx_update_directory_begin, mx_update_directory_rooms,
    mx_update_directory_users, mx_update_directory_end, mx_update_stats_rooms, mx_update_stats_users,
    mx_update_sliding_rooms, mx_update_sliding_members, mx_update_quarantined;

/* plain.c: updates of one statement. */
struct mx_plain_update {
    const char *name;
    const char *key;      /* of the progress; NULL: the statement finds by itself what is left */
    const char *start;    /* the key's first value */
    bool numeric;
    struct gg_stmt stmt;  /* ($1 text: after that, $2 bigint: at most, $3 text: server name); one row: how many, the last key.
                             sql NULL: nothing but the script */
    const char *script;   /* run at the end, or NULL */
};
extern const struct mx_plain_update mx_plain_updates[]; /* ends with a name of NULL */

#endif
