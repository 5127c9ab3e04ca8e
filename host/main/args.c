/* The command line: Synapse's flags, and our own subcommands. */
#include "main/args.h"

#include <ganglion/buf.h>
#include <stdio.h>
#include <string.h>

enum kind { FLAG, VALUE, LIST, REMOVED };

struct option {
    char letter;              /* 0: none */
    const char *name, *other; /* without dashes; other: a second spelling, or NULL */
    int kind;
    size_t offset;           /* of the member of struct gg_args */
    const char *value, *doc; /* what the value is called; REMOVED: why */
};

#define AT(member_) offsetof(struct gg_args, member_)

static const struct option options[] = {
    {'c', "config-path", NULL, LIST, AT(configs), "FILE", "a YAML file, or a folder of them; may be given many times"},
    {0, "plugin-dir", NULL, LIST, AT(plugin_dirs), "DIR", "look for plugins here first; may be given many times"},
    {'D', "daemonize", NULL, FLAG, AT(daemonize), NULL, "go to the background once everything listens"},
    {0, "print-pidfile", NULL, FLAG, AT(print_pidfile), NULL, "print the path of the pid file first"},
    {'n', "no-redirect-stdio", NULL, FLAG, AT(keep_stdio), NULL, "keep standard output and error"},
    {0, "enable-registration", NULL, FLAG, AT(enable_registration), NULL, "as enable_registration: true"},
    {0, "no-secrets-in-config", NULL, FLAG, AT(no_secrets), NULL, "refuse secrets that stand in the files themselves"},
    {0, "explain", NULL, FLAG, AT(explain), NULL, "print what this process would load, serve and run, and why"},
    {0, "check-config", NULL, FLAG, AT(check_config), NULL, "check all files of a deployment together"},
    {0, "print-config", NULL, FLAG, AT(print_config), NULL, "print the merged configuration, secrets masked"},
    {0, "generate-config", NULL, FLAG, AT(generate_config), NULL, "write a new configuration"},
    {0, "generate-keys", "generate-missing-configs", FLAG, AT(generate_keys), NULL,
     "write the files that the configuration names and that are missing"},
    {0, "generate-missing-and-run", NULL, FLAG, AT(generate_and_run), NULL, "the default of the main process"},
    {0, "config-doc", NULL, FLAG, AT(config_doc), NULL, "print the documentation of all keys"},
    {'H', "server-name", NULL, VALUE, AT(server_name), "NAME", "with --generate-config"},
    {0, "report-stats", NULL, VALUE, AT(report_stats), "yes|no", "with --generate-config"},
    {0, "config-directory", "keys-directory", VALUE, AT(config_directory), "DIR", "where side files are"},
    {0, "data-directory", NULL, VALUE, AT(data_directory), "DIR", "with --generate-config"},
    {0, "open-private-ports", NULL, FLAG, AT(open_private_ports), NULL, "with --generate-config"},
    {0, "enable-metrics", NULL, FLAG, AT(enable_metrics), NULL, "with --generate-config"},
    {0, "manhole", NULL, VALUE, AT(manhole), "PORT", "understood and not offered: it is a Python shell"},
    {'d', "database-path", NULL, VALUE, AT(database_path), "FILE", "understood and not used: SQLite is not supported"},
    {'f', "log-file", NULL, REMOVED, 0, "FILE", "the option is no more: name a file in log_config"},
    {0, "json", NULL, FLAG, AT(json), NULL, "plugins: as JSON"},
    {0, "format", NULL, VALUE, AT(format), "FORMAT", "routes: table, nginx, haproxy, plan or json"},
    {0, "listen", NULL, VALUE, AT(listen), "ADDRESS", "routes: where the proxy listens"},
    {'h', "help", NULL, FLAG, AT(help), NULL, "print this text"},
    {0, "version", NULL, FLAG, AT(version), NULL, "print the version"},
};

static const struct option *find_long(struct gg_str name)
{
    for (size_t i = 0; i < GG_COUNT(options); i++)
        if (gg_str_is(name, options[i].name) || (options[i].other != NULL && gg_str_is(name, options[i].other)))
            return &options[i];
    return NULL;
}

static const struct option *find_short(char letter)
{
    for (size_t i = 0; i < GG_COUNT(options); i++)
        if (options[i].letter == letter && letter != 0)
            return &options[i];
    return NULL;
}

static int store(struct gg_args *out, const struct option *o, const char *value, struct gg_error *err)
{
    void *at = (char *)out + o->offset;
    if (o->kind == FLAG) {
        *(bool *)at = true;
    } else if (o->kind == VALUE) {
        *(const char **)at = value;
    } else {
        struct gg_option_list *list = at;
        if (list->n == GG_MAX_OPTION_VALUES)
            return gg_fail(err, GG_E_INVALID, "--%s is given more than %d times", o->name, GG_MAX_OPTION_VALUES);
        list->values[list->n++] = value;
    }
    return 0;
}

/* One argument that begins with '-', and the next one when it is its value. */
static int take_option(int argc, char *const *argv, int *at, struct gg_args *out, struct gg_error *err)
{
    const char *arg = argv[*at], *value = NULL;
    bool is_long = arg[1] == '-';
    size_t n = is_long ? strcspn(arg + 2, "=") : 0;
    const struct option *o = is_long ? find_long(gg_strn(arg + 2, n)) : find_short(arg[1]);
    if (o == NULL)
        return gg_fail(err, GG_E_INVALID, "there is no option %s", arg);
    if (o->kind == REMOVED)
        return gg_fail(err, GG_E_INVALID, "--%s: %s", o->name, o->doc);
    if (is_long && arg[2 + n] == '=')
        value = arg + 2 + n + 1;
    else if (!is_long && arg[2] != '\0')
        value = arg + 2;
    if (o->kind == FLAG && value != NULL)
        return gg_fail(err, GG_E_INVALID, "%s: the option takes no value", arg);
    if (o->kind != FLAG && value == NULL) {
        if (*at + 1 >= argc)
            return gg_fail(err, GG_E_INVALID, "%s needs a value (%s)", arg, o->value);
        value = argv[++*at];
    }
    return store(out, o, value, err);
}

static int take_word(const char *word, struct gg_args *out, struct gg_error *err)
{
    static const struct {
        const char *word;
        int command;
    } commands[] = {{"plugins", GG_CMD_PLUGINS}, {"routes", GG_CMD_ROUTES}};
    for (size_t i = 0; i < GG_COUNT(commands); i++)
        if (strcmp(word, commands[i].word) == 0 && out->command == GG_CMD_RUN) {
            out->command = commands[i].command;
            return 0;
        }
    return gg_fail(err, GG_E_INVALID, "'%s' is no command: configuration files are given by -c", word);
}

static int choose_command(struct gg_args *out, struct gg_error *err)
{
    const struct {
        bool on;
        int command;
    } modes[] = {{out->help, GG_CMD_HELP},
                 {out->version, GG_CMD_VERSION},
                 {out->explain, GG_CMD_EXPLAIN},
                 {out->check_config, GG_CMD_CHECK_CONFIG},
                 {out->print_config, GG_CMD_PRINT_CONFIG},
                 {out->config_doc, GG_CMD_CONFIG_DOC},
                 {out->generate_config, GG_CMD_GENERATE_CONFIG},
                 {out->generate_keys, GG_CMD_GENERATE_KEYS}};
    for (size_t i = 0; i < GG_COUNT(modes); i++)
        if (modes[i].on) {
            out->command = modes[i].command;
            break;
        }
    static const bool without_config[] = {[GG_CMD_HELP] = true,
                                          [GG_CMD_VERSION] = true,
                                          [GG_CMD_PLUGINS] = true,
                                          [GG_CMD_ROUTES] = true,
                                          [GG_CMD_CONFIG_DOC] = true};
    bool needs_config = !without_config[out->command];
    if (needs_config && out->configs.n == 0)
        return gg_fail(err, GG_E_INVALID,
                       "no configuration file: name it by -c (ganglion -c homeserver.yaml), or make one by "
                       "ganglion -c homeserver.yaml -H NAME --report-stats no --generate-config");
    return 0;
}

static void add_override(struct gg_args *out, const char *path, const char *flag)
{
    out->overrides[out->n_overrides++] = (struct gg_config_override){.path = path, .yaml = "true", .flag = flag};
}

int gg_args_parse(int argc, char *const *argv, struct gg_args *out, struct gg_error *err)
{
    memset(out, 0, sizeof(*out));
    out->command = GG_CMD_RUN;
    for (int i = 1; i < argc; i++) {
        bool is_option = argv[i][0] == '-' && argv[i][1] != '\0';
        int rc = is_option ? take_option(argc, argv, &i, out, err) : take_word(argv[i], out, err);
        if (rc < 0)
            return rc;
    }
    if (out->enable_registration)
        add_override(out, "enable_registration", "--enable-registration");
    return choose_command(out, err);
}

struct gg_config_source gg_args_source(const struct gg_args *args)
{
    return (struct gg_config_source){.paths = args->configs.values,
                                     .n_paths = args->configs.n,
                                     .overrides = args->overrides,
                                     .n_overrides = args->n_overrides,
                                     .config_directory = args->config_directory,
                                     .no_secrets = args->no_secrets};
}

void gg_args_usage(struct gg_buf *out)
{
    gg_buf_lit(out, "usage: ganglion -c FILE [-c FILE_OR_FOLDER ...]   run one process of a deployment\n"
                    "       ganglion plugins [--json]                 what is installed\n"
                    "       ganglion routes [-c FILE_OR_FOLDER ...] [--format table|nginx|haproxy|plan|json]\n"
                    "                                                 what is served where\n\n");
    for (size_t i = 0; i < GG_COUNT(options); i++) {
        const struct option *o = &options[i];
        char left[80];
        if (o->kind == REMOVED)
            continue;
        snprintf(left, sizeof(left), "%c%c%s--%s%s%s", o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
                 o->letter ? ", " : "  ", o->name, o->value ? " " : "", o->value ? o->value : "");
        gg_buf_printf(out, "  %-34s %s\n", left, o->doc);
    }
}
