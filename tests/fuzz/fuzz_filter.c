/* Any bytes as a filter, asked about an event of any type: its shape, its parts, its patterns; and as a presence row. */
#include "filter/filter.h"
#include "presence/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(struct gg_str json, struct gg_str type, struct gg_arena *arena)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_filter filter;
    if (mx_filter_parse(json, arena, &filter, &err) != 0)
        return;
    (void)mx_filter_type(&filter, type);
    (void)mx_filter_sender(&filter, type);
    (void)mx_filter_room(&filter, type);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gg_str text = gg_strn((const char *)data, size), user_id;
    struct gg_str type = gg_strn(text.s, size < 255 ? size : 255);
    struct gg_error err = GG_ERROR_INIT;
    struct gg_arena *arena = gg_arena_new();
    struct mx_presence_state state;
    json_t *tree = json_loadb(text.s, text.n, 0, NULL);
    if (tree != NULL)
        (void)mx_filter_check_shape(tree, &err);
    json_decref(tree);
    if (mx_json_check(text, 100, &err) == 0) {
        static const char *const room[] = {"room", "timeline", NULL};
        ask(text, type, arena);
        ask(mx_json_path(text, room), type, arena);
        (void)mx_presence_read_row(text, arena, &user_id, &state);
    }
    gg_arena_free(arena);
    return 0;
}
