/* register_new_matrix_user: an account on a running server, through its shared secret. Flags as Synapse's. */
#include <getopt.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "prompt.h"
#include "request.h"
#include "settings.h"

enum { LINE = 4096 };
#define DEFAULT_SERVER "http://localhost:8008"

static const char usage[] =
    "usage: register_new_matrix_user [-h] [-u USER] [--exists-ok] [-p PASSWORD | --password-file FILE] [-t USER_TYPE]\n"
    "                                [-a | --no-admin] (-c CONFIG | -k SHARED_SECRET) [server_url]\n";
static const char help[] =
    "\nUsed to register new users with a given homeserver when registration has been disabled. The homeserver must be\n"
    "configured with the 'registration_shared_secret' option set.\n"
    "\n  server_url                    URL to use to talk to the homeserver. By default, tries to find a suitable URL\n"
    "                                from the configuration file. Otherwise, defaults to '" DEFAULT_SERVER "'.\n"
    "  -u, --user USER               Local part of the new user. Will prompt if omitted.\n"
    "  --exists-ok                   Do not fail if the user already exists. The account will not be updated.\n"
    "  -p, --password PASSWORD       New password for user. Will prompt if this flag and --password-file are omitted.\n"
    "  --password-file FILE          File containing the new password for user. Overrides --password.\n"
    "  -t, --user_type USER_TYPE     Kind of account: bot, support, or one of user_types.extra_user_types.\n"
    "  -a, --admin                   Register new user as an admin. Will prompt if --no-admin is not set either.\n"
    "  --no-admin                    Register new user as a regular user. Will prompt if --admin is not set either.\n"
    "  -c, --config CONFIG           Path to server config file. Used to read in shared secret. May be repeated.\n"
    "  -k, --shared-secret SECRET    Shared secret as defined in server config file.\n"
    "  -h, --help                    show this help message and exit\n";

struct arguments {
    const char *user, *password, *password_file, *type, *secret, *server;
    const char *configs[SETTINGS_FILES];
    size_t n_configs;
    bool admin, no_admin, exists_ok;
};

static void fail(const char *why)
{
    fprintf(stderr, "%sregister_new_matrix_user: error: %s\n", usage, why);
    exit(2);
}

enum { OPT_EXISTS = 256, OPT_FILE, OPT_NO_ADMIN };

static void take_option(struct arguments *a, int c)
{
    switch (c) {
    case 'u': a->user = optarg; break;
    case 'p': a->password = optarg; break;
    case 't': a->type = optarg; break;
    case 'k': a->secret = optarg; break;
    case 'a': a->admin = true; break;
    case OPT_EXISTS: a->exists_ok = true; break;
    case OPT_FILE: a->password_file = optarg; break;
    case OPT_NO_ADMIN: a->no_admin = true; break;
    case 'c':
        if (a->n_configs == SETTINGS_FILES)
            fail("too many configuration files");
        a->configs[a->n_configs++] = optarg;
        break;
    case 'h':
        printf("%s%s", usage, help);
        exit(0);
    default: exit(2);
    }
}

static void read_arguments(int argc, char **argv, struct arguments *a)
{
    static const struct option options[] = {
        {"user", required_argument, NULL, 'u'},         {"exists-ok", no_argument, NULL, OPT_EXISTS},
        {"password", required_argument, NULL, 'p'},     {"password-file", required_argument, NULL, OPT_FILE},
        {"user_type", required_argument, NULL, 't'},    {"admin", no_argument, NULL, 'a'},
        {"no-admin", no_argument, NULL, OPT_NO_ADMIN},  {"config", required_argument, NULL, 'c'},
        {"shared-secret", required_argument, NULL, 'k'}, {"help", no_argument, NULL, 'h'},
        {0}};
    for (int c; (c = getopt_long(argc, argv, "u:p:t:ac:k:h", options, NULL)) != -1;)
        take_option(a, c);
    if (optind < argc)
        a->server = argv[optind++];
    if (optind < argc)
        fail("unrecognized arguments");
    if (a->password && a->password_file)
        fail("argument --password-file: not allowed with argument -p/--password");
    if (a->admin && a->no_admin)
        fail("argument --no-admin: not allowed with argument -a/--admin");
    if (a->secret && a->n_configs)
        fail("argument -k/--shared-secret: not allowed with argument -c/--config");
    if (!a->secret && !a->n_configs)
        fail("one of the arguments -c/--config -k/--shared-secret is required");
}

static const char *find_secret(const struct arguments *a, struct settings *settings, char *buffer, size_t size)
{
    const char *text = settings_text(settings, "registration_shared_secret");
    const char *path = settings_text(settings, "registration_shared_secret_path");
    if (a->secret)
        return a->secret;
    if (text && path)
        fprintf(stderr, "Error: Both 'registration_shared_secret' and 'registration_shared_secret_path' are set.\n");
    else if (!text && !path)
        fprintf(stderr, "Error: No 'registration_shared_secret' or 'registration_shared_secret_path' defined in config.\n");
    else if (text)
        return text;
    else if (read_first_line(path, buffer, size) && buffer[0])
        return buffer;
    return NULL;
}

static const char *find_server(const struct arguments *a, struct settings *settings, char *buffer, size_t size)
{
    const char *port = settings_client_port(settings);
    if (a->server)
        return a->server;
    if (!port) {
        fprintf(stderr, "No suitable HTTP listener is known. Trying %s.\n", DEFAULT_SERVER);
        return DEFAULT_SERVER;
    }
    snprintf(buffer, size, "http://localhost:%.8s", port);
    return buffer;
}

static const char *find_user(const struct arguments *a, char *buffer, size_t size)
{
    const struct passwd *own = getpwuid(getuid());
    char question[256];
    if (a->user && a->user[0])
        return a->user;
    if (own)
        snprintf(question, sizeof(question), "New user localpart [%s]: ", own->pw_name);
    else
        snprintf(question, sizeof(question), "New user localpart: ");
    if (!prompt(question, false, buffer, size))
        return NULL;
    if (!buffer[0] && own)
        snprintf(buffer, size, "%s", own->pw_name);
    return buffer[0] ? buffer : NULL;
}

static const char *find_password(const struct arguments *a, char *buffer, size_t size)
{
    if (a->password_file)
        return read_first_line(a->password_file, buffer, size) ? buffer : NULL;
    if (a->password && a->password[0])
        return a->password;
    return prompt_password(buffer, size) ? buffer : NULL;
}

static bool wants_admin(const struct arguments *a)
{
    char answer[16];
    if (a->admin || a->no_admin)
        return a->admin;
    return prompt("Make admin [no]: ", false, answer, sizeof(answer)) &&
           (strcmp(answer, "y") == 0 || strcmp(answer, "yes") == 0 || strcmp(answer, "true") == 0);
}

int main(int argc, char **argv)
{
    static struct settings settings;
    struct arguments a = {0};
    char secret[LINE], server[64], user[LINE], password[LINE];
    read_arguments(argc, argv, &a);
    bool ok = true;
    for (size_t i = 0; i < a.n_configs && ok; i++)
        ok = settings_read(&settings, a.configs[i]);
    struct registration r = {.user_type = a.type, .exists_ok = a.exists_ok};
    int code = 1;
    if (ok && (r.secret = find_secret(&a, &settings, secret, sizeof(secret))) != NULL &&
        (r.server = find_server(&a, &settings, server, sizeof(server))) != NULL) {
        r.user = find_user(&a, user, sizeof(user));
        if (!r.user)
            fprintf(stderr, "Invalid user name\n");
        r.password = r.user ? find_password(&a, password, sizeof(password)) : NULL;
        if (r.password) {
            r.admin = wants_admin(&a);
            code = request_registration(&r);
        }
    }
    explicit_bzero(password, sizeof(password));
    settings_done(&settings);
    return code;
}
