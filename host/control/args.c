/* The command line of ganglionctl: synctl's, and names of processes. */
#include "control/control.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { DEFAULT_TIMEOUT_S = 120, MAX_TIMEOUT_S = 86400 };

enum kind { FLAG, VALUE, CONFIG, FOLDERS, SECONDS, NOTHING };

static const struct option {
    char letter;
    const char *name;
    int kind;
    size_t offset;
    const char *value, *doc;
} options[] = {
    {'w', "worker", VALUE, offsetof(struct gg_control_args, worker), "FILE", "only the worker of that file"},
    {'a', "all-processes", VALUE, offsetof(struct gg_control_args, folder), "DIR",
     "the workers of the files of a folder; the main process, too, when one of them has its worker_app"},
    {'c', "config-path", CONFIG, 0, "CONFIG", "the same as CONFIG by itself"},
    {'D', "daemonize", NOTHING, 0, NULL, "start in the background, which is what is done anyway"},
    {0, "no-daemonize", FLAG, offsetof(struct gg_control_args, foreground), NULL, "start one process in the foreground"},
    {0, "plugin-dir", FOLDERS, 0, "DIR", "where to look for plugins first"},
    {0, "timeout", SECONDS, 0, "SECONDS", "how long one process may take to start or to stop; 120 unless given"},
    {0, "json", FLAG, offsetof(struct gg_control_args, json), NULL, "print what is the case as JSON"},
    {'h', "help", NOTHING, 0, NULL, "print this text"},
};

static const struct {
    const char *word;
    int command;
} commands[] = {{"start", GG_CONTROL_START},
                {"stop", GG_CONTROL_STOP},
                {"restart", GG_CONTROL_RESTART},
                {"status", GG_CONTROL_STATUS},
                {"check", GG_CONTROL_CHECK},
                {"help", GG_CONTROL_HELP}};

static const struct option *find(struct gg_str name, char letter)
{
    for (size_t i = 0; i < GG_COUNT(options); i++)
        if (letter != 0 ? options[i].letter == letter : gg_str_is(name, options[i].name))
            return &options[i];
    return NULL;
}

static int add(const char **list, size_t *n, const char *word, struct gg_error *err)
{
    if (*n == GG_CONTROL_WORDS)
        return gg_fail(err, GG_E_INVALID, "more than %d of a kind", GG_CONTROL_WORDS);
    list[(*n)++] = word;
    return 0;
}

static int store(const struct option *o, const char *value, struct gg_control_args *out, struct gg_error *err)
{
    char *end;
    void *at = (char *)out + o->offset;
    switch (o->kind) {
    case FLAG:
        *(bool *)at = true;
        return 0;
    case VALUE:
        *(const char **)at = value;
        return 0;
    case CONFIG:
        return add(out->configs, &out->n_configs, value, err);
    case FOLDERS:
        return add(out->plugin_dirs, &out->n_plugin_dirs, value, err);
    case SECONDS:
        out->timeout_ms = strtol(value, &end, 10) * 1000;
        if (*end != '\0' || out->timeout_ms <= 0 || out->timeout_ms > MAX_TIMEOUT_S * 1000LL)
            return gg_fail(err, GG_E_INVALID, "--timeout: '%s' is no number of seconds", value);
        return 0;
    default:
        out->command = o->letter == 'h' ? GG_CONTROL_HELP : out->command;
        return 0;
    }
}

static int take_option(int argc, char *const *argv, int *at, struct gg_control_args *out, struct gg_error *err)
{
    const char *arg = argv[*at], *value = NULL;
    bool is_long = arg[1] == '-';
    size_t n = is_long ? strcspn(arg + 2, "=") : 0;
    const struct option *o = is_long ? find(gg_strn(arg + 2, n), 0) : find(GG_STR(""), arg[1]);
    if (o == NULL)
        return gg_fail(err, GG_E_INVALID, "there is no option %s", arg);
    if (is_long && arg[2 + n] == '=')
        value = arg + 2 + n + 1;
    else if (!is_long && arg[2] != '\0')
        value = arg + 2;
    if (o->value == NULL && value != NULL)
        return gg_fail(err, GG_E_INVALID, "%s: the option takes no value", arg);
    if (o->value != NULL && value == NULL) {
        if (*at + 1 >= argc)
            return gg_fail(err, GG_E_INVALID, "%s needs a value (%s)", arg, o->value);
        value = argv[++*at];
    }
    return store(o, value, out, err);
}

/* A file or folder, or the name of a process: names hold no slash and are seldom called like files. */
static bool is_path(const char *word)
{
    struct stat st;
    size_t n = strlen(word);
    return strchr(word, '/') != NULL || (n > 5 && strcmp(word + n - 5, ".yaml") == 0) || stat(word, &st) == 0;
}

static int take_word(const char *word, bool first, struct gg_control_args *out, struct gg_error *err)
{
    for (size_t i = 0; first && i < GG_COUNT(commands); i++)
        if (strcmp(word, commands[i].word) == 0) {
            out->command = commands[i].command;
            return 0;
        }
    if (first)
        return gg_fail(err, GG_E_INVALID, "'%s' is no command", word);
    return is_path(word) ? add(out->configs, &out->n_configs, word, err) : add(out->names, &out->n_names, word, err);
}

/* synctl's default, and where the packages put it. */
static void default_config(struct gg_control_args *out)
{
    static const char *const usual[] = {"homeserver.yaml", "/etc/ganglion"};
    struct stat st;
    for (size_t i = 0; out->n_configs == 0 && i < GG_COUNT(usual); i++)
        if (stat(usual[i], &st) == 0)
            out->configs[out->n_configs++] = usual[i];
}

static int judge(struct gg_control_args *out, struct gg_error *err)
{
    if (out->command == GG_CONTROL_HELP)
        return 0;
    default_config(out);
    if (out->n_configs == 0)
        return gg_fail(err, GG_E_INVALID, "there is no homeserver.yaml here: name the configuration");
    if (out->worker != NULL && out->folder != NULL)
        return gg_fail(err, GG_E_INVALID, "-w and -a exclude each other");
    if (out->foreground && out->command != GG_CONTROL_START)
        return gg_fail(err, GG_E_INVALID, "--no-daemonize goes with start");
    return 0;
}

int gg_control_args_parse(int argc, char *const *argv, struct gg_control_args *out, struct gg_error *err)
{
    bool first = true;
    int rc = argc > 1 ? 0 : gg_fail(err, GG_E_INVALID, "what is to be done?");
    memset(out, 0, sizeof(*out));
    out->timeout_ms = DEFAULT_TIMEOUT_S * 1000;
    for (int i = 1; rc == 0 && i < argc; i++) {
        if (argv[i][0] == '-' && argv[i][1] != '\0') {
            rc = take_option(argc, argv, &i, out, err);
        } else {
            rc = take_word(argv[i], first, out, err);
            first = false;
        }
    }
    return rc == 0 ? judge(out, err) : rc;
}

void gg_control_usage(struct gg_buf *out)
{
    gg_buf_lit(out, "usage: ganglionctl start|stop|restart [CONFIG] [-w FILE | -a DIR]   as synctl\n"
                    "       ganglionctl start|stop NAME ... [CONFIG] [-a DIR]            these processes\n"
                    "       ganglionctl restart NAME ... [CONFIG] [-a DIR]               replaced without a failed request\n"
                    "       ganglionctl status [CONFIG] [-a DIR] [--json]                what runs\n"
                    "       ganglionctl check [CONFIG] [-a DIR] [--json]                 what is wrong\n\n"
                    "CONFIG is homeserver.yaml (then the main process is meant) or a folder that holds it and the workers'\n"
                    "files, in workers/ (then all are); without one, homeserver.yaml here or /etc/ganglion.\n"
                    "NAME is a worker_name, or main.\n\n");
    for (size_t i = 0; i < GG_COUNT(options); i++) {
        const struct option *o = &options[i];
        gg_buf_printf(out, o->letter != 0 ? "  -%c, " : "      ", o->letter);
        gg_buf_printf(out, "--%s%s%s\n          %s\n", o->name, o->value != NULL ? " " : "",
                      o->value != NULL ? o->value : "", o->doc);
    }
}
