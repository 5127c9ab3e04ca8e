/* From libyaml's events to a tree of nodes, with an explicit stack: nothing in the
 * text can make this recurse. Aliases share nodes; what they stand for when written
 * out is added up, so that a "billion laughs" document is refused. */
#include "config/yaml.h"
#include "config/node.h"
#include "config/scalar.h"

#include <ganglion/buf.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

#define TAG "tag:yaml.org,2002:"

struct frame {
    struct gg_node *node;
    const char *key; /* of a map: read, its value is not */
    const char *key_where;
    bool merging;           /* the key is << */
    struct gg_node *merges; /* list of maps, in the order in which they are applied */
};

struct builder {
    struct gg_arena *arena;
    const char *name;
    gg_yaml_note_fn *note;
    void *note_arg;
    struct gg_error *err;
    struct gg_map *anchors;
    struct gg_node *root;
    struct frame stack[GG_YAML_MAX_DEPTH];
    size_t depth, n_nodes;
};

static const char *where_of(struct builder *b, const yaml_mark_t *mark)
{
    return gg_arena_printf(b->arena, "%s:%zu:%zu", b->name, mark->line + 1, mark->column + 1);
}

static int too_many(struct builder *b, const char *where)
{
    return gg_fail(b->err, GG_E_LIMIT, "%s: the document stands for more than %d values", where, GG_YAML_MAX_NODES);
}

static int add_weight(struct builder *b, struct gg_node *parent, const struct gg_node *child)
{
    parent->weight += child->weight;
    return parent->weight > GG_YAML_MAX_NODES ? too_many(b, child->where) : 0;
}

/* ---- keys and merges ---- */

static int key_text(struct builder *b, const struct gg_node *node, const char **out)
{
    switch (node->kind) {
    case GG_NODE_NULL:
        *out = "null";
        return 0;
    case GG_NODE_BOOL:
        *out = node->b ? "true" : "false";
        return 0;
    case GG_NODE_INT:
        *out = gg_arena_printf(b->arena, "%lld", (long long)node->i);
        return 0;
    case GG_NODE_FLOAT:
    case GG_NODE_TEXT:
        *out = node->text.s;
        return 0;
    default:
        return gg_fail(b->err, GG_E_INVALID, "%s: a key must be plain text, not %s", node->where,
                       gg_node_kind_name(node->kind));
    }
}

static bool is_merge_key(const struct gg_node *node)
{
    return node->kind == GG_NODE_TEXT && node->plain && gg_str_is(node->text, "<<");
}

static int add_merge(struct builder *b, struct frame *frame, struct gg_node *value)
{
    if (!frame->merges)
        frame->merges = gg_node_new(b->arena, GG_NODE_LIST, value->where);
    if (value->kind == GG_NODE_MAP) {
        gg_node_add(b->arena, frame->merges, value);
        return 0;
    }
    if (value->kind != GG_NODE_LIST)
        return gg_fail(b->err, GG_E_INVALID, "%s: << takes a map or a list of maps, not %s", value->where,
                       gg_node_kind_name(value->kind));
    for (size_t i = value->n; i > 0; i--) { /* the first of the list wins, so it is applied last */
        struct gg_node *each = value->entries[i - 1].value;

        if (each->kind != GG_NODE_MAP)
            return gg_fail(b->err, GG_E_INVALID, "%s: << takes maps, not %s", each->where,
                           gg_node_kind_name(each->kind));
        gg_node_add(b->arena, frame->merges, each);
    }
    return 0;
}

static void put_all(struct builder *b, struct gg_node *into, const struct gg_node *from)
{
    for (size_t i = 0; i < from->n; i++)
        gg_node_put(b->arena, into, from->entries[i].key, from->entries[i].where, from->entries[i].value);
}

/* Merged keys stand before a map's own, which win. */
static int apply_merges(struct builder *b, struct frame *frame)
{
    struct gg_node *own = frame->node, all = *own;

    if (!frame->merges)
        return 0;
    all.entries = NULL;
    all.index = NULL;
    all.n = all.cap = 0;
    for (size_t i = 0; i < frame->merges->n; i++) {
        const struct gg_node *merged = frame->merges->entries[i].value;

        if (merged->open)
            return gg_fail(b->err, GG_E_INVALID, "%s: << merges a map into itself", frame->merges->where);
        b->n_nodes += merged->n;
        if (b->n_nodes > GG_YAML_MAX_NODES)
            return too_many(b, frame->merges->where);
        put_all(b, &all, merged);
        int status = add_weight(b, &all, merged);
        if (status)
            return status;
    }
    put_all(b, &all, own);
    *own = all;
    return 0;
}

/* ---- placing what was read ---- */

static void note_duplicate(struct builder *b, const char *where, const char *key)
{
    if (b->note)
        b->note(b->note_arg,
                gg_arena_printf(b->arena, "%s: `%s` is given twice in one map; the last one counts", where, key));
}

static int place_in_map(struct builder *b, struct frame *frame, struct gg_node *node)
{
    if (!frame->key && !frame->merging) {
        frame->key_where = node->where;
        frame->merging = is_merge_key(node);
        return frame->merging ? 0 : key_text(b, node, &frame->key);
    }
    if (frame->merging) {
        frame->merging = false;
        return add_merge(b, frame, node);
    }
    if (gg_node_put(b->arena, frame->node, frame->key, frame->key_where, node))
        note_duplicate(b, frame->key_where, frame->key);
    frame->key = NULL;
    return add_weight(b, frame->node, node);
}

static int place(struct builder *b, struct gg_node *node)
{
    if (b->depth == 0) {
        b->root = node;
        return 0;
    }
    struct frame *frame = &b->stack[b->depth - 1];
    if (frame->node->kind == GG_NODE_MAP)
        return place_in_map(b, frame, node);
    gg_node_add(b->arena, frame->node, node);
    return add_weight(b, frame->node, node);
}

/* ---- events ---- */

static int set_anchor(struct builder *b, const yaml_char_t *anchor, struct gg_node *node)
{
    struct gg_str name = gg_str((const char *)anchor);

    if (!anchor)
        return 0;
    if (gg_map_has(b->anchors, name))
        return gg_fail(b->err, GG_E_INVALID, "%s: the anchor &%s is defined twice", node->where, name.s);
    gg_map_put(b->anchors, name, node);
    return 0;
}

static int bad_scalar(struct builder *b, const struct gg_node *node, const char *tag)
{
    return gg_fail(b->err, GG_E_INVALID, "%s: `%.40s` is no value of the tag !!%s", node->where, node->text.s, tag);
}

static int resolve_plain(struct builder *b, struct gg_node *node)
{
    struct gg_scalar scalar = {0};
    int kind = gg_scalar_resolve(node->text, &scalar);

    if (kind < 0)
        return gg_fail(b->err, GG_E_INVALID, "%s: the number `%.40s` fits no 64 bits", node->where, node->text.s);
    node->kind = (uint8_t)kind;
    node->b = scalar.b;
    node->i = scalar.i;
    node->d = scalar.d;
    return 0;
}

/* An explicit tag: the types that a configuration can use. */
static int resolve_tagged(struct builder *b, struct gg_node *node, const char *tag)
{
    const char *type = strncmp(tag, TAG, strlen(TAG)) == 0 ? tag + strlen(TAG) : NULL;

    if (!type)
        return gg_fail(b->err, GG_E_INVALID, "%s: the tag `%.60s` is not known", node->where, tag);
    if (strcmp(type, "str") == 0 || strcmp(type, "timestamp") == 0)
        return 0;
    if (strcmp(type, "null") == 0)
        return node->kind = GG_NODE_NULL, 0;
    if (strcmp(type, "bool") == 0)
        return node->kind = GG_NODE_BOOL, gg_scalar_bool(node->text, &node->b) ? 0 : bad_scalar(b, node, type);
    if (strcmp(type, "int") == 0)
        return node->kind = GG_NODE_INT, gg_scalar_int(node->text, &node->i) ? 0 : bad_scalar(b, node, type);
    if (strcmp(type, "float") == 0)
        return node->kind = GG_NODE_FLOAT, gg_scalar_float(node->text, &node->d) ? 0 : bad_scalar(b, node, type);
    return gg_fail(b->err, GG_E_INVALID, "%s: the tag !!%.60s is not supported", node->where, type);
}

static int count_node(struct builder *b, const char *where)
{
    return ++b->n_nodes > GG_YAML_MAX_NODES ? too_many(b, where) : 0;
}

static int on_scalar(struct builder *b, const yaml_event_t *event)
{
    struct gg_str text = gg_strn((const char *)event->data.scalar.value, event->data.scalar.length);
    struct gg_node *node = gg_node_new(b->arena, GG_NODE_TEXT, where_of(b, &event->start_mark));
    const char *tag = (const char *)event->data.scalar.tag;
    int status = count_node(b, node->where);

    if (status)
        return status;
    if (memchr(text.s, '\0', text.n))
        return gg_fail(b->err, GG_E_INVALID, "%s: text with a NUL character", node->where);
    node->text = gg_arena_str(b->arena, text);
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && event->data.scalar.plain_implicit;
    if (tag && strcmp(tag, "!") != 0)
        status = resolve_tagged(b, node, tag);
    else if (event->data.scalar.plain_implicit)
        status = resolve_plain(b, node);
    if (!status)
        status = set_anchor(b, event->data.scalar.anchor, node);
    return status ? status : place(b, node);
}

static int on_alias(struct builder *b, const yaml_event_t *event)
{
    const char *name = (const char *)event->data.alias.anchor, *where = where_of(b, &event->start_mark);
    struct gg_node *node = (struct gg_node *)gg_map_get(b->anchors, gg_str(name));

    if (!node)
        return gg_fail(b->err, GG_E_INVALID, "%s: the alias *%s has no anchor", where, name);
    if (node->open)
        return gg_fail(b->err, GG_E_INVALID, "%s: the alias *%s stands inside what it names", where, name);
    return place(b, node);
}

/* tag of a collection: none, "!" or the plain one. */
static int on_start(struct builder *b, const yaml_event_t *event, int kind, const yaml_char_t *tag,
                    const yaml_char_t *anchor)
{
    struct gg_node *node = gg_node_new(b->arena, kind, where_of(b, &event->start_mark));
    const char *usual = kind == GG_NODE_MAP ? TAG "map" : TAG "seq";
    int status = count_node(b, node->where);

    if (status)
        return status;
    if (tag && strcmp((const char *)tag, "!") != 0 && strcmp((const char *)tag, usual) != 0)
        return gg_fail(b->err, GG_E_INVALID, "%s: the tag `%.60s` is not supported", node->where, (const char *)tag);
    if (b->depth == GG_YAML_MAX_DEPTH)
        return gg_fail(b->err, GG_E_LIMIT, "%s: nested deeper than %d", node->where, GG_YAML_MAX_DEPTH);
    status = set_anchor(b, anchor, node);
    node->open = true;
    b->stack[b->depth++] = (struct frame){.node = node};
    return status;
}

static int on_end(struct builder *b)
{
    struct frame *frame = &b->stack[b->depth - 1];
    int status = apply_merges(b, frame);

    frame->node->open = false;
    b->depth--;
    return status ? status : place(b, frame->node);
}

static int on_event(struct builder *b, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (!b->root)
            return 0;
        return gg_fail(b->err, GG_E_INVALID, "%s: a second document begins here; a file holds one",
                       where_of(b, &event->start_mark));
    case YAML_SCALAR_EVENT:
        return on_scalar(b, event);
    case YAML_ALIAS_EVENT:
        return on_alias(b, event);
    case YAML_SEQUENCE_START_EVENT:
        return on_start(b, event, GG_NODE_LIST, event->data.sequence_start.tag, event->data.sequence_start.anchor);
    case YAML_MAPPING_START_EVENT:
        return on_start(b, event, GG_NODE_MAP, event->data.mapping_start.tag, event->data.mapping_start.anchor);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return on_end(b);
    default:
        return 0;
    }
}

static int syntax_error(struct builder *b, const yaml_parser_t *parser)
{
    const yaml_mark_t *mark = &parser->problem_mark;

    if (parser->error == YAML_READER_ERROR)
        return gg_fail(b->err, GG_E_INVALID, "%s: byte %zu: %s", b->name, parser->problem_offset,
                       parser->problem ? parser->problem : "unreadable");
    return gg_fail(b->err, GG_E_INVALID, "%s:%zu:%zu: %s%s%s", b->name, mark->line + 1, mark->column + 1,
                   parser->problem ? parser->problem : "bad YAML", parser->context ? " " : "",
                   parser->context ? parser->context : "");
}

static int run(struct builder *b, yaml_parser_t *parser)
{
    bool more = true;
    int status = 0;

    while (more && !status) {
        yaml_event_t event;

        if (!yaml_parser_parse(parser, &event))
            return syntax_error(b, parser);
        more = event.type != YAML_STREAM_END_EVENT;
        status = on_event(b, &event);
        yaml_event_delete(&event);
    }
    return status;
}

int gg_yaml_parse(struct gg_arena *arena, const char *name, struct gg_str text, gg_yaml_note_fn *note, void *arg,
                  struct gg_node **out, struct gg_error *err)
{
    struct builder b = {.arena = arena, .name = name, .note = note, .note_arg = arg, .err = err};
    yaml_parser_t parser;
    int status;

    *out = NULL;
    if (text.n > GG_YAML_MAX_BYTES)
        return gg_fail(err, GG_E_LIMIT, "%s: larger than %d bytes", name, GG_YAML_MAX_BYTES);
    if (!yaml_parser_initialize(&parser))
        return gg_fail(err, GG_E_NOMEM, "%s: out of memory", name);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING); /* as Python's open(), no UTF-16 by byte order mark */
    yaml_parser_set_input_string(&parser, (const unsigned char *)(text.n ? text.s : ""), text.n);
    b.anchors = gg_map_new(NULL);
    status = run(&b, &parser);
    gg_map_free(b.anchors);
    yaml_parser_delete(&parser);
    if (status)
        return status;
    *out = b.root ? b.root : gg_node_new(arena, GG_NODE_NULL, gg_arena_printf(arena, "%s:1:1", name));
    return 0;
}

/* ---- files ---- */

static int read_all(int fd, struct gg_buf *buf, size_t max, const char *path, struct gg_error *err)
{
    char piece[16384];

    for (;;) {
        ssize_t n = read(fd, piece, sizeof(piece));

        if (n == 0)
            return 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return gg_fail(err, GG_E_IO, "cannot read %s: %s", path, strerror(errno));
        if (buf->n + (size_t)n > max)
            return gg_fail(err, GG_E_LIMIT, "%s is larger than %zu bytes", path, max);
        gg_buf_add(buf, piece, (size_t)n);
    }
}

int gg_read_file(struct gg_arena *arena, const char *path, size_t max, struct gg_str *out, struct gg_error *err)
{
    struct gg_buf buf = GG_BUF_INIT;
    int fd = open(path, O_RDONLY | O_CLOEXEC), status;

    if (fd < 0)
        return gg_fail(err, errno == ENOENT ? GG_E_NOT_FOUND : GG_E_IO, "cannot open %s: %s", path, strerror(errno));
    status = read_all(fd, &buf, max, path, err);
    close(fd);
    if (!status)
        *out = gg_arena_str(arena, gg_buf_view(&buf));
    gg_buf_done(&buf);
    return status;
}

int gg_yaml_parse_file(struct gg_arena *arena, const char *path, gg_yaml_note_fn *note, void *arg, struct gg_node **out,
                       struct gg_error *err)
{
    struct gg_str text;
    int status = gg_read_file(arena, path, GG_YAML_MAX_BYTES, &text, err);

    *out = NULL;
    return status ? status : gg_yaml_parse(arena, gg_arena_strdup(arena, path), text, note, arg, out, err);
}

int gg_node_parse(struct gg_arena *arena, const char *name, struct gg_str text, const struct gg_node **out,
                  struct gg_error *err)
{
    struct gg_node *top = NULL;
    int status = gg_yaml_parse(arena, gg_arena_strdup(arena, name), text, NULL, NULL, &top, err);

    *out = top;
    return status;
}

int gg_node_read(struct gg_arena *arena, const char *path, const struct gg_node **out, struct gg_error *err)
{
    struct gg_node *top = NULL;
    int status = gg_yaml_parse_file(arena, path, NULL, NULL, &top, err);

    *out = top;
    return status;
}
