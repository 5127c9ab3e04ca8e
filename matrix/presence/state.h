/* matrix/presence/state.h: the rules of presence, pure: the caller brings the clock (facts database 4.11, replication 5.3). */
#ifndef MX_PRESENCE_STATE_H
#define MX_PRESENCE_STATE_H

#include <ganglion/arena.h>
#include <ganglion/buf.h>

/* In order of weight: a user is what the weightiest of their devices is. */
enum mx_presence_kind { MX_OFFLINE, MX_UNAVAILABLE, MX_ONLINE, MX_BUSY };

struct mx_presence_state {
    uint8_t kind;
    bool currently_active;
    int64_t last_active_ts, last_federation_ts, last_sync_ts; /* ms since the epoch; 0: never */
    struct gg_str status_msg;                                 /* s NULL: none; owned by whoever holds the state */
};

struct mx_presence_device {
    uint8_t kind;
    bool syncing;
    int64_t last_active_ts, last_sync_ts;
};

struct mx_presence_times { /* ms */
    int64_t granularity, sync_timeout, idle_timeout, busy_timeout;
};

/* The wire's name ("online", "org.matrix.msc3026.busy"); -1 for a text that names no kind. */
const char *mx_presence_name(uint8_t kind);
int mx_presence_kind_of(struct gg_str name);

/* Is the change from `old` to `state` told to others at once? The rest is only kept. */
bool mx_presence_notable(const struct mx_presence_state *old, const struct mx_presence_state *state);
/* What time alone makes of a device, and of a user with these devices; true: something changed. */
bool mx_presence_age_device(struct mx_presence_device *device, const struct mx_presence_times *times, int64_t now);
bool mx_presence_active_now(const struct mx_presence_state *state, const struct mx_presence_times *times, int64_t now);
/* When to look at a device again; INT64_MAX: time alone changes nothing. */
int64_t mx_presence_device_due(const struct mx_presence_device *device, const struct mx_presence_times *times);

/* {"presence":"online","last_active_ago":1,"status_msg":"..","currently_active":true} */
void mx_presence_write(struct gg_buf *out, const struct mx_presence_state *state, int64_t now);
/* A row of the stream: [user, kind, last active, last federation update, last sync, status or null, active]. */
void mx_presence_write_row(struct gg_buf *out, struct gg_str user_id, const struct mx_presence_state *state);
/* false: it is no such row. Texts lie in the arena. */
bool mx_presence_read_row(struct gg_str row, struct gg_arena *arena, struct gg_str *user_id,
                          struct mx_presence_state *state);

#endif
