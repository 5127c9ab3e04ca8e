/* rooms.h: rooms that tests fill with events of their own. Include after world.h. */
#ifndef TEST_PERSIST_ROOMS_H
#define TEST_PERSIST_ROOMS_H

#include "world.h"

#define ALICE GG_STR("@alice:test.local")
#define BOB GG_STR("@bob:test.local")

/* A room as its next event sees it. Strings live in the arena. */
struct test_room {
    struct gg_arena *arena;
    const struct mx_room_version *version;
    struct gg_str id, last;
    struct gg_str auth[3]; /* create, member, power levels, as far as they are there */
    size_t n_auth;
    int64_t depth, group;
};

/* What a test wants of an event; zero: the usual. */
struct test_event {
    struct gg_str type, state_key, content, sender, redacts;
    const struct gg_str *prev; /* NULL: the last event */
    size_t n_prev;
    int64_t base;  /* 0: the room's group */
    int64_t depth; /* 0: after the last */
    struct mx_event_meta meta;
};

static inline struct mx_event *room_build(struct test_room *room, const struct test_event *e)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_event *event;
    static int64_t now = 1700000000000;
    struct mx_event_template t = {.version = room->version,
                                  .room_id = room->id,
                                  .type = e->type,
                                  .sender = e->sender.s ? e->sender : ALICE,
                                  .state_key = e->state_key,
                                  .content = e->content.s ? e->content : GG_STR("{}"),
                                  .redacts = e->redacts,
                                  .origin_server_ts = now++,
                                  .depth = e->depth ? e->depth : room->depth + 1,
                                  .prev_events = e->prev ? e->prev : &room->last,
                                  .n_prev = e->prev ? e->n_prev : room->last.s != NULL,
                                  .auth_events = room->auth,
                                  .n_auth = room->n_auth,
                                  .meta = e->meta};
    if (mx_event_build(&t, "test.local", world.server->keys, &event, &err))
        fail_msg("build: %s", err.message);
    return event;
}

/* Builds, stores the group and persists; the room moves on. Returns what mx_persist returned. */
static inline int room_try(struct test_room *room, const struct test_event *e, struct gg_str *id_out,
                           int64_t *stream_out, struct gg_error *err)
{
    struct mx_event *event = room_build(room, e);
    const struct mx_event *events[1] = {event};
    int64_t before, group, stream = 0;
    struct gg_str id = {NULL, 0};
    int status =
        mx_store_new_groups(world.server, room->id, e->base ? e->base : room->group, events, 1, &before, &group, err);
    struct mx_persist_item item = {event, group, before, NULL, false};
    if (!status)
        status = mx_persist(world.server, room->id, &item, 1, room->arena, &stream, &id, err);
    if (!status) {
        room->last = gg_arena_str(room->arena, event->event_id);
        room->depth = event->depth;
        room->group = group;
    }
    if (id_out)
        *id_out = status ? id : gg_arena_str(room->arena, id);
    if (stream_out)
        *stream_out = stream;
    mx_event_unref(event);
    return status;
}

static inline struct gg_str room_send(struct test_room *room, const struct test_event *e)
{
    struct gg_error err = GG_ERROR_INIT;
    struct gg_str id;
    if (room_try(room, e, &id, NULL, &err))
        fail_msg("%.*s: %s", GG_FMT(e->type), err.message);
    return id;
}

static inline struct gg_str room_say(struct test_room *room, const char *text)
{
    return room_send(room, &(struct test_event){.type = GG_STR("m.room.message"),
                                                .content = gg_str(gg_arena_printf(
                                                    room->arena, "{\"msgtype\":\"m.text\",\"body\":\"%s\"}", text))});
}

static inline struct gg_str room_state(struct test_room *room, const char *type, struct gg_str key, const char *content)
{
    return room_send(room, &(struct test_event){.type = gg_str(type), .state_key = key, .content = gg_str(content)});
}

static inline struct gg_str room_member(struct test_room *room, struct gg_str sender, struct gg_str target,
                                        const char *membership)
{
    return room_send(room, &(struct test_event){
                               .type = GG_STR("m.room.member"),
                               .state_key = target,
                               .sender = sender,
                               .content = gg_str(gg_arena_printf(room->arena, "{\"membership\":\"%s\"}", membership))});
}

/* A version 10 room that alice has made. */
static inline void room_make(struct test_room *room, struct gg_arena *arena, const char *name)
{
    char sql[400];
    *room = (struct test_room){.arena = arena, .version = mx_room_version_find(GG_STR("10"))};
    room->id = gg_str(gg_arena_printf(arena, "!%s:test.local", name));
    snprintf(sql, sizeof(sql),
             "INSERT INTO rooms (room_id, is_public, creator, room_version, has_auth_chain_index)"
             " VALUES ('%s', false, '@alice:test.local', '10', true)",
             room->id.s);
    world_do(sql);
    struct gg_str create =
        room_state(room, "m.room.create", GG_STR(""), "{\"creator\":\"@alice:test.local\",\"room_version\":\"10\"}");
    room->auth[room->n_auth++] = create;
    struct gg_str join = room_member(room, ALICE, ALICE, "join");
    room->auth[room->n_auth++] = join;
    struct gg_str power =
        room_state(room, "m.room.power_levels", GG_STR(""), "{\"users\":{\"@alice:test.local\":100}}");
    room->auth[room->n_auth++] = power;
}

#endif
