/* matrix/rooms/stripped.c: what of a room those are shown who are invited to it or knock on it (client-server API, "Stripped
 * state"; room_prejoin_state of the configuration). */
#include "rooms/membership.h"

#include <ganglion/buf.h>
#include <ganglion/config.h>

static const char *const prejoin_types[] = {"m.room.create",      "m.room.join_rules", "m.room.canonical_alias",
                                            "m.room.avatar",      "m.room.encryption", "m.room.name",
                                            "m.room.topic"};

void mx_stripped_open(struct gg_buf *out, const struct mx_event *event)
{
    gg_buf_lit(out, "{\"type\":");
    gg_buf_json_string(out, event->type);
    gg_buf_lit(out, ",\"state_key\":");
    gg_buf_json_string(out, event->state_key);
    gg_buf_lit(out, ",\"sender\":");
    gg_buf_json_string(out, event->sender);
    gg_buf_lit(out, ",\"content\":");
    gg_buf_str(out, event->content);
}

void mx_stripped_write(struct gg_buf *out, const struct mx_event *event)
{
    mx_stripped_open(out, event);
    gg_buf_char(out, '}');
}

struct shown {
    struct mx_chain *chain;
    const struct mx_event **events;
    size_t n;
};

static int add(struct shown *to, struct gg_str type, struct gg_str state_key, struct gg_error *err)
{
    const struct mx_event *event;
    int rc = mx_chain_state_event(to->chain, type, state_key, &event, err);
    if (rc == 0 && event != NULL)
        to->events[to->n++] = event;
    return rc;
}

/* All of a type, whatever its state keys; the list of a type's entries may change while an event is read. */
static int add_type(struct shown *to, struct gg_str type, struct gg_error *err)
{
    struct gg_str keys[MX_STRIPPED_MAX];
    struct mx_state_entry entry;
    size_t n = 0;
    int rc = 0;
    for (size_t i = 0; n < GG_COUNT(keys) && mx_state_next_of(to->chain->state, type, &i, &entry);)
        keys[n++] = gg_arena_str(to->chain->arena, entry.state_key);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = add(to, type, keys[i], err);
    return rc;
}

/* room_prejoin_state.additional_event_types: a type, or a type with its state key. */
static int add_configured(struct shown *to, const struct gg_node *list, struct gg_error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < gg_node_count(list); i++) {
        const struct gg_node *item = gg_node_at(list, i, NULL);
        bool pair = gg_node_kind(item) == GG_NODE_LIST && gg_node_count(item) == 2;
        const char *type = gg_node_text(pair ? gg_node_at(item, 0, NULL) : item);
        const char *key = pair ? gg_node_text(gg_node_at(item, 1, NULL)) : NULL;
        if (type != NULL)
            rc = key != NULL ? add(to, gg_str(type), gg_str(key), err) : add_type(to, gg_str(type), err);
    }
    return rc;
}

/* What is configured, and who invites. */
static int collect(struct mx_chain *chain, bool with_inviter, const struct mx_event ***out, size_t *n_out, struct gg_error *err)
{
    const struct gg_config *config = chain->server->config;
    const struct gg_node *old = gg_config_node(config, "room_invite_state_types");
    const struct gg_node *more = gg_config_node(config, "room_prejoin_state.additional_event_types");
    bool defaults = gg_node_count(old) == 0 && !gg_config_bool(config, "room_prejoin_state.disable_default_event_types");
    size_t most = GG_COUNT(prejoin_types) + (gg_node_count(old) + gg_node_count(more)) * MX_STRIPPED_MAX + 1;
    struct shown to = {chain, GG_NEW_ARRAY(chain->arena, const struct mx_event *, most), 0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && defaults && i < GG_COUNT(prejoin_types); i++)
        rc = add(&to, gg_str(prejoin_types[i]), GG_STR(""), err);
    if (rc == 0)
        rc = add_configured(&to, old, err);
    if (rc == 0)
        rc = add_configured(&to, more, err);
    if (rc == 0 && with_inviter) /* last: who invites, with their name and picture */
        rc = add(&to, GG_STR("m.room.member"), gg_str(chain->requester->user_id), err);
    *out = to.events;
    *n_out = to.n;
    return rc;
}

int mx_stripped_events(struct mx_chain *chain, const struct mx_event ***out, size_t *n_out, struct gg_error *err)
{
    return collect(chain, true, out, n_out, err);
}

static int write_list(struct mx_chain *chain, bool with_inviter, void (*write)(struct gg_buf *, const struct mx_event *),
                      struct gg_str *out, struct gg_error *err)
{
    struct gg_buf buf = GG_BUF_INIT;
    const struct mx_event **events;
    size_t n;
    int rc = collect(chain, with_inviter, &events, &n, err);
    gg_buf_char(&buf, '[');
    for (size_t i = 0; rc == 0 && i < n; i++) {
        gg_buf_text(&buf, i > 0 ? "," : "");
        write(&buf, events[i]);
    }
    gg_buf_char(&buf, ']');
    *out = gg_arena_str(chain->arena, gg_buf_view(&buf));
    gg_buf_done(&buf);
    return rc;
}

int mx_stripped_state(struct mx_chain *chain, struct gg_str *out, struct gg_error *err)
{
    return write_list(chain, true, mx_stripped_write, out, err);
}

int mx_stripped_pdus(struct mx_chain *chain, struct gg_str *out, struct gg_error *err)
{
    return write_list(chain, false, mx_event_write_pdu, out, err);
}
