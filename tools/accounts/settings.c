/* settings.c: single values out of the YAML files of a deployment. */
#include "settings.h"

#include <stdio.h>
#include <string.h>

static bool is_text(const yaml_node_t *node, const char *text)
{
    return node && node->type == YAML_SCALAR_NODE && strcmp((const char *)node->data.scalar.value, text) == 0;
}

/* The value of a key, the last one if it stands twice; key_n characters of key. */
static yaml_node_t *member(yaml_document_t *doc, yaml_node_t *map, const char *key, size_t key_n)
{
    yaml_node_t *found = NULL;
    if (!map || map->type != YAML_MAPPING_NODE)
        return NULL;
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top; p++) {
        const yaml_node_t *name = yaml_document_get_node(doc, p->key);
        if (name && name->type == YAML_SCALAR_NODE && name->data.scalar.length == key_n &&
            memcmp(name->data.scalar.value, key, key_n) == 0)
            found = yaml_document_get_node(doc, p->value);
    }
    return found;
}

bool settings_read(struct settings *settings, const char *path)
{
    yaml_parser_t parser;
    FILE *file = fopen(path, "rb");
    if (!file || settings->n == SETTINGS_FILES) {
        fprintf(stderr, file ? "%s: too many files\n" : "%s: the file cannot be read\n", path);
        if (file)
            fclose(file);
        return false;
    }
    yaml_document_t *doc = &settings->documents[settings->n];
    bool ok = yaml_parser_initialize(&parser) == 1;
    if (ok) {
        yaml_parser_set_input_file(&parser, file);
        ok = yaml_parser_load(&parser, doc) == 1;
        if (!ok)
            fprintf(stderr, "%s:%zu: %s\n", path, parser.problem_mark.line + 1, parser.problem ? parser.problem : "no YAML");
        yaml_parser_delete(&parser);
    }
    fclose(file);
    settings->n += ok;
    return ok;
}

void settings_done(struct settings *settings)
{
    while (settings->n)
        yaml_document_delete(&settings->documents[--settings->n]);
}

static yaml_node_t *top(struct settings *settings, const char *key, size_t key_n, yaml_document_t **doc)
{
    for (size_t i = settings->n; i-- > 0;) {
        *doc = &settings->documents[i];
        yaml_node_t *node = member(*doc, yaml_document_get_root_node(*doc), key, key_n);
        if (node)
            return node;
    }
    return NULL;
}

const char *settings_text(struct settings *settings, const char *path)
{
    yaml_document_t *doc;
    size_t n = strcspn(path, ".");
    yaml_node_t *node = top(settings, path, n, &doc);
    while (node && path[n] == '.') {
        path += n + 1;
        n = strcspn(path, ".");
        node = member(doc, node, path, n);
    }
    if (!node || node->type != YAML_SCALAR_NODE)
        return NULL;
    bool plain = node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (plain && (is_text(node, "null") || is_text(node, "~") || is_text(node, "")))
        return NULL;
    return (const char *)node->data.scalar.value;
}

static bool names_client(yaml_document_t *doc, yaml_node_t *listener)
{
    yaml_node_t *resources = member(doc, listener, "resources", 9);
    if (!resources || resources->type != YAML_SEQUENCE_NODE)
        return false;
    for (yaml_node_item_t *r = resources->data.sequence.items.start; r < resources->data.sequence.items.top; r++) {
        yaml_node_t *names = member(doc, yaml_document_get_node(doc, *r), "names", 5);
        if (!names || names->type != YAML_SEQUENCE_NODE)
            continue;
        for (yaml_node_item_t *i = names->data.sequence.items.start; i < names->data.sequence.items.top; i++)
            if (is_text(yaml_document_get_node(doc, *i), "client"))
                return true;
    }
    return false;
}

const char *settings_client_port(struct settings *settings)
{
    yaml_document_t *doc;
    yaml_node_t *list = top(settings, "listeners", 9, &doc);
    if (!list || list->type != YAML_SEQUENCE_NODE)
        return NULL;
    for (yaml_node_item_t *i = list->data.sequence.items.start; i < list->data.sequence.items.top; i++) {
        yaml_node_t *listener = yaml_document_get_node(doc, *i);
        const yaml_node_t *port = member(doc, listener, "port", 4), *tls = member(doc, listener, "tls", 3);
        bool secure = tls && !is_text(tls, "false") && !is_text(tls, "no") && !is_text(tls, "off");
        if (is_text(member(doc, listener, "type", 4), "http") && !secure && port && port->type == YAML_SCALAR_NODE &&
            names_client(doc, listener))
            return (const char *)port->data.scalar.value;
    }
    return NULL;
}
