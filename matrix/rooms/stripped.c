/* matrix/rooms/stripped.c: what of a room those are shown who are invited to it or knock on it (client-server API, "Stripped
 * state"; room_prejoin_state of the configuration). */
#include "rooms/membership.h"

#include <ganglion/buf.h>
#include <ganglion/config.h>

static const char *const prejoin_types[] = {"m.room.create",      "m.room.join_rules", "m.room.canonical_alias",
                                            "m.room.avatar",      "m.room.encryption", "m.room.name",
                                            "m.room.topic"};

void mx_stripped_write(struct gg_buf *out, const struct mx_event *event)
{
    gg_buf_lit(out, "{\"type\":");
    gg_buf_json_string(out, event->type);
    gg_buf_lit(out, ",\"state_key\":");
    gg_buf_json_string(out, event->state_key);
    gg_buf_lit(out, ",\"sender\":");
    gg_buf_json_string(out, event->sender);
    gg_buf_lit(out, ",\"content\":");
    gg_buf_str(out, event->content);
    gg_buf_char(out, '}');
}

static int add(struct mx_chain *chain, struct gg_str type, struct gg_str state_key, struct gg_buf *out, struct gg_error *err)
{
    const struct mx_event *event;
    int rc = mx_chain_state_event(chain, type, state_key, &event, err);
    if (rc != 0 || event == NULL)
        return rc;
    gg_buf_text(out, out->n > 1 ? "," : "");
    mx_stripped_write(out, event);
    return 0;
}

/* All of a type, whatever its state keys; the list of a type's entries may change while an event is read. */
static int add_type(struct mx_chain *chain, struct gg_str type, struct gg_buf *out, struct gg_error *err)
{
    struct gg_str keys[MX_STRIPPED_MAX];
    struct mx_state_entry entry;
    size_t n = 0;
    int rc = 0;
    for (size_t i = 0; n < GG_COUNT(keys) && mx_state_next_of(chain->state, type, &i, &entry);)
        keys[n++] = gg_arena_str(chain->arena, entry.state_key);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = add(chain, type, keys[i], out, err);
    return rc;
}

/* room_prejoin_state.additional_event_types: a type, or a type with its state key. */
static int add_configured(struct mx_chain *chain, const struct gg_node *list, struct gg_buf *out, struct gg_error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < gg_node_count(list); i++) {
        const struct gg_node *item = gg_node_at(list, i, NULL);
        bool pair = gg_node_kind(item) == GG_NODE_LIST && gg_node_count(item) == 2;
        const char *type = gg_node_text(pair ? gg_node_at(item, 0, NULL) : item);
        const char *key = pair ? gg_node_text(gg_node_at(item, 1, NULL)) : NULL;
        if (type != NULL)
            rc = key != NULL ? add(chain, gg_str(type), gg_str(key), out, err) : add_type(chain, gg_str(type), out, err);
    }
    return rc;
}

int mx_stripped_state(struct mx_chain *chain, struct gg_str *out, struct gg_error *err)
{
    const struct gg_config *config = chain->server->config;
    const struct gg_node *old = gg_config_node(config, "room_invite_state_types");
    const struct gg_node *more = gg_config_node(config, "room_prejoin_state.additional_event_types");
    bool defaults = gg_node_count(old) == 0 && !gg_config_bool(config, "room_prejoin_state.disable_default_event_types");
    struct gg_buf buf = GG_BUF_INIT;
    int rc = 0;
    gg_buf_char(&buf, '[');
    for (size_t i = 0; rc == 0 && defaults && i < GG_COUNT(prejoin_types); i++)
        rc = add(chain, gg_str(prejoin_types[i]), GG_STR(""), &buf, err);
    if (rc == 0)
        rc = add_configured(chain, old, &buf, err);
    if (rc == 0)
        rc = add_configured(chain, more, &buf, err);
    if (rc == 0) /* last: who invites, with their name and picture */
        rc = add(chain, GG_STR("m.room.member"), gg_str(chain->requester->user_id), &buf, err);
    gg_buf_char(&buf, ']');
    *out = gg_arena_str(chain->arena, gg_buf_view(&buf));
    gg_buf_done(&buf);
    return rc;
}
