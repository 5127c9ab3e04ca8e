/* docs/config.md, from the tables of keys. */
#include "config/modes.h"

static const char head[] =
    "# Configuration keys\n"
    "\n"
    "This page is made from the tables of keys in the sources (`ganglion --config-doc`); do not edit it.\n"
    "\n"
    "Each key of Synapse has a verdict:\n"
    "\n"
    "- **honoured**: it does what it does in Synapse;\n"
    "- **ignored**: it may stand in the files and has no effect, for the reason given; a line in the log says so;\n"
    "- **refused**: the process does not start while it is switched on, because somebody would rely on it in vain.\n"
    "\n"
    "What is refused only because it is not built yet can be taken upon oneself: the environment variable\n"
    "`GANGLION_ACCEPT_UNBUILT` names such keys, or sections of them, separated by commas (`oidc_providers,cas_config`;\n"
    "`all` for every one). The process then starts, the key has no effect, and a warning says so by name. Read what the\n"
    "key would have kept out first: nothing does that now.\n"
    "\n"
    "A secret may also be given as a file: `<key>_path` names it. Durations are milliseconds or 30s, 5m, 1h, 2d, 1w, "
    "1y;\n"
    "sizes are bytes or 10K, 50M, 1G, 1T. Keys beginning with `ganglion.` are ours; Synapse ignores them.\n";

static const char *type_name(const struct gg_config_key *key)
{
    static const char *const names[] = {[GG_C_BOOL] = "boolean",
                                        [GG_C_INT] = "whole number",
                                        [GG_C_NUMBER] = "number",
                                        [GG_C_TEXT] = "text",
                                        [GG_C_DURATION] = "duration",
                                        [GG_C_SIZE] = "size",
                                        [GG_C_TEXTS] = "list of texts",
                                        [GG_C_LIST] = "list",
                                        [GG_C_MAP] = "map",
                                        [GG_C_ANY] = "any",
                                        [GG_C_SECRET] = "secret",
                                        [GG_C_NAMES] = "name or list of names",
                                        [GG_C_ENUM] = "choice"};

    return key->type < GG_COUNT(names) && names[key->type] ? names[key->type] : "?";
}

/* "a|b" as "a, b"; the bar would end the cell. */
static void add_listed(struct gg_buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            gg_buf_lit(out, "`, `");
        else if (*text != '!')
            gg_buf_char(out, *text);
    }
}

static void add_type(struct gg_buf *out, const struct gg_config_key *key)
{
    if (key->type == GG_C_ENUM) {
        gg_buf_lit(out, "`");
        add_listed(out, key->choices);
        gg_buf_lit(out, "`");
    } else {
        gg_buf_text(out, type_name(key));
    }
    if (key->flags & GG_KEY_ONE)
        gg_buf_lit(out, " (exactly one)");
    if (key->fallback && *key->fallback)
        gg_buf_printf(out, "; `%s`", key->fallback);
    if (key->env)
        gg_buf_printf(out, "; environment `%s`", key->env);
}

static void add_key(struct gg_buf *out, const struct gg_config_key *key)
{
    static const char *const verdicts[] = {"honoured", "ignored", "**refused**"};

    gg_buf_printf(out, "| `%s` | ", key->path);
    add_type(out, key);
    gg_buf_printf(out, " | %s", verdicts[key->verdict]);
    if (key->why)
        gg_buf_printf(out, ": %s", key->why);
    gg_buf_printf(out, " | %s", key->doc);
    if (key->old) {
        gg_buf_lit(out, " Formerly `");
        add_listed(out, key->old);
        gg_buf_printf(out, "`%s.", strchr(key->old, '!') ? " (the opposite)" : "");
    }
    gg_buf_lit(out, " |\n");
}

void gg_mode_config_doc(const struct gg_doc_section *sections, struct gg_buf *out)
{
    gg_buf_text(out, head);
    for (; sections->title; sections++) {
        gg_buf_printf(out, "\n## %s\n\n| Key | Type; default | Verdict | Meaning |\n|---|---|---|---|\n",
                      sections->title);
        for (const struct gg_config_key *key = sections->keys; key->path; key++)
            add_key(out, key);
    }
}
