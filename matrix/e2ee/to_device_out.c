/* matrix/e2ee/to_device_out.c: EDUs for messages to devices of other servers. */
#include "e2ee/to_device_out.h"

#include "e2ee/text.h"

#include <ganglion/map.h>
#include <ganglion/matrix/id.h>

enum { MESSAGE_ID_LETTERS = 16, FRAME_BYTES = 16 }; /* quotes, colons and braces around a message */

/* An EDU that is being filled, one for each server. */
struct filling {
    struct gg_str destination;
    struct gg_buf text; /* up to and with the last message, without what closes it */
    struct gg_str user; /* the user whose messages are last; s NULL: there are none */
    struct filling *next;
};
struct filler {
    struct gg_arena *arena;
    struct gg_str sender, type;
    struct gg_map *open;
    struct filling *first;
    struct mx_outbox_edu *out;
    size_t n;
};

static void begin(struct filler *f, struct filling *edu)
{
    char id[MESSAGE_ID_LETTERS + 1];
    gg_random_text(id, MESSAGE_ID_LETTERS, GG_LETTERS);
    edu->user = (struct gg_str){0};
    gg_buf_clear(&edu->text);
    gg_buf_lit(&edu->text, "{\"sender\":");
    gg_buf_json_string(&edu->text, f->sender);
    gg_buf_lit(&edu->text, ",\"type\":");
    gg_buf_json_string(&edu->text, f->type);
    gg_buf_printf(&edu->text, ",\"message_id\":\"%s\",\"org.matrix.opentracing_context\":\"{}\",\"messages\":{", id);
}

static void end(struct filler *f, struct filling *edu)
{
    if (edu->user.s == NULL)
        return;
    gg_buf_lit(&edu->text, "}}}");
    f->out[f->n++] = (struct mx_outbox_edu){edu->destination, gg_arena_str(f->arena, gg_buf_view(&edu->text))};
}

static struct filling *filling_of(struct filler *f, struct gg_str destination)
{
    struct filling *edu = gg_map_get(f->open, destination);
    if (edu != NULL)
        return edu;
    edu = GG_NEW(f->arena, struct filling);
    edu->destination = destination;
    edu->text = (struct gg_buf)GG_BUF_INIT;
    edu->next = f->first;
    f->first = edu;
    gg_map_put(f->open, destination, edu);
    begin(f, edu);
    return edu;
}

static void add(struct filler *f, struct filling *edu, const struct mx_to_device_message *m)
{
    size_t frame = m->user_id.n + m->device_id.n + FRAME_BYTES;
    if (edu->user.s != NULL && edu->text.n + m->content.n + frame > MX_TO_DEVICE_EDU_BYTES) {
        end(f, edu);
        begin(f, edu);
    }
    bool same = edu->user.s != NULL && gg_str_eq(edu->user, m->user_id);
    gg_buf_text(&edu->text, same ? "," : edu->user.s != NULL ? "}," : "");
    if (!same) {
        gg_buf_json_string(&edu->text, m->user_id);
        gg_buf_lit(&edu->text, ":{");
    }
    gg_buf_json_string(&edu->text, m->device_id);
    gg_buf_char(&edu->text, ':');
    gg_buf_str(&edu->text, m->content);
    edu->user = m->user_id;
}

void mx_to_device_edus(const char *our_name, struct gg_str sender, struct gg_str type, const struct mx_to_device_message *messages,
                       size_t n, struct gg_arena *arena, struct mx_outbox_edu **out, size_t *n_out)
{
    struct filler f = {.arena = arena, .sender = sender, .type = type, .open = gg_map_new(NULL),
                       .out = GG_NEW_ARRAY(arena, struct mx_outbox_edu, n + 1)};
    for (size_t i = 0; i < n; i++) {
        struct gg_str domain = mx_id_domain(messages[i].user_id);
        if (domain.s != NULL && mx_server_name_valid(domain) && !gg_str_is(domain, our_name))
            add(&f, filling_of(&f, domain), &messages[i]);
    }
    for (struct filling *edu = f.first; edu != NULL; edu = edu->next) {
        end(&f, edu);
        gg_buf_done(&edu->text);
    }
    gg_map_free(f.open);
    *out = f.out;
    *n_out = f.n;
}
