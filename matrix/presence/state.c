/* matrix/presence/state.c: the rules of presence, pure. */
#include "presence/state.h"

#include <ganglion/matrix/json.h>

static const char *const names[] = {"offline", "unavailable", "online", "org.matrix.msc3026.busy"};

/* A client's clock of "currently active" moves in steps of this; the stream's readers know no configuration. */
enum { STEP_MS = 60 * 1000 };

const char *mx_presence_name(uint8_t kind)
{
    return names[kind];
}

int mx_presence_kind_of(struct gg_str name)
{
    for (size_t i = 0; i < GG_COUNT(names); i++)
        if (gg_str_is(name, names[i]))
            return (int)i;
    return -1;
}

bool mx_presence_notable(const struct mx_presence_state *old, const struct mx_presence_state *state)
{
    bool moved = state->last_active_ts - old->last_active_ts > STEP_MS;
    if (old->kind != state->kind || !gg_str_eq(old->status_msg, state->status_msg))
        return true;
    if (old->kind != MX_ONLINE)
        return moved;
    return old->currently_active != state->currently_active || (moved && !state->currently_active);
}

bool mx_presence_age_device(struct mx_presence_device *device, const struct mx_presence_times *times, int64_t now)
{
    uint8_t before = device->kind;
    int64_t last = device->last_sync_ts > device->last_active_ts ? device->last_sync_ts : device->last_active_ts;
    if (device->kind == MX_ONLINE && now - device->last_active_ts >= times->idle_timeout)
        device->kind = MX_UNAVAILABLE;
    if (!device->syncing && now - last >= (device->kind == MX_BUSY ? times->busy_timeout : times->sync_timeout))
        device->kind = MX_OFFLINE;
    return device->kind != before;
}

bool mx_presence_active_now(const struct mx_presence_state *state, const struct mx_presence_times *times, int64_t now)
{
    return state->kind >= MX_ONLINE && now - state->last_active_ts < times->granularity;
}

int64_t mx_presence_device_due(const struct mx_presence_device *device, const struct mx_presence_times *times)
{
    int64_t due = INT64_MAX;
    if (device->kind == MX_OFFLINE)
        return due;
    if (device->kind == MX_ONLINE)
        due = device->last_active_ts + times->idle_timeout;
    if (!device->syncing) {
        int64_t last = device->last_sync_ts > device->last_active_ts ? device->last_sync_ts : device->last_active_ts;
        int64_t gone = last + (device->kind == MX_BUSY ? times->busy_timeout : times->sync_timeout);
        due = gone < due ? gone : due;
    }
    return due;
}

/* ---- JSON ---- */

void mx_presence_write(struct gg_buf *out, const struct mx_presence_state *state, int64_t now)
{
    gg_buf_printf(out, "{\"presence\":\"%s\"", mx_presence_name(state->kind));
    if (state->last_active_ts != 0)
        gg_buf_printf(out, ",\"last_active_ago\":%lld",
                      (long long)(now > state->last_active_ts ? now - state->last_active_ts : 0));
    if (state->status_msg.s != NULL) {
        gg_buf_lit(out, ",\"status_msg\":");
        gg_buf_json_string(out, state->status_msg);
    }
    if (state->kind == MX_ONLINE)
        gg_buf_printf(out, ",\"currently_active\":%s", state->currently_active ? "true" : "false");
    gg_buf_char(out, '}');
}

void mx_presence_write_row(struct gg_buf *out, struct gg_str user_id, const struct mx_presence_state *state)
{
    gg_buf_char(out, '[');
    gg_buf_json_string(out, user_id);
    gg_buf_printf(out, ",\"%s\",%lld,%lld,%lld,", mx_presence_name(state->kind), (long long)state->last_active_ts,
                  (long long)state->last_federation_ts, (long long)state->last_sync_ts);
    if (state->status_msg.s != NULL)
        gg_buf_json_string(out, state->status_msg);
    else
        gg_buf_lit(out, "null");
    gg_buf_printf(out, ",%s]", state->currently_active ? "true" : "false");
}

bool mx_presence_read_row(struct gg_str row, struct gg_arena *arena, struct gg_str *user_id,
                          struct mx_presence_state *state)
{
    struct gg_str v[7];
    size_t n = 0;
    for (struct mx_json_iter it = mx_json_iter(row); n < GG_COUNT(v) && mx_json_next(&it);)
        v[n++] = it.value;
    if (n < GG_COUNT(v))
        return false;
    int kind = mx_presence_kind_of(mx_json_string(v[1], arena));
    *user_id = mx_json_string(v[0], arena);
    *state = (struct mx_presence_state){.kind = (uint8_t)kind, .currently_active = mx_json_true(v[6]),
                                        .status_msg = mx_json_string(v[5], arena)};
    return user_id->s != NULL && kind >= 0 && mx_json_i64(v[2], &state->last_active_ts) &&
           mx_json_i64(v[3], &state->last_federation_ts) && mx_json_i64(v[4], &state->last_sync_ts);
}
