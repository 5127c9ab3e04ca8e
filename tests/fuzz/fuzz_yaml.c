/* Any bytes as a YAML document, and any document as a configuration. */
#include "config/config.h"
#include "config/modes.h"
#include "config/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The parser alone: every byte, also NUL. */
static void fuzz_parser(const uint8_t *data, size_t size)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    struct gg_node *root;

    if (gg_yaml_parse(arena, "f", gg_strn((const char *)data, size), NULL, NULL, &root, &err) == 0)
        (void)gg_node_count(root);
    gg_arena_free(arena);
}

/* Every reader of the host's keys, and the printer. */
static void fuzz_config(const char *text)
{
    struct gg_config_source source = {.text = text};
    struct gg_error err = GG_ERROR_INIT;
    struct gg_buf printed = GG_BUF_INIT;
    struct gg_config *config;

    if (gg_config_read(&source, &config, &err) == 0 && gg_config_finish(config, &err) == 0)
        gg_mode_print_config(config, &printed);
    gg_buf_done(&printed);
    gg_config_free(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gg_arena *arena = gg_arena_new();

    fuzz_parser(data, size);
    fuzz_config(gg_arena_strndup(arena, (const char *)data, size));
    gg_arena_free(arena);
    return 0;
}
